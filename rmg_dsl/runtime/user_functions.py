"""The caller's own functions: a call has a bound on its time, and none can end the event loop."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from functools import partial, wraps
from typing import Any, TypeAlias

from rmg_dsl.results import Status
from rmg_dsl.runtime.row_state import fail

DEFAULT_SECONDS = 120.0
_TICK_SECONDS = 0.05

UserFunction: TypeAlias = Callable[..., Any]
_Job: TypeAlias = tuple[Callable[[], Any], "Future[Any]"]


class CallerExit(BaseException):
    """A `SystemExit` or `KeyboardInterrupt` that the caller's own code raised.

    The event loop would end at one of these, and the caller would wait for ever. This one passes
    through the loop; `raise_exit` raises the original where the caller waits.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


def call_on_loop(function: Callable[..., object], *arguments: object) -> None:
    """Call a function of the caller, such as `on_row`, in the thread of the event loop.

    >>> call_on_loop(print, "a row")
    a row

    Raises CallerExit where it wants to end the process.
    """
    try:
        function(*arguments)
    except (SystemExit, KeyboardInterrupt) as error:
        raise CallerExit(error) from error


class FunctionRunner:
    """Runs functions of the caller in a thread, so that one that hangs does not hang the run.

    >>> FunctionRunner().with_time_limit(len)("four")
    4

    After `stop()` a function that still runs is left alone, and its row gets no score.
    """

    def __init__(self) -> None:
        self._stop_event = threading.Event()
        self._thread: _FunctionThread | None = None

    def stop(self) -> None:
        """Wait no longer for a function; may be called from any thread."""
        self._stop_event.set()

    def with_time_limit(
        self, function: UserFunction, seconds: float = DEFAULT_SECONDS
    ) -> UserFunction:
        """The function with a bound of `seconds` on each call.

        A call raises NoScore where it does not return, and CallerExit for a KeyboardInterrupt of
        the function.
        """

        @wraps(function, updated=())
        def call(*arguments: object, **named: object) -> object:
            return self._call(partial(function, *arguments, **named), seconds)

        return call

    def _call(self, work: Callable[[], object], seconds: float) -> object:
        self._check_stop()
        if self._thread is None:
            self._thread = _FunctionThread()
        future = self._thread.submit(work)
        end = time.monotonic() + seconds
        while True:
            try:
                return future.result(_TICK_SECONDS)
            except NotYet:
                # The function itself may raise a TimeoutError; then the future is done.
                if future.done():
                    raise
            except KeyboardInterrupt as error:
                raise CallerExit(error) from error
            self._check_stop()
            if time.monotonic() > end:
                self._abandon_thread()
                fail(Status.ERROR, f"the function did not return within {seconds:g} s")

    def _check_stop(self) -> None:
        if self._stop_event.is_set():
            self._abandon_thread()
            fail(Status.CANCELLED, "interrupted")

    def _abandon_thread(self) -> None:
        """Leave the function alone: Python cannot end a thread. The next call gets a new one."""
        if self._thread is not None:
            self._thread.close()
        self._thread = None

    def close(self) -> None:
        """End the thread once its function has returned."""
        self._abandon_thread()


class _FunctionThread:
    """A daemon thread: it does not keep the process alive."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="rmg functions", daemon=True).start()

    def submit(self, work: Callable[[], object]) -> Future[object]:
        future: Future[object] = Future()
        # The function sees the context variables of the run, as it would in the same thread.
        self._jobs.put((partial(contextvars.copy_context().run, work), future))
        return future

    def close(self) -> None:
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            try:
                future.set_result(work())
            except BaseException as error:  # whoever waits for the result gets it
                future.set_exception(error)
