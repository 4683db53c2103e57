"""The wrapper that retries failed calls with backoff, and counts every attempt."""

from __future__ import annotations

import asyncio
import random as chance
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Model, Reply, Request
from rmg_dsl.models.adaptive_limit import START_CONCURRENCY, AdaptiveLimit
from rmg_dsl.models.cancellation import Cancellation, cancellation_with_attempts
from rmg_dsl.models.limiter import CallLimiter
from rmg_dsl.models.rate_limit import Clock, Sleep
from rmg_dsl.models.wrapper import ModelWrapper

DEFAULT_RETRIES = 5

# A server that never answered is seldom up a minute later: the run should end soon.
_TRIES_WITH_NOBODY = 3
_SECONDS_WITH_NOBODY = 3.0
# After so many failed requests in a row, each with all its retries, the next would fail too.
_MAX_CONSECUTIVE_FAILURES = 20


class RetryingModel(ModelWrapper):
    """Retries a retryable error at most `max_retries` times, and counts every attempt.

    >>> from rmg_dsl.messages import Message, Question
    >>> from rmg_dsl.models import ScriptedModel
    >>> from rmg_dsl.scales import YesNo
    >>> busy = CallError("busy", retryable=True)
    >>> model = RetryingModel(ScriptedModel({"polite": [busy, True]}), random=lambda: 0.0)
    >>> request = Request(Question("polite", YesNo(), (Message("user", "Polite?"),)))
    >>> asyncio.run(model.complete(request)).usage.calls
    2

    The backoff is random between 0 and `first` seconds, doubled with each retry up to `longest`.
    Where the response says how long to wait, it is at least that; where that is more than
    `patience` seconds, there is no further retry. The usage of the reply counts all attempts, and
    so do the final CallError and a CallCancelled.

    Where the server has never answered, three attempts are enough, and such a failure is `fatal`;
    so is a failure after many failed requests in a row. Until the first reply, no more than `slots`
    requests are tried at once: a request in backoff keeps its slot.
    """

    def __init__(
        self,
        model: Model,
        max_retries: int = DEFAULT_RETRIES,
        *,
        cancellation: Cancellation | None = None,
        slots: Callable[[], int] = lambda: START_CONCURRENCY,
        sleep: Sleep | None = None,
        clock: Clock = time.monotonic,
        random: Callable[[], float] = chance.random,
        first: float = 0.5,
        longest: float = 30.0,
        patience: float = 120.0,
    ) -> None:
        super().__init__(model)
        cancellation = Cancellation() if cancellation is None else cancellation
        self._max_retries = max_retries
        self._slots = slots
        self._cancellation = cancellation
        self._startup_limiter: CallLimiter | None = None
        self._sleep = cancellation.sleep if sleep is None else sleep
        self._clock = clock
        self._random = random
        self._first_backoff = first
        self._longest_backoff = longest
        self._patience = patience
        self._has_responded = self._has_succeeded = False
        self._unanswered_tries = self._consecutive_failures = 0

    async def complete(self, request: Request) -> Reply:
        if self._has_succeeded:
            if self._startup_limiter is not None:
                # Yield once so that queued calls start before this one.
                await asyncio.sleep(0)
            return await self._complete_with_retries(request)
        startup_limiter = self._open_startup_limiter()
        await startup_limiter.acquire()
        try:
            return await self._complete_with_retries(request)
        finally:
            startup_limiter.release()

    def _open_startup_limiter(self) -> CallLimiter:
        if self._startup_limiter is None:
            slots = self._slots()
            limit = AdaptiveLimit(slots, slots)
            self._startup_limiter = CallLimiter(limit, cancellation=self._cancellation)
        return self._startup_limiter

    async def _complete_with_retries(self, request: Request) -> Reply:
        attempts, start = 0, self._clock()
        try:
            for retries in count():
                try:
                    reply = await self._model.complete(request)
                except CallError as error:
                    attempts += error.attempts
                    wait = self._backoff_seconds(error, retries, start)
                    if wait is None:
                        raise self._final_error(error, attempts) from None
                else:
                    return self._record_success(reply, attempts)
                await self._sleep(wait)
        except asyncio.CancelledError as cause:
            raise cancellation_with_attempts(cause, attempts) from None
        raise AssertionError("a count has no end")

    def _record_success(self, reply: Reply, failed_attempts: int) -> Reply:
        self._has_responded, self._consecutive_failures = True, 0
        if not self._has_succeeded and self._startup_limiter is not None:
            self._has_succeeded = True
            self._startup_limiter.remove_limit()
            asyncio.get_running_loop().call_soon(self._drop_startup_limiter)
        if not failed_attempts:
            return reply
        usage = replace(
            reply.usage,
            calls=reply.usage.calls + failed_attempts,
            retried=reply.usage.retried + failed_attempts,
        )
        return replace(reply, usage=usage)

    def _drop_startup_limiter(self) -> None:
        self._startup_limiter = None

    def _backoff_seconds(self, error: CallError, retries: int, start: float) -> float | None:
        """The seconds until the next attempt, or None where there is none."""
        self._count_unanswered(error)
        if not error.retryable or retries >= self._max_retries:
            return None
        if not self._has_responded and self._is_unreachable(error, retries, start):
            return None
        requested = error.retry_after or 0.0
        if requested > self._patience:
            return None
        if requested:
            # Not at the same moment as all others that were told the same time.
            return requested + self._random() * self._first_backoff
        # The exponent is bounded only so that it cannot overflow.
        longest = min(self._longest_backoff, self._first_backoff * 2.0 ** min(retries, 32))
        return self._random() * longest

    def _count_unanswered(self, error: CallError) -> None:
        if error.status_code is not None:
            self._has_responded = True
        # An error without an attempt was never sent: it says nothing about the server.
        if not self._has_responded and error.attempts:
            self._unanswered_tries += 1

    def _is_unreachable(self, error: CallError, retries: int, start: float) -> bool:
        """Whether to give up on a server that has never answered."""
        if retries + 1 >= _TRIES_WITH_NOBODY:
            return True
        # Where nothing listens at all, each attempt may take long: the time counts too.
        return error.fatal and self._clock() - start > _SECONDS_WITH_NOBODY

    def _final_error(self, error: CallError, attempts: int) -> CallError:
        """The error of a request after all its attempts; `fatal` where no other can do better."""
        error.attempts = attempts
        self._consecutive_failures += error.retryable
        never_answered = not self._has_responded and self._unanswered_tries >= _TRIES_WITH_NOBODY
        if never_answered or self._consecutive_failures >= _MAX_CONSECUTIVE_FAILURES:
            error.fatal = True
        return error
