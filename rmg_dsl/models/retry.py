"""The wrapper that repeats failed calls, and counts every attempt."""

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

# A server that never answered is seldom there a minute later: say so soon.
_TRIES_WITH_NOBODY = 3
_SECONDS_WITH_NOBODY = 3.0
# So many questions one after the other, each tried as often as may be, and not one answer: there will be none.
_MAX_CONSECUTIVE_FAILURES = 20


class RetryingModel(ModelWrapper):
    """Tries again what may pass, at most `max_retries` times, and counts every attempt.

    >>> from rmg_dsl.messages import Message, Question
    >>> from rmg_dsl.models import ScriptedModel
    >>> from rmg_dsl.scales import YesNo
    >>> busy = CallError("busy", retryable=True)
    >>> model = RetryingModel(ScriptedModel({"polite": [busy, True]}), random=lambda: 0.0)
    >>> asyncio.run(model.complete(Request(Question("polite", YesNo(), (Message("user", "Polite?"),))))).usage.calls
    2

    The wait is random between 0 and 0.5 s, doubled with each try and capped at 30 s; where the answer says how long
    to wait, it is at least that, and where it says more than `patience` seconds, no further try is made. The reply's
    usage counts all attempts; the CallError that is raised in the end holds their number, and so does an `CallCancelled`.

    Where nobody has ever answered, three attempts are enough, and where question after question fails for good, no
    other will do better: such a failure is `fatal`. Until there is a first answer, no more questions are tried than
    there are `slots`: those that wait to be tried again keep theirs.
    """

    def __init__(
        self,
        model: Model,
        max_retries: int = DEFAULT_RETRIES,
        *,
        brake: Cancellation | None = None,
        slots: Callable[[], int] = lambda: START_CONCURRENCY,
        sleep: Sleep | None = None,
        clock: Clock = time.monotonic,
        random: Callable[[], float] = chance.random,
        first: float = 0.5,
        longest: float = 30.0,
        patience: float = 120.0,
    ) -> None:
        super().__init__(model)
        brake = Cancellation() if brake is None else brake
        self._max_retries = max_retries
        self._slots = slots
        self._cancellation = brake
        self._startup_limiter: CallLimiter | None = None
        self._sleep = brake.sleep if sleep is None else sleep
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
                # Who waited at the door is let in, in this very turn, and goes first.
                await asyncio.sleep(0)
            return await self._complete_with_retries(request)
        if self._startup_limiter is None:
            self._startup_limiter = CallLimiter(
                AdaptiveLimit(slots := self._slots(), slots), brake=self._cancellation
            )
        door = self._startup_limiter
        await door.acquire()
        try:
            return await self._complete_with_retries(request)
        finally:
            door.release()

    async def _complete_with_retries(self, request: Request) -> Reply:
        spent, since = 0, self._clock()
        try:
            for tries in count():
                try:
                    reply = await self._model.complete(request)
                except CallError as error:
                    spent += error.attempts
                    wait = self._backoff_seconds(error, tries, since)
                    if wait is None:
                        raise self._final_error(error, spent) from None
                else:
                    return self._record_success(reply, spent)
                await self._sleep(wait)
        except asyncio.CancelledError as cause:
            raise cancellation_with_attempts(cause, spent) from None
        raise AssertionError("a count has no end")

    def _record_success(self, reply: Reply, spent: int) -> Reply:
        self._has_responded, self._consecutive_failures = True, 0
        if not self._has_succeeded and self._startup_limiter is not None:
            self._has_succeeded = True
            self._startup_limiter.remove_limit()
            asyncio.get_running_loop().call_soon(self._drop_startup_limiter)
        if not spent:
            return reply
        usage = replace(
            reply.usage, calls=reply.usage.calls + spent, retried=reply.usage.retried + spent
        )
        return replace(reply, usage=usage)

    def _drop_startup_limiter(self) -> None:
        self._startup_limiter = None

    def _backoff_seconds(self, error: CallError, tries: int, since: float) -> float | None:
        """The seconds until the next try; none when there shall be none."""
        self._has_responded = self._has_responded or error.status_code is not None
        self._unanswered_tries += not self._has_responded
        asked = error.retry_after or 0.0
        enough = tries >= self._max_retries or (
            not self._has_responded and self._is_unreachable(error, tries, since)
        )
        if not error.retryable or enough or asked > self._patience:
            return None
        jitter = self._random() * min(
            self._longest_backoff, self._first_backoff * 2.0 ** min(tries, 32)
        )
        return asked + self._random() * self._first_backoff if asked else jitter

    def _is_unreachable(self, error: CallError, tries: int, since: float) -> bool:
        """Whether enough was tried where nobody has ever answered; where nobody even listens, time counts too."""
        return tries + 1 >= _TRIES_WITH_NOBODY or (
            error.fatal and self._clock() - since > _SECONDS_WITH_NOBODY
        )

    def _final_error(self, error: CallError, spent: int) -> CallError:
        """The error that a question ends with; fatal where it is not the first, and none was ever answered."""
        error.attempts = spent
        self._consecutive_failures += error.retryable
        if self._consecutive_failures >= _MAX_CONSECUTIVE_FAILURES or (
            not self._has_responded and self._unanswered_tries >= _TRIES_WITH_NOBODY
        ):
            error.fatal = True
        return error
