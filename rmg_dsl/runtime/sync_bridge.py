"""The one road from ordinary code to the async engine: a daemon thread with one loop, and an interruptible wait."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

from rmg_dsl.models import InFlightRequests

Result = TypeVar("Result")
TICK_SECONDS = 0.05
_CLOSE_SECONDS = 1.0


class Bridge:
    """A loop on a thread of its own, started when first needed, started anew in a forked child.

    `flights` are the questions that the runs on this loop are asking right now: what one of them asks already, the
    others wait for.
    """

    def __init__(self) -> None:
        self._parent_loops: list[asyncio.AbstractEventLoop] = []
        self._reset()

    def _reset(self) -> None:
        self._start_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._background_tasks: set[asyncio.Task[None]] = set()
        self.in_flight = InFlightRequests()

    def reset_after_fork(self) -> None:
        """In a forked child: thread and lock are the parent's, and so is the loop, which must not be closed here."""
        if self._loop is not None:
            self._parent_loops.append(self._loop)
        self._reset()

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._start_lock:
            alive = self._thread is not None and self._thread.is_alive()
            if self._loop is not None and not alive:
                self._loop.close()
            if self._loop is None or not alive:
                self._loop, self.in_flight, self._background_tasks = (
                    asyncio.new_event_loop(),
                    InFlightRequests(),
                    set(),
                )
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="rmg", daemon=True
                )
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
                return _wait_for_future(future, on_tick)
            except KeyboardInterrupt:
                if on_interrupt is None:
                    future.cancel()
                    raise
                self.loop().call_soon_threadsafe(on_interrupt)
                on_interrupt = None

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` go on when the work that called this, on the loop, is done: nobody waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._background_tasks.add(task)  # the loop itself holds its tasks by weak references only
        task.add_done_callback(self._background_tasks.discard)

    def close(self) -> None:
        """End what was left behind, and the thread: the process is about to go, and nothing may complain on the way."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return
        try:
            idle = asyncio.run_coroutine_threadsafe(self._cancel_background_tasks(), loop).result(
                _CLOSE_SECONDS
            )
        except NotYet:
            idle = False
        if not idle:
            return  # a thread of the caller's still waits for a run, or the loop is blocked: they go with the process
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    async def _cancel_background_tasks(self) -> bool:
        """Whether nothing else runs any more."""
        tasks = list(self._background_tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return asyncio.all_tasks() == {asyncio.current_task()}


def _wait_for_future(future: Future[Result], on_tick: Callable[[], None] | None) -> Result:
    while True:
        try:
            return future.result(TICK_SECONDS)
        except NotYet:
            if future.done():
                raise
        if on_tick:
            on_tick()


_BRIDGE = Bridge()
atexit.register(_BRIDGE.close)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_BRIDGE.reset_after_fork)


def bridge() -> Bridge:
    """The process's one bridge."""
    return _BRIDGE
