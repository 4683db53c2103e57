"""The brake of a run: what waits for its turn, a pause or another try is ended at once; what was sent goes on."""

from __future__ import annotations

import asyncio
from typing import TypeVar

Result = TypeVar("Result")


class CallCancelled(asyncio.CancelledError):
    """A call that was cancelled after `attempts` of it had been sent: they may be paid for, and are counted.

    >>> CallCancelled(3).attempts
    3
    """

    def __init__(self, attempts: int) -> None:
        super().__init__()
        self.attempts = attempts


def cancellation_with_attempts(
    cause: asyncio.CancelledError, before: int = 0
) -> asyncio.CancelledError:
    """The same cancellation with what had been sent `before`; the cause itself where that was nothing."""
    inner = cause.attempts if isinstance(cause, CallCancelled) else 0
    return CallCancelled(before + inner) if before + inner else cause


class Cancellation:
    """One for all the models of a run. Once it is pulled, no call that is not under way yet will begin.

    >>> brake = Cancellation()
    >>> brake.cancel()
    >>> asyncio.run(brake.sleep(60))
    Traceback (most recent call last):
        ...
    asyncio.exceptions.CancelledError

    Whoever waits by it is cancelled then, and so is whoever comes later. For one thread: that of the run's loop.
    """

    def __init__(self) -> None:
        self.is_cancelled = False
        self._waiting: set[asyncio.Future[object]] = set()

    def cancel(self) -> None:
        self.is_cancelled = True
        for future in list(self._waiting):
            future.cancel()

    async def wait(self, future: asyncio.Future[Result]) -> Result:
        """What the future comes to, unless the brake is pulled before."""
        if self.is_cancelled:
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
        timer = loop.call_later(seconds, _resolve_future, future)
        try:
            await self.wait(future)
        finally:
            timer.cancel()


def _resolve_future(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
