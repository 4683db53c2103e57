"""Run-wide cancellation: queued and sleeping calls end at once; sent requests complete."""

from __future__ import annotations

import asyncio
from typing import TypeVar

Result = TypeVar("Result")


class CallCancelled(asyncio.CancelledError):
    """A call that was cancelled after `attempts` requests: they may cost money, so they count.

    >>> CallCancelled(3).attempts
    3
    """

    def __init__(self, attempts: int) -> None:
        super().__init__()
        self.attempts = attempts


def cancellation_with_attempts(
    cause: asyncio.CancelledError, before: int = 0
) -> asyncio.CancelledError:
    """The cancellation with the attempts `before` it added; the cause itself for none."""
    attempts = before
    if isinstance(cause, CallCancelled):
        attempts += cause.attempts
    return CallCancelled(attempts) if attempts else cause


class Cancellation:
    """One for all models of a run. After `cancel()` no further call starts.

    >>> cancellation = Cancellation()
    >>> cancellation.cancel()
    >>> asyncio.run(cancellation.sleep(60))
    Traceback (most recent call last):
        ...
    asyncio.exceptions.CancelledError

    Whatever waits here is cancelled then, and whatever comes later. For the thread of the run's
    loop only.
    """

    def __init__(self) -> None:
        self.is_cancelled = False
        self._waiting: set[asyncio.Future[object]] = set()

    def cancel(self) -> None:
        self.is_cancelled = True
        for future in list(self._waiting):
            future.cancel()

    async def wait(self, future: asyncio.Future[Result]) -> Result:
        """The result of the future; raises asyncio.CancelledError after `cancel()`."""
        if self.is_cancelled:
            future.cancel()
        self._waiting.add(future)  # type: ignore[arg-type] # only cancelled here
        try:
            return await future
        finally:
            self._waiting.discard(future)

    async def sleep(self, seconds: float) -> None:
        """Like `asyncio.sleep`; raises asyncio.CancelledError after `cancel()`."""
        loop = asyncio.get_running_loop()
        # Not asyncio.sleep: `cancel` must reach the sleeper without a task of its own.
        future: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _resolve_future, future)
        try:
            await self.wait(future)
        finally:
            timer.cancel()


def _resolve_future(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
