"""Warnings, errors and interrupts in a notebook cell."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Self, TypeAlias

from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic
from rmg_dsl.diagnostics.render import printable_text, render_html, render_text
from rmg_dsl.errors import RmgError, SpecError
from rmg_dsl.surfaces.terminal import severity_counts

SignalHandler: TypeAlias = Callable[[int, FrameType | None], object] | int


def display_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Show the warnings and notes about a spec above the result of the cell; nothing for none."""
    from IPython.display import display

    shown = tuple(diagnostics)
    if shown:
        bundle = {"text/plain": render_text(shown), "text/html": render_html(shown)}
        display(bundle, raw=True)  # type: ignore[no-untyped-call] # IPython has no types


# ── an interrupt ──────────────────────────────────────────────────────────────────────────────────


class Interruptible:
    """A context in which the first interrupt calls `stop`, and a second one is raised.

    The first one is not raised, because a `KeyboardInterrupt` in the middle of drawing would leave
    the cell while the run goes on.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._previous_handler: SignalHandler | None = None

    def __enter__(self) -> Self:
        before = signal.getsignal(signal.SIGINT)
        # Interrupts that are ignored stay ignored, and only the main thread may set a handler.
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
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)


# ── a mistake ─────────────────────────────────────────────────────────────────────────────────────


def without_frames(error: BaseException, *, colour: bool) -> BaseException:
    """Prepare an error so that IPython shows its message without a Python traceback.

    Raise the returned error outside of any `except`, or Python adds a context to it.

    >>> without_frames(RmgError("there is no such row"), colour=False)._render_traceback_()
    ['RmgError: there is no such row']
    """
    shown = _error_display_text(error, colour).split("\n")
    error.__cause__ = error.__context__ = error.__traceback__ = None
    # IPython asks the exception for its traceback, but prefers an ExceptionGroup in its context.
    error._render_traceback_ = lambda: shown  # type: ignore[attr-defined] # IPython looks for it
    return error


def _error_display_text(error: BaseException, colour: bool) -> str:
    if isinstance(error, SpecError):
        shown = [d for d in error.diagnostics if isinstance(d, Diagnostic) and d.severity != "note"]
        text = render_text(shown, colour=colour and Settings.of().colour)
        return f"{text}\n\n{severity_counts(shown)}"
    more = f" (rmg explain {error.code})" if isinstance(error, RmgError) and error.code else ""
    return printable_text(f"{type(error).__name__}: {error}{more}".removesuffix(": "), keep="\n")
