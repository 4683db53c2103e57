"""The bridge from ordinary code to the async executor: one event loop on a daemon thread."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from rmg_dsl.runtime.user_functions import CallerExit

Result = TypeVar("Result")
# True in the code of a run, and in the caller's functions that it calls.
_IS_INSIDE_RUN: ContextVar[bool] = ContextVar("is inside run", default=False)
TICK_SECONDS = 0.05
_CLOSE_SECONDS = 1.0


class Bridge:
    """An event loop on its own thread, started at its first use, and again in a forked child."""

    def __init__(self) -> None:
        self._parent_loops: list[asyncio.AbstractEventLoop] = []
        self._reset()

    def _reset(self) -> None:
        self._start_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._background_tasks: set[asyncio.Task[None]] = set()

    def reset_after_fork(self) -> None:
        """Forget thread, lock and loop in a forked child: they belong to the parent."""
        # A reference to the loop of the parent stays: its destructor would close it for the parent.
        if self._loop is not None:
            self._parent_loops.append(self._loop)
        self._reset()

    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; starts it where it does not run."""
        with self._start_lock:
            alive = self._thread is not None and self._thread.is_alive()
            # A loop whose thread has ended would accept work and never run it.
            if self._loop is not None and not alive:
                self._loop.close()
            if self._loop is None or not alive:
                self._loop, self._background_tasks = asyncio.new_event_loop(), set()
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
        unblock: Callable[[], None] = lambda: None,
    ) -> Result:
        """Run `work` on the loop and wait for its result, in short ticks.

        `on_tick` is called after each tick of `TICK_SECONDS`. The first Ctrl-C calls
        `unblock` in this thread and then `on_interrupt` in that of the loop, which should make the
        work end soon, and the wait goes on. A second Ctrl-C is raised. So is a SystemExit or
        KeyboardInterrupt of the caller's own functions.
        """
        future = asyncio.run_coroutine_threadsafe(_mark_as_inside(work), self.loop())
        while True:
            try:
                return _wait_for_future(future, on_tick)
            except KeyboardInterrupt:
                if on_interrupt is None:
                    future.cancel()
                    raise
                unblock()
                self.loop().call_soon_threadsafe(on_interrupt)
                on_interrupt = None
            except CallerExit as error:
                raise error.cause from None

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work` from code on the loop; it goes on when that code is done."""
        task = asyncio.get_running_loop().create_task(work)
        # The loop has only weak references to its tasks.
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)

    def close(self) -> None:
        """Cancel the background tasks and end the thread, without a word: the process exits."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return
        try:
            idle = asyncio.run_coroutine_threadsafe(self._cancel_background_tasks(), loop).result(
                _CLOSE_SECONDS
            )
        except NotYet:
            idle = False
        # A thread of the caller still waits for a run, or the loop is blocked: both end with the
        # process.
        if not idle:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    async def _cancel_background_tasks(self) -> bool:
        """Cancel the background tasks; is nothing else running?"""
        tasks = list(self._background_tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return asyncio.all_tasks() == {asyncio.current_task()}


async def _mark_as_inside(work: Coroutine[Any, Any, Result]) -> Result:
    _IS_INSIDE_RUN.set(True)
    return await work


def _wait_for_future(future: Future[Result], on_tick: Callable[[], None] | None) -> Result:
    while True:
        try:
            return future.result(TICK_SECONDS)
        except NotYet:
            # The work itself may raise a TimeoutError; then the future is done.
            if future.done():
                raise
        if on_tick:
            on_tick()


_BRIDGE = Bridge()
atexit.register(_BRIDGE.close)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_BRIDGE.reset_after_fork)


def bridge() -> Bridge:
    """The bridge of the process."""
    return _BRIDGE


@contextmanager
def bridge_for_caller() -> Iterator[Bridge]:
    """The bridge for a new run.

    A function of a spec, or `on_row`, may start a run of its own while the loop waits for it: that
    run needs another loop.
    """
    if not _IS_INSIDE_RUN.get():
        yield _BRIDGE
        return
    nested = Bridge()
    try:
        yield nested
    finally:
        nested.close()
