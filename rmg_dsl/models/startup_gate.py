"""The first calls to a model, which show what the endpoint takes before the others follow."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from rmg_dsl.models.cancellation import Cancellation

# The others wait this much longer than the first reply took for the slower ones of the first calls.
_SECONDS_FOR_THE_REST = 0.1


class StartupGate:
    """Lets the first calls of a model in, and the others when those are answered.

    >>> gate = StartupGate(lambda: 1, Cancellation())
    >>> async def first_call():
    ...     await gate.enter()
    ...     gate.record_success()
    ...     gate.leave()
    >>> asyncio.run(first_call())
    >>> gate.is_open
    True

    A quota that the first calls use up would refuse most of the calls that follow them at once. So
    no other call starts before all of the first ones have ended, or for as long after the first
    success as it took. While none has succeeded, the end of one lets the next one in.
    """

    def __init__(
        self,
        slots: Callable[[], int],
        cancellation: Cancellation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_open = False
        self._slots = slots
        self._cancellation = cancellation
        self._clock = clock
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._start: float | None = None
        self._has_succeeded = False

    async def enter(self) -> None:
        """Wait for the turn of a call. Raises CancelledError after a cancellation."""
        if self._start is None:
            self._start = self._clock()
        if self._busy < self._slots() and not self._has_succeeded:
            self._busy += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await self._cancellation.wait(waiter)
        except asyncio.CancelledError:
            if not waiter.cancelled():
                # It got its turn and was cancelled in the same turn of the loop.
                self.leave()
            raise

    def leave(self) -> None:
        """Record the end of a call, however it ended."""
        self._busy -= 1
        if self._has_succeeded:
            if not self._busy:
                self._open()
            return
        while self._waiting and self._busy < self._slots():
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._busy += 1
                waiter.set_result(None)

    def record_success(self) -> None:
        """Record a reply: the others follow soon."""
        if self._has_succeeded or self._start is None:
            return
        self._has_succeeded = True
        seconds = self._clock() - self._start + _SECONDS_FOR_THE_REST
        asyncio.get_running_loop().call_later(seconds, self._open)

    def _open(self) -> None:
        self.is_open = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._busy += 1
                waiter.set_result(None)
