"""How many calls run at once: the limiter of an endpoint, and the wrapper that asks it for every call."""

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

_OVERLOAD_STATUSES = frozenset({429, 503})


class CallLimiter:
    """Lets in as many calls as a `AdaptiveLimit` admits, in the order in which they came. One for each endpoint.

    >>> CallLimiter().limit
    20
    """

    def __init__(
        self,
        throttle: AdaptiveLimit | None = None,
        *,
        clock: Clock = time.monotonic,
        brake: Cancellation | None = None,
    ) -> None:
        self._adaptive_limit = AdaptiveLimit() if throttle is None else throttle
        self._clock = clock
        self._cancellation = Cancellation() if brake is None else brake
        self._busy = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._requested_limits: list[int | None] = []

    @property
    def limit(self) -> int:
        """How many calls may be under way now."""
        return self._adaptive_limit.limit

    def request_concurrency(self, concurrency: int | None) -> None:
        """One model's wish, before its first call: a number of calls at once, or none for what turns out best."""
        self._requested_limits.append(concurrency)
        most = max(wish or 0 for wish in self._requested_limits)
        ceiling = MAX_CONCURRENCY if None in self._requested_limits else most
        self._adaptive_limit.set_bounds(
            max(most, min(START_CONCURRENCY, ceiling)), max(most, ceiling)
        )

    async def acquire(self) -> int:
        """Waits for a slot; returns the ticket that goes with it. Cancelled where the brake is pulled."""
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
                with suppress(ValueError):  # it may have been passed over already
                    self._waiting.remove(waiter)
            else:
                # It was let in and cancelled in the same turn.
                self.release()
            raise

    def release(self) -> None:
        self._busy -= 1
        self._admit_waiting()

    def record_success(self, ticket: int, seconds: float) -> None:
        self._adaptive_limit.record_success(ticket, seconds, self._busy)

    def record_refusal(self, ticket: int, wait: float | None) -> None:
        self._adaptive_limit.record_refusal(ticket, self._clock(), wait)

    def remove_limit(self) -> None:
        """From now on lets in everybody."""
        self._adaptive_limit.set_bounds(sys.maxsize, sys.maxsize)
        self._admit_waiting()

    def pause(self, seconds: float) -> None:
        """Lets nobody in for a while: the provider said that it has nothing left."""
        self._adaptive_limit.record_pause(self._clock(), seconds)

    def _take_slot(self) -> int:
        self._busy += 1
        return self._adaptive_limit.begin_call(self._clock())

    def _admit_waiting(self) -> None:
        """Lets in whom there is room for, and comes back when a hold is over."""
        while self._waiting and self._adaptive_limit.admits(self._busy, self._clock()):
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._take_slot())
        held = self._adaptive_limit.pause_left(self._clock())
        if self._waiting and held and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(held, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._admit_waiting()


class ConcurrencyLimitedModel(ModelWrapper):
    """At most `concurrency` calls at once, and no more than the `gate` of its endpoint lets in.

    >>> from rmg_dsl.models import ScriptedModel
    >>> ConcurrencyLimitedModel(ScriptedModel({}), 4).name
    'scripted'

    Innermost, so that a call that waits to be tried again holds no slot. Without a `concurrency` the gate finds out
    how many are best; without a `gate` there is one for this model alone.
    """

    def __init__(
        self,
        model: Model,
        concurrency: int | None = None,
        gate: CallLimiter | None = None,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(model)
        self._limiter = CallLimiter(clock=clock) if gate is None else gate
        self._limiter.request_concurrency(concurrency)
        # Others at the same gate may have more.
        self._own_semaphore = (
            asyncio.Semaphore(concurrency) if gate and concurrency else nullcontext()
        )
        self._clock = clock

    async def complete(self, request: Request) -> Reply:
        async with self._own_semaphore:
            ticket = await self._limiter.acquire()
            began = self._clock()
            try:
                reply = await self._model.complete(request)
            except CallError as error:
                if error.status_code in _OVERLOAD_STATUSES:
                    self._limiter.record_refusal(ticket, error.retry_after)
                raise
            else:
                self._limiter.record_success(ticket, self._clock() - began)
                return reply
            finally:
                self._limiter.release()
