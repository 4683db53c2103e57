"""What a cell shows while it runs and when it ends: progress, an interrupt, a mistake. IPython is imported inside."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any, Self

from rmg_dsl.api.progress import Progress
from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic
from rmg_dsl.diagnostics.render import as_html, as_text
from rmg_dsl.errors import RmgError, SpecError
from rmg_dsl.runtime import Tally
from rmg_dsl.surfaces.terminal import counted

_REDRAW_SECONDS = 0.2


# ── progress ─────────────────────────────────────────────────────────────────────────────────────────────────────


class CellProgress:
    """One output of the cell, drawn anew as the run goes on; what is saved at the end says how it ended."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._words = Progress(None, total)
        self._started = self._drawn = time.monotonic()
        self._handle: Any = _displayed(_bundle("starting", 0.0))

    def draw(self, tally: Tally) -> None:
        """Called at each tick, by the main thread: only there does a display reach its own cell."""
        now = time.monotonic()
        if now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        share = tally.rows / self._total if self._total else None
        self._handle.update(_bundle(self._words.line(tally, now - self._started), share), raw=True)

    def end(self, words: str) -> None:
        """Draw the last line, which stays in the saved notebook."""
        self._handle.update(_bundle(f"{words}  {time.monotonic() - self._started:.1f} s"), raw=True)


class TerminalProgress:
    """The same in a terminal's IPython: the line of the command line, gone when the run is."""

    def __init__(self, total: int | None) -> None:
        self._words = Progress.on_terminal(None, total)

    def draw(self, tally: Tally) -> None:
        """Called at each tick."""
        self._words.draw(tally)

    def end(self, _words: str) -> None:
        """Take the line away."""
        self._words.close()


class NoProgress:
    """Said to be quiet."""

    def draw(self, tally: Tally) -> None:
        """Nothing."""

    def end(self, _words: str) -> None:
        """Nothing."""


def _bundle(line: str, share: float | None = None) -> dict[str, str]:
    from rmg_dsl.report.html import progress_html

    return {"text/plain": line, "text/html": progress_html(line, share)}


def _displayed(bundle: dict[str, str]) -> Any:
    from IPython.display import display

    return display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call] # IPython has no types


def show_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Doubts and remarks about a spec that runs all the same, above what it gives."""
    from IPython.display import display

    found = tuple(diagnostics)
    if found:
        display({"text/plain": as_text(found), "text/html": as_html(found)}, raw=True)  # type: ignore[no-untyped-call] # IPython has no types


# ── an interrupt ─────────────────────────────────────────────────────────────────────────────────────────────────


class Interruptible:
    """While it lasts, the first interrupt calls `stop` instead of being raised wherever it strikes; a second is raised.

    A `KeyboardInterrupt` could strike in the middle of drawing, and leave the run behind without an owner.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: Any = None

    def __enter__(self) -> Self:
        before = signal.getsignal(signal.SIGINT)
        # Who has interrupts ignored keeps it so; and only the main thread may say what one does.
        if before not in (None, signal.SIG_IGN) and threading.current_thread() is threading.main_thread():
            self._before = before
            signal.signal(signal.SIGINT, self._first)
        return self

    def _first(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._stop()

    def __exit__(
        self, kind: type[BaseException] | None, found: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


# ── a mistake ────────────────────────────────────────────────────────────────────────────────────────────────────


def without_frames(error: BaseException, *, colour: bool) -> BaseException:
    """The error, to be raised outside of any `except`: IPython then shows its own words and no Python frame.

    >>> without_frames(RmgError("there is no such row"), colour=False)._render_traceback_()
    ['RmgError: there is no such row']
    """
    shown = _shown(error, colour).split("\n")
    error.__cause__ = error.__context__ = error.__traceback__ = None
    # IPython asks the exception itself; an ExceptionGroup in its context would be shown instead.
    error._render_traceback_ = lambda: shown  # type: ignore[attr-defined] # IPython looks for it
    return error


def _shown(error: BaseException, colour: bool) -> str:
    if isinstance(error, SpecError):
        found = [d for d in error.diagnostics if isinstance(d, Diagnostic) and d.severity != "note"]
        return f"{as_text(found, colour=colour and Settings.of().colour)}\n\n{counted(found)}"
    more = f" (rmg explain {error.code})" if isinstance(error, RmgError) and error.code else ""
    return f"{type(error).__name__}: {error}{more}".removesuffix(": ")
