"""Progress of a run: a line on a terminal, a display in a notebook cell, nothing elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol, TypeAlias

from rmg_dsl.runtime import Tally

if TYPE_CHECKING:
    from rmg_dsl.api.results import FinishedRun

_REDRAW_SECONDS, _REDRAW_CELL_SECONDS = 0.1, 0.2
# A call in a notebook that ends before this shows only its result.
_DISPLAY_DELAY_SECONDS = 1.0
# The rate counts recent rows only. The first rows of a resumed run come from the cache, so an
# average over the whole run would be far too high.
_RATE_WINDOW_SECONDS = 20.0

Cost: TypeAlias = Callable[[Tally], float | None]
Bundle: TypeAlias = dict[str, str]  # one output in several forms, by MIME type


class DisplayHandle(Protocol):
    """An output of a notebook cell that can be replaced; `IPython.display` returns it."""

    def update(self, bundle: Bundle, /, *, raw: bool) -> object:
        """Replace the output."""


class Display(Protocol):
    """The function `display` of IPython, as far as it is used here."""

    def __call__(self, bundle: Bundle, /, *, raw: bool, display_id: bool) -> DisplayHandle:
        """Show an output below the cell; its handle can replace it."""


class Progress(Protocol):
    """The display of a run in progress. The thread that waits for the run calls it."""

    def draw(self, tally: Tally) -> None:
        """Show the counts. It is called often, and draws only when enough time has passed."""

    def end(self, words: str) -> None:
        """Show how the run ended, or take the display away."""


def progress_display(is_shown: bool | None, total: int | None, cost: Cost) -> Progress:
    """A display in a notebook, else a line on standard error.

    With None for `is_shown`, the line is drawn only where standard error is a terminal.
    """
    words = ProgressText(total, cost)
    display = None if is_shown is False else _display_of_cell()
    if display is not None:
        return CellProgress(words, display, patience=0.0 if is_shown else _DISPLAY_DELAY_SECONDS)
    draws_line = sys.stderr.isatty() if is_shown is None else is_shown
    return LineProgress(words, sys.stderr if draws_line else None)


def _display_of_cell() -> Display | None:
    """The kernel's `display`; None outside of a notebook, and in any thread but the main one.

    Only what the main thread displays reaches the cell. IPython is not imported: without it in
    `sys.modules`, this is no notebook.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    in_cell = (
        getattr(shell, "kernel", None) is not None
        and threading.current_thread() is threading.main_thread()
    )
    return getattr(sys.modules.get("IPython.display"), "display", None) if in_cell else None


class ProgressText:
    """The progress of a run in words: rows, rate, time left, calls and cost so far.

    >>> words = ProgressText(40)
    >>> words.line(Tally(rows=10), 5.0)
    '10/40 rows  2.0 rows/s  15 s left  0 calls'
    >>> words.line(Tally(rows=39), 3605.0)
    '39/40 rows  0.0 rows/s  2 min left  0 calls'
    """

    def __init__(self, total: int | None, cost: Cost = lambda _: None) -> None:
        self._total = total
        self._cost = cost
        self._rate_samples: deque[tuple[float, int]] = deque([(0.0, 0)])

    def line(self, tally: Tally, seconds: float) -> str:
        """The progress in one line, `seconds` after the start of the run."""
        rate = self._rate(tally.rows, seconds)
        of_all = f"/{self._total:,}" if self._total is not None else ""
        left = (
            f"{_time_left_text((self._total - tally.rows) / rate)} left"
            if self._total is not None and rate
            else ""
        )
        spent = self._cost(tally)
        parts = (
            f"{tally.rows:,}{of_all} rows",
            f"{rate:.1f} rows/s",
            left,
            f"{tally.usage.calls:,} calls" + _retry_count_text(tally.usage.retried),
            f"{spent:.4f} USD" if spent else "",
        )
        return "  ".join(part for part in parts if part)

    def share(self, tally: Tally) -> float | None:
        """The share of the rows that are finished, from 0 to 1; None for an unknown total."""
        return tally.rows / self._total if self._total else None

    def _rate(self, rows: int, seconds: float) -> float:
        while (
            len(self._rate_samples) > 1
            and self._rate_samples[1][0] <= seconds - _RATE_WINDOW_SECONDS
        ):
            self._rate_samples.popleft()
        then, before = self._rate_samples[0]
        self._rate_samples.append((seconds, rows))
        return (rows - before) / (seconds - then) if seconds > then else 0.0


def _time_left_text(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _retry_count_text(count: int) -> str:
    return f" ({count:,} retried)" if count else ""


class LineProgress:
    """Draws one line on `stream`, at most ten times a second; without a stream it draws nothing."""

    def __init__(self, words: ProgressText, stream: IO[str] | None) -> None:
        self._words = words
        self._stream = stream
        self._started = self._last_draw = time.monotonic()
        self._width = 0

    def draw(self, tally: Tally) -> None:
        """Replace the line, unless the last one is less than a tenth of a second old."""
        now = time.monotonic()
        if self._stream is None or now - self._last_draw < _REDRAW_SECONDS:
            return
        self._last_draw = now
        self._write(self._stream, self._words.line(tally, now - self._started))

    def end(self, _words: str) -> None:
        """Erase the line: the summary that follows has all counts."""
        if self._stream is not None and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()

    def _write(self, stream: IO[str], text: str) -> None:
        # Leave the last column free: text that reaches it can move the cursor to the next line.
        text = text[: shutil.get_terminal_size().columns - 1]
        stream.write("\r" + text.ljust(self._width))
        stream.flush()
        self._width = len(text)


class CellProgress:
    """One output of a notebook cell, replaced as the run goes on.

    Nothing is shown in the first `patience` seconds. The saved notebook contains the last line.
    """

    def __init__(self, words: ProgressText, display: Display, *, patience: float = 0.0) -> None:
        self._words = words
        self._display = display
        self._started = time.monotonic()
        self._next = self._started + max(patience, _REDRAW_CELL_SECONDS)
        self._handle: DisplayHandle | None = None
        if not patience:
            self._show("starting", 0.0)

    def draw(self, tally: Tally) -> None:
        """Replace the output, at most five times a second."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REDRAW_CELL_SECONDS
            self._show(self._words.line(tally, now - self._started), self._words.share(tally))

    def end(self, words: str) -> None:
        """Draw the last line, which stays in the saved notebook."""
        if self._handle is not None:
            self._show(words)

    def _show(self, line: str, share: float | None = None) -> None:
        from rmg_dsl.report.html import progress_html

        bundle = {"text/plain": line, "text/html": progress_html(line, share)}
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def ending_line(result: FinishedRun) -> str:
    """The last line of a run: how it ended, its rows, calls and cost.

    It leaves the time out, so that two equal runs give the same saved notebook.

    >>> import rmg_dsl as rmg
    >>> ending_line(rmg.grade("grader brief = words(response) <= 2", [{"response": "a"}]))
    'done  1 row  0 calls'
    """
    words = "interrupted" if result.interrupted else "ended early" if result.stopped else "done"
    used = result.usage
    cost = f"  {used.cost:.4f} USD" if used.cost else ""
    calls = f"{used.calls:,} call{'s' * (used.calls != 1)}{_retry_count_text(used.retried)}"
    return f"{words}  {_rows_reached(result)}  {calls}{cost}"


def _rows_reached(result: FinishedRun) -> str:
    total, left = result.digest.row_count, result.digest.unreached_count
    rows = f"{total - left:,}" + (f" of {total:,}" if left else "")
    return f"{rows} row{'s' * (rows != '1')}"
