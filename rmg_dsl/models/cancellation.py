"""The brake of a run: what waits for its turn, a pause or another try is ended at once; what was sent goes on."""

from __future__ import annotations

import asyncio
from typing import TypeVar

Result = TypeVar("Result")


class Abandoned(asyncio.CancelledError):
    """A call that was cancelled after `attempts` of it had been sent: they may be paid for, and are counted.

    >>> Abandoned(3).attempts
    3
    """

    def __init__(self, attempts: int) -> None:
        super().__init__()
        self.attempts = attempts


def abandoned(cause: asyncio.CancelledError, before: int = 0) -> asyncio.CancelledError:
    """The same cancellation with what had been sent `before`; the cause itself where that was nothing."""
    inner = cause.attempts if isinstance(cause, Abandoned) else 0
    return Abandoned(before + inner) if before + inner else cause


class Brake:
    """One for all the models of a run. Once it is pulled, no call that is not under way yet will begin.

    >>> brake = Brake()
    >>> brake.pull()
    >>> asyncio.run(brake.sleep(60))
    Traceback (most recent call last):
        ...
    asyncio.exceptions.CancelledError

    Whoever waits by it is cancelled then, and so is whoever comes later. For one thread: that of the run's loop.
    """

    def __init__(self) -> None:
        self.pulled = False
        self._waiting: set[asyncio.Future[object]] = set()

    def pull(self) -> None:
        self.pulled = True
        for future in list(self._waiting):
            future.cancel()

    async def wait(self, future: asyncio.Future[Result]) -> Result:
        """What the future comes to, unless the brake is pulled before."""
        if self.pulled:
            future.cancel()
        self._waiting.add(future)  # type: ignore[arg-type] # only cancelled here
        try:
            return await future
        finally:
            self._waiting.discard(future)

    async def sleep(self, seconds: float) -> None:
        """`asyncio.sleep`, unless the brake is pulled before."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, future)
        try:
            await self.wait(future)
        finally:
            timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
