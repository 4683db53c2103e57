"""How fast: at most so many calls and tokens a minute, met before a provider has to say no."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from rmg_dsl.messages import Model, Reply, Request
from rmg_dsl.models.wrapper import ModelWrapper

Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]


class RateLimit:
    """Spaces calls evenly, by `rpm` calls and `tpm` tokens a minute, whichever is slower. One for each endpoint.

    >>> pace = RateLimit(rpm=60)
    >>> pace.reserve(pace.next_free_time(10.0), tokens=500)
    >>> pace.next_free_time(10.0)
    11.0
    """

    def __init__(self, rpm: float | None = None, tpm: float | None = None) -> None:
        self._rpm = self._tpm = 0.0
        self._next_call = self._next_token = 0.0
        self.raise_limits(rpm, tpm)

    @property
    def is_set(self) -> bool:
        return bool(self._rpm or self._tpm)

    def raise_limits(self, rpm: float | None, tpm: float | None) -> None:
        """One model's limits, before its first call; of several the highest is the endpoint's."""
        self._rpm = max(self._rpm, rpm or 0.0)
        self._tpm = max(self._tpm, tpm or 0.0)

    def next_free_time(self, now: float) -> float:
        """The first moment that nobody has booked."""
        return max(now, self._next_call, self._next_token)

    def reserve(self, start: float, tokens: int) -> None:
        """A call of so many tokens begins at `start`."""
        self._next_call = start + (60 / self._rpm if self._rpm else 0.0)
        self._next_token = max(start, self._next_token) + self._seconds(tokens)

    def adjust_tokens(self, tokens: int) -> None:
        """A call came to so many more tokens than were booked."""
        self._next_token += self._seconds(tokens)

    def _seconds(self, tokens: int) -> float:
        return 60 * tokens / self._tpm if self._tpm else 0.0


class RateLimitedModel(ModelWrapper):
    """At most `rpm` calls and `tpm` tokens a minute of this model, and of its endpoint what the shared `pace` allows.

    >>> from rmg_dsl.models import ScriptedModel
    >>> RateLimitedModel(ScriptedModel({}), rpm=60).name
    'scripted'

    Tokens are guessed from the size of a call and put right by the reply's own count. Around the limiter, so that a
    call that waits for its moment holds no slot.
    """

    def __init__(
        self,
        model: Model,
        rpm: float | None = None,
        tpm: float | None = None,
        pace: RateLimit | None = None,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(model)
        shared = RateLimit() if pace is None else pace
        shared.raise_limits(rpm, tpm)
        self._rate_limits = (shared, RateLimit(rpm, tpm))
        self._clock = clock
        self._sleep = sleep

    async def complete(self, request: Request) -> Reply:
        paces = [pace for pace in self._rate_limits if pace.is_set]
        if not paces:
            return await self._model.complete(request)
        guess = request.tokens
        # Booked before anything is awaited, so that no two calls book the same moment.
        now = self._clock()
        start = max(pace.next_free_time(now) for pace in paces)
        for pace in paces:
            pace.reserve(start, guess)
        if start > now:
            await self._sleep(start - now)
        reply = await self._model.complete(request)
        for pace in paces:
            pace.adjust_tokens(reply.usage.tokens_in + reply.usage.tokens_out - guess)
        return reply
