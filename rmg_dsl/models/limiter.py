"""How many calls run at once: the limiter of an endpoint, and the wrapper that asks it for every call."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from contextlib import nullcontext, suppress

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Model, Reply, Request
from rmg_dsl.models.adaptive_limit import CEILING, START, Throttle
from rmg_dsl.models.cancellation import Brake
from rmg_dsl.models.rate_limit import Clock
from rmg_dsl.models.wrapper import Wrapped

_TOO_MUCH = frozenset({429, 503})


class Gate:
    """Lets in as many calls as a `Throttle` admits, in the order in which they came. One for each endpoint.

    >>> Gate().limit
    20
    """

    def __init__(
        self,
        throttle: Throttle | None = None,
        *,
        clock: Clock = time.monotonic,
        brake: Brake | None = None,
    ) -> None:
        self._throttle = Throttle() if throttle is None else throttle
        self._clock = clock
        self._brake = Brake() if brake is None else brake
        self._busy = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._wanted: list[int | None] = []

    @property
    def limit(self) -> int:
        """How many calls may be under way now."""
        return self._throttle.limit

    def wanted(self, concurrency: int | None) -> None:
        """One model's wish, before its first call: a number of calls at once, or none for what turns out best."""
        self._wanted.append(concurrency)
        most = max(wish or 0 for wish in self._wanted)
        ceiling = CEILING if None in self._wanted else most
        self._throttle.bound(max(most, min(START, ceiling)), max(most, ceiling))

    async def enter(self) -> int:
        """Waits for a slot; returns the ticket that goes with it. Cancelled where the brake is pulled."""
        if self._brake.pulled:
            raise asyncio.CancelledError
        if not self._waiting and self._throttle.admits(self._busy, self._clock()):
            return self._take()
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._rouse()
        try:
            return await self._brake.wait(waiter)
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):  # it may have been passed over already
                    self._waiting.remove(waiter)
            else:
                # It was let in and cancelled in the same turn.
                self.leave()
            raise

    def leave(self) -> None:
        self._busy -= 1
        self._rouse()

    def succeeded(self, ticket: int, seconds: float) -> None:
        self._throttle.succeed(ticket, seconds, self._busy)

    def refused(self, ticket: int, wait: float | None) -> None:
        self._throttle.refuse(ticket, self._clock(), wait)

    def open_wide(self) -> None:
        """From now on lets in everybody."""
        self._throttle.bound(sys.maxsize, sys.maxsize)
        self._rouse()

    def hold(self, seconds: float) -> None:
        """Lets nobody in for a while: the provider said that it has nothing left."""
        self._throttle.announce(self._clock(), seconds)

    def _take(self) -> int:
        self._busy += 1
        return self._throttle.begin(self._clock())

    def _rouse(self) -> None:
        """Lets in whom there is room for, and comes back when a hold is over."""
        while self._waiting and self._throttle.admits(self._busy, self._clock()):
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._take())
        held = self._throttle.held_for(self._clock())
        if self._waiting and held and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(held, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._rouse()


class Limited(Wrapped):
    """At most `concurrency` calls at once, and no more than the `gate` of its endpoint lets in.

    >>> from rmg_dsl.models import ScriptedModel
    >>> Limited(ScriptedModel({}), 4).name
    'scripted'

    Innermost, so that a call that waits to be tried again holds no slot. Without a `concurrency` the gate finds out
    how many are best; without a `gate` there is one for this model alone.
    """

    def __init__(
        self,
        model: Model,
        concurrency: int | None = None,
        gate: Gate | None = None,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(model)
        self._gate = Gate(clock=clock) if gate is None else gate
        self._gate.wanted(concurrency)
        # Others at the same gate may have more.
        self._own = asyncio.Semaphore(concurrency) if gate and concurrency else nullcontext()
        self._clock = clock

    async def complete(self, request: Request) -> Reply:
        async with self._own:
            ticket = await self._gate.enter()
            began = self._clock()
            try:
                reply = await self._model.complete(request)
            except CallError as error:
                if error.status_code in _TOO_MUCH:
                    self._gate.refused(ticket, error.retry_after)
                raise
            else:
                self._gate.succeeded(ticket, self._clock() - began)
                return reply
            finally:
                self._gate.leave()
