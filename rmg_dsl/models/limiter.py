"""How many calls run at once: the limiter of an endpoint, and the wrapper that uses it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from contextlib import nullcontext, suppress

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Model, Reply, Request
from rmg_dsl.models.adaptive_limit import MAX_CONCURRENCY, START_CONCURRENCY, AdaptiveLimit
from rmg_dsl.models.cancellation import Cancellation
from rmg_dsl.models.rate_limit import Clock
from rmg_dsl.models.wrapper import ModelWrapper

# 529 is no standard status: several providers use it for an overloaded service.
_OVERLOAD_STATUSES = frozenset({429, 503, 529})


class CallLimiter:
    """Starts as many calls as its `AdaptiveLimit` admits, in their order. One per endpoint.

    >>> CallLimiter().limit
    20
    """

    def __init__(
        self,
        adaptive_limit: AdaptiveLimit | None = None,
        *,
        clock: Clock = time.monotonic,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._adaptive_limit = AdaptiveLimit() if adaptive_limit is None else adaptive_limit
        self._clock = clock
        self._cancellation = Cancellation() if cancellation is None else cancellation
        self._busy = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._requested_limits: list[int | None] = []

    @property
    def limit(self) -> int:
        """How many calls may run now."""
        return self._adaptive_limit.limit

    def request_concurrency(self, concurrency: int | None) -> None:
        """Add one model's number of calls at once, before its first call; None for the best one.

        Of several models the highest number counts.
        """
        self._requested_limits.append(concurrency)
        most = max(requested or 0 for requested in self._requested_limits)
        ceiling = most
        if None in self._requested_limits:
            ceiling = max(most, MAX_CONCURRENCY)
        start = max(most, min(START_CONCURRENCY, ceiling))
        self._adaptive_limit.set_bounds(start, ceiling)

    async def acquire(self) -> int:
        """Wait for a slot; returns its ticket. Raises CancelledError after a cancellation."""
        if self._cancellation.is_cancelled:
            raise asyncio.CancelledError
        if not self._waiting and self._adaptive_limit.admits(self._busy, self._clock()):
            return self._take_slot()
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._admit_waiting()
        try:
            return await self._cancellation.wait(waiter)
        except asyncio.CancelledError:
            if waiter.cancelled():
                # `_admit_waiting` may have dropped it already.
                with suppress(ValueError):
                    self._waiting.remove(waiter)
            else:
                # It got a slot and was cancelled in the same turn of the loop.
                self.release()
            raise

    def release(self) -> None:
        self._busy -= 1
        self._admit_waiting()

    def record_success(self, ticket: int, seconds: float) -> None:
        self._adaptive_limit.record_success(ticket, seconds, self._busy)

    def record_refusal(self, ticket: int, wait: float | None, *, is_quota: bool = False) -> bool:
        """Record a refusal; are all calls of the endpoint held because of it?"""
        return self._adaptive_limit.record_refusal(ticket, self._clock(), wait, is_quota=is_quota)

    def record_other_end(self, ticket: int) -> None:
        """Record a call that ended without an answer."""
        self._adaptive_limit.record_other_end(ticket, self._clock())

    def remove_limit(self) -> None:
        """Start every call from now on."""
        self._adaptive_limit.set_bounds(sys.maxsize, sys.maxsize)
        self._admit_waiting()

    def pause(self, seconds: float) -> None:
        """Start no call for a while: the provider announced that its quota is used up."""
        self._adaptive_limit.record_pause(self._clock(), seconds)

    def _take_slot(self) -> int:
        self._busy += 1
        return self._adaptive_limit.begin_call(self._clock())

    def _admit_waiting(self) -> None:
        """Give slots to waiting calls while there are any, and again when a pause is over."""
        while self._waiting and self._adaptive_limit.admits(self._busy, self._clock()):
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._take_slot())
        pause = self._adaptive_limit.pause_left(self._clock())
        if self._waiting and pause:
            self._set_timer(pause)

    def _set_timer(self, seconds: float) -> None:
        """Admit again after so many seconds, or sooner where a timer runs out before."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            # The pause became shorter: a probe was answered.
            self._timer.cancel()
        self._timer = loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._admit_waiting()


class ConcurrencyLimitedModel(ModelWrapper):
    """At most `concurrency` calls at once, and no more than the `limiter` of its endpoint admits.

    >>> from rmg_dsl.models import ScriptedModel
    >>> ConcurrencyLimitedModel(ScriptedModel({}), 4).name
    'scripted'

    It is the innermost wrapper, so that a call in backoff holds no slot. Without a `concurrency`
    the limiter finds the best number; without a `limiter` this model has one of its own. With
    `holds` a refusal for a quota holds all calls, which makes sense only where they are retried.
    """

    def __init__(
        self,
        model: Model,
        concurrency: int | None = None,
        limiter: CallLimiter | None = None,
        *,
        clock: Clock = time.monotonic,
        holds: bool = True,
    ) -> None:
        super().__init__(model)
        self._holds = holds
        self._limiter = CallLimiter(clock=clock) if limiter is None else limiter
        self._limiter.request_concurrency(concurrency)
        self._own_slots: asyncio.Semaphore | nullcontext[None] = nullcontext()
        if limiter is not None and concurrency:
            # The shared limiter admits as many as the model with the highest number.
            self._own_slots = asyncio.Semaphore(concurrency)
        self._clock = clock

    async def complete(self, request: Request) -> Reply:
        async with self._own_slots:
            ticket = await self._limiter.acquire()
            start = self._clock()
            try:
                reply = await self._model.complete(request)
            except CallError as error:
                self._record_error(ticket, error)
                raise
            except BaseException:
                self._limiter.record_other_end(ticket)
                raise
            else:
                self._limiter.record_success(ticket, self._clock() - start)
                return reply
            finally:
                self._limiter.release()

    def _record_error(self, ticket: int, error: CallError) -> None:
        is_refusal = error.rate_limited or error.status_code == 429
        is_quota = is_refusal and error.retryable and self._holds
        if is_refusal or error.status_code in _OVERLOAD_STATUSES:
            error.is_held = self._limiter.record_refusal(
                ticket, error.retry_after, is_quota=is_quota
            )
        else:
            self._limiter.record_other_end(ticket)
