"""The wrapper that retries failed calls with backoff, and counts every attempt."""

from __future__ import annotations

import asyncio
import random as chance
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Model, Reply, Request
from rmg_dsl.models.adaptive_limit import START_CONCURRENCY
from rmg_dsl.models.cancellation import Cancellation, cancellation_with_attempts
from rmg_dsl.models.rate_limit import Clock, Sleep
from rmg_dsl.models.startup_gate import StartupGate
from rmg_dsl.models.wrapper import ModelWrapper

DEFAULT_RETRIES = 5
HOLD_PATIENCE = 300.0
"""Seconds for which an endpoint may refuse all requests of a run before the run ends."""

# A server that never answered is seldom up a minute later: the run should end soon.
_TRIES_WITH_NOBODY = 3
_SECONDS_WITH_NOBODY = 3.0
# After so many failed requests in a row, each with all its retries, the next would fail too.
_MAX_CONSECUTIVE_FAILURES = 20


@dataclass(slots=True)
class _Tries:
    """The tries of one request: when they began, all requests sent, and why they failed."""

    start: float
    attempts: int = 0
    retries: int = 0
    holds: int = 0


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

    A refusal because of which the limiter holds the whole endpoint is no failed attempt: the
    request waits for the end of the hold. But after `hold_patience` seconds without a reply to any
    request the failure is final, and `fatal`.

    Where the server has never answered, three attempts are enough, and such a failure is `fatal`;
    so is a failure after many failed requests in a row. The first `slots` requests are tried
    alone, until they are answered or the first reply shows that the server takes more.
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
        hold_patience: float = HOLD_PATIENCE,
    ) -> None:
        super().__init__(model)
        cancellation = Cancellation() if cancellation is None else cancellation
        self._max_retries = max_retries
        self._startup = StartupGate(slots, cancellation)
        self._sleep = cancellation.sleep if sleep is None else sleep
        self._clock = clock
        self._random = random
        self._first_backoff = first
        self._longest_backoff = longest
        self._patience = patience
        self._hold_patience = hold_patience
        self._has_responded = False
        self._unanswered_tries = self._consecutive_failures = 0
        self._held_since: float | None = None

    async def complete(self, request: Request) -> Reply:
        if self._startup.is_open:
            return await self._complete_with_retries(request)
        await self._startup.enter()
        try:
            return await self._complete_with_retries(request)
        finally:
            self._startup.leave()

    async def _complete_with_retries(self, request: Request) -> Reply:
        tries = _Tries(self._clock())
        try:
            while True:
                try:
                    reply = await self._model.complete(request)
                except CallError as error:
                    wait = self._seconds_until_retry(error, tries)
                    if wait is None:
                        raise self._final_error(error, tries.attempts) from None
                else:
                    return self._record_success(reply, tries.attempts)
                await self._sleep(wait)
        except asyncio.CancelledError as cause:
            raise cancellation_with_attempts(cause, tries.attempts) from None

    def _record_success(self, reply: Reply, failed_attempts: int) -> Reply:
        self._has_responded, self._consecutive_failures = True, 0
        self._held_since = None
        self._startup.record_success()
        if not failed_attempts:
            return reply
        usage = replace(
            reply.usage,
            calls=reply.usage.calls + failed_attempts,
            retried=reply.usage.retried + failed_attempts,
        )
        return replace(reply, usage=usage)

    def _seconds_until_retry(self, error: CallError, tries: _Tries) -> float | None:
        """The seconds until the next attempt, or None where there is none."""
        tries.attempts += error.attempts
        self._count_unanswered(error)
        if not error.retryable or not self._max_retries:
            return None
        if error.is_held and not self._is_held_too_long(error):
            tries.holds += 1
        elif error.is_held or tries.retries >= self._max_retries:
            return None
        else:
            tries.retries += 1
            unreachable = not self._has_responded and self._is_unreachable(error, tries)
            if unreachable:
                return None
        return self._backoff_seconds(error, tries)

    def _is_held_too_long(self, error: CallError) -> bool:
        """Whether the endpoint has refused all requests for longer than anyone waits.

        Such an error is fatal: the other requests would wait as long.
        """
        now = self._clock()
        if self._held_since is None:
            self._held_since = now
        if now - self._held_since < self._hold_patience:
            return False
        error.fatal = True
        minutes = self._hold_patience / 60
        error.args = (f"{error} (refused for {minutes:g} minutes; a later run goes on from here)",)
        return True

    def _backoff_seconds(self, error: CallError, tries: _Tries) -> float | None:
        requested = error.retry_after or 0.0
        if requested > self._patience:
            return None
        if requested:
            # Not at the same moment as all others that were told the same time.
            return requested + self._random() * self._first_backoff
        # The limiter decides when a held request is sent: the wait here only spreads them.
        doublings = 0 if error.is_held else tries.retries - 1
        # The exponent is bounded only so that it cannot overflow.
        longest = min(self._longest_backoff, self._first_backoff * 2.0 ** min(doublings, 32))
        return self._random() * longest

    def _count_unanswered(self, error: CallError) -> None:
        if error.status_code is not None:
            self._has_responded = True
        # An error without an attempt was never sent: it says nothing about the server.
        if not self._has_responded and error.attempts:
            self._unanswered_tries += 1

    def _is_unreachable(self, error: CallError, tries: _Tries) -> bool:
        """Whether to give up on a server that has never answered."""
        if tries.retries >= _TRIES_WITH_NOBODY:
            return True
        # Where nothing listens at all, each attempt may take long: the time counts too.
        return error.fatal and self._clock() - tries.start > _SECONDS_WITH_NOBODY

    def _final_error(self, error: CallError, attempts: int) -> CallError:
        """The error of a request after all its attempts; `fatal` where no other can do better."""
        error.attempts = attempts
        self._consecutive_failures += error.retryable
        never_answered = not self._has_responded and self._unanswered_tries >= _TRIES_WITH_NOBODY
        if never_answered or self._consecutive_failures >= _MAX_CONSECUTIVE_FAILURES:
            error.fatal = True
        return error
