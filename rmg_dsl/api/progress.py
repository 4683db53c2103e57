"""Progress of a run: a line on a terminal, a display in a notebook cell, nothing elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Protocol

from rmg_dsl.runtime import Tally

if TYPE_CHECKING:
    from rmg_dsl.api.results import FinishedRun

_REDRAW_SECONDS, _REDRAW_CELL_SECONDS = 0.1, 0.2
# A call in a notebook that is done by then leaves nothing behind but its result.
_DISPLAY_DELAY_SECONDS = 1.0
# A rate is of what happened lately: the first rows of a resumed run come from the cache, and say
# nothing of the rest.
_RATE_WINDOW_SECONDS = 20.0

Cost = Callable[[Tally], float | None]


Display = Callable[..., Any]


class Progress(Protocol):
    """What is shown of a run: drawn at each tick by the thread that waits, and once at the end."""

    def draw(self, tally: Tally) -> None: ...

    def end(self, words: str) -> None: ...


def progress_display(wanted: bool | None, total: int | None, cost: Cost) -> Progress:
    """In a notebook a display, on a terminal a line; where nothing was said, elsewhere nothing."""
    words = ProgressText(total, cost)
    display = None if wanted is False else _display_of_cell()
    if display is not None:
        return CellProgress(words, display, patience=0.0 if wanted else _DISPLAY_DELAY_SECONDS)
    on_terminal = sys.stderr.isatty() if wanted is None else wanted
    return LineProgress(words, sys.stderr if on_terminal else None)


def _display_of_cell() -> Display | None:
    """The kernel's `display`, for the one thread whose displays reach the cell.

    IPython is not imported for that.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    in_cell = (
        getattr(shell, "kernel", None) is not None
        and threading.current_thread() is threading.main_thread()
    )
    return getattr(sys.modules.get("IPython.display"), "display", None) if in_cell else None


class ProgressText:
    """How far, how fast, how long yet, and what it has cost so far.

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
        """One line, for so many seconds since the start."""
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
        """How much of it is done, where it is known how much there is."""
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
        now = time.monotonic()
        if self._stream is None or now - self._last_draw < _REDRAW_SECONDS:
            return
        self._last_draw = now
        self._write(self._stream, self._words.line(tally, now - self._started))

    def end(self, _words: str) -> None:
        """Take the line away; the summary says it all."""
        if self._stream is not None and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()

    def _write(self, stream: IO[str], text: str) -> None:
        # One column is left free: a terminal that is full to its edge goes on to the next line.
        text = text[: shutil.get_terminal_size().columns - 1]
        stream.write("\r" + text.ljust(self._width))
        stream.flush()
        self._width = len(text)


class CellProgress:
    """One output of the cell, drawn anew as the run goes on; what is saved at the end says how it
    ended.
    """

    def __init__(self, words: ProgressText, display: Display, *, patience: float = 0.0) -> None:
        self._words = words
        self._display = display
        self._started = time.monotonic()
        self._next = self._started + max(patience, _REDRAW_CELL_SECONDS)
        self._handle: Any = None
        if not patience:
            self._show("starting", 0.0)

    def draw(self, tally: Tally) -> None:
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
    """The last line of a run: how it ended. It tells no time, so that a saved notebook is the same
    each time.

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
