"""Warnings, errors and interrupts in a notebook cell."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any, Self

from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic
from rmg_dsl.diagnostics.render import printable_text, render_html, render_text
from rmg_dsl.errors import RmgError, SpecError
from rmg_dsl.surfaces.terminal import severity_counts


def display_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Doubts and remarks about a spec that runs all the same, above what it gives."""
    from IPython.display import display

    found = tuple(diagnostics)
    if found:
        bundle = {"text/plain": render_text(found), "text/html": render_html(found)}
        display(bundle, raw=True)  # type: ignore[no-untyped-call] # IPython has no types


# ── an interrupt ──────────────────────────────────────────────────────────────────────────────────


class Interruptible:
    """While it lasts, the first interrupt calls `stop` instead of being raised wherever it strikes;
    a second is raised.

    A `KeyboardInterrupt` could strike in the middle of drawing, and leave the run behind without an
    owner.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._previous_handler: Any = None

    def __enter__(self) -> Self:
        before = signal.getsignal(signal.SIGINT)
        # Who has interrupts ignored keeps it so; and only the main thread may say what one does.
        if (
            before not in (None, signal.SIG_IGN)
            and threading.current_thread() is threading.main_thread()
        ):
            self._previous_handler = before
            signal.signal(signal.SIGINT, self._on_first_interrupt)
        return self

    def _on_first_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._stop()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        found: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)


# ── a mistake ─────────────────────────────────────────────────────────────────────────────────────


def without_frames(error: BaseException, *, colour: bool) -> BaseException:
    """The error, to be raised outside of any `except`:
    IPython then shows its own words and no Python frame.

    >>> without_frames(RmgError("there is no such row"), colour=False)._render_traceback_()
    ['RmgError: there is no such row']
    """
    shown = _error_display_text(error, colour).split("\n")
    error.__cause__ = error.__context__ = error.__traceback__ = None
    # IPython asks the exception itself; an ExceptionGroup in its context would be shown instead.
    error._render_traceback_ = lambda: shown  # type: ignore[attr-defined] # IPython looks for it
    return error


def _error_display_text(error: BaseException, colour: bool) -> str:
    if isinstance(error, SpecError):
        found = [d for d in error.diagnostics if isinstance(d, Diagnostic) and d.severity != "note"]
        text = render_text(found, colour=colour and Settings.of().colour)
        return f"{text}\n\n{severity_counts(found)}"
    more = f" (rmg explain {error.code})" if isinstance(error, RmgError) and error.code else ""
    return printable_text(f"{type(error).__name__}: {error}{more}".removesuffix(": "), keep="\n")
