"""Rate limits: at most so many calls and tokens a minute, before the provider refuses any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from rmg_dsl.messages import Model, Reply, Request, estimate_usage
from rmg_dsl.models.wrapper import ModelWrapper

Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]


class RateLimit:
    """Spaces calls by `rpm` calls and `tpm` tokens a minute, the slower one. One per endpoint.

    >>> rate_limit = RateLimit(rpm=60)
    >>> rate_limit.reserve(rate_limit.next_free_time(10.0), tokens=500)
    >>> rate_limit.next_free_time(10.0)
    11.0

    All times are in seconds, on the clock of the caller.
    """

    def __init__(self, rpm: float | None = None, tpm: float | None = None) -> None:
        self._rpm = self._tpm = 0.0
        self._next_call = self._next_token = 0.0
        self.raise_limits(rpm, tpm)

    @property
    def is_set(self) -> bool:
        return bool(self._rpm or self._tpm)

    def raise_limits(self, rpm: float | None, tpm: float | None) -> None:
        """Add one model's limits, before its first call. Of several the highest limit counts."""
        self._rpm = max(self._rpm, rpm or 0.0)
        self._tpm = max(self._tpm, tpm or 0.0)

    def next_free_time(self, now: float) -> float:
        """The first moment at which another call may start."""
        return max(now, self._next_call, self._next_token)

    def reserve(self, start: float, tokens: int) -> None:
        """Record a call of so many tokens that starts at `start`."""
        self._next_call = start
        if self._rpm:
            self._next_call += 60 / self._rpm
        self._next_token = max(start, self._next_token) + self._seconds(tokens)

    def adjust_tokens(self, tokens: int) -> None:
        """Add what a call took beyond its reserved tokens; a negative number gives some back."""
        self._next_token += self._seconds(tokens)

    def _seconds(self, tokens: int) -> float:
        return 60 * tokens / self._tpm if self._tpm else 0.0


class RateLimitedModel(ModelWrapper):
    """At most `rpm` calls and `tpm` tokens a minute, and what the shared `rate_limit` allows.

    >>> from rmg_dsl.models import ScriptedModel
    >>> RateLimitedModel(ScriptedModel({}), rpm=60).name
    'scripted'

    Tokens are estimated from the size of a request and corrected by the count in the reply. The
    wrapper is outside the concurrency limit, so that a waiting call holds no slot.
    """

    def __init__(
        self,
        model: Model,
        rpm: float | None = None,
        tpm: float | None = None,
        rate_limit: RateLimit | None = None,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(model)
        shared = RateLimit() if rate_limit is None else rate_limit
        shared.raise_limits(rpm, tpm)
        self._rate_limits = (shared, RateLimit(rpm, tpm))
        self._clock = clock
        self._sleep = sleep

    async def complete(self, request: Request) -> Reply:
        limits = [limit for limit in self._rate_limits if limit.is_set]
        if not limits:
            return await self._model.complete(request)
        estimate = request.tokens
        # Reserved before the first await, so that no two calls get the same moment.
        now = self._clock()
        start = max(limit.next_free_time(now) for limit in limits)
        for limit in limits:
            limit.reserve(start, estimate)
        if start > now:
            await self._sleep(start - now)
        reply = await self._model.complete(request)
        usage = estimate_usage(request, reply)
        tokens = usage.tokens_in + usage.tokens_out
        for limit in limits:
            limit.adjust_tokens(tokens - estimate)
        return reply
