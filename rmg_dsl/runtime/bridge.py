"""The one road from ordinary code to the async engine: a daemon thread with one loop, and an interruptible wait."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

Result = TypeVar("Result")
TICK_SECONDS = 0.05


class Bridge:
    """A loop on a thread of its own, started when first needed, started anew in a forked child."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._owner = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            ours = self._owner == os.getpid()
            alive = ours and self._thread is not None and self._thread.is_alive()
            if self._loop is not None and ours and not alive:
                self._loop.close()
            if self._loop is None or not alive:
                self._loop, self._owner = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(target=self._loop.run_forever, name="rmg", daemon=True)
                self._thread.start()
            return self._loop

    def run(
        self,
        work: Coroutine[Any, Any, Result],
        *,
        on_tick: Callable[[], None] | None = None,
        on_interrupt: Callable[[], None] | None = None,
    ) -> Result:
        """Wait for `work`, in short ticks so that the caller's thread stays alive.

        The first Ctrl-C calls `on_interrupt` (which should make the work end soon) and goes on waiting; a second one
        is raised.
        """
        future = asyncio.run_coroutine_threadsafe(work, self.loop())
        while True:
            try:
                return _awaited(future, on_tick)
            except KeyboardInterrupt:
                if on_interrupt is None:
                    future.cancel()
                    raise
                self.loop().call_soon_threadsafe(on_interrupt)
                on_interrupt = None


def _awaited(future: Future[Result], on_tick: Callable[[], None] | None) -> Result:
    while True:
        try:
            return future.result(TICK_SECONDS)
        except NotYet:
            if future.done():
                raise
        if on_tick:
            on_tick()


_BRIDGE = Bridge()


def bridge() -> Bridge:
    """The process's one bridge."""
    return _BRIDGE
