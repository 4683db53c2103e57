"""A line of progress on a terminal: silent elsewhere, and gone when the run is."""

from __future__ import annotations

import shutil
import sys
import time
from typing import IO

from rmg_dsl.runtime import Tally

_REDRAW_SECONDS = 0.1


class Progress:
    """Draws one line on `stream`, at most ten times a second; without a stream it draws nothing."""

    def __init__(self, stream: IO[str] | None, total: int | None) -> None:
        self._stream = stream
        self._total = total
        self._started = self._drawn = time.monotonic()
        self._width = 0

    @classmethod
    def on_terminal(cls, wanted: bool | None, total: int | None) -> Progress:
        """Shown when asked for, or when standard error is a terminal and nothing was said."""
        shown = sys.stderr.isatty() if wanted is None else wanted
        return cls(sys.stderr if shown else None, total)

    def draw(self, tally: Tally) -> None:
        now = time.monotonic()
        if self._stream is None or now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        self._write(self.line(tally, now - self._started))

    def line(self, tally: Tally, seconds: float) -> str:
        """How far, how fast, how long yet.

        >>> Progress(None, 40).line(Tally(rows=10), 5.0)
        '10/40 rows  2.0 rows/s  15 s left  0 calls'
        """
        rate = tally.rows / seconds if seconds > 0 else 0.0
        of_all = f"/{self._total}" if self._total is not None else ""
        left = f"  {(self._total - tally.rows) / rate:.0f} s left" if self._total is not None and rate else ""
        retried = f" ({tally.usage.retried} retried)" if tally.usage.retried else ""
        return f"{tally.rows}{of_all} rows  {rate:.1f} rows/s{left}  {tally.usage.calls} calls{retried}"

    def close(self) -> None:
        """Take the line away; the summary says it all."""
        if self._stream is not None and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()

    def _write(self, text: str) -> None:
        assert self._stream is not None
        # One column is left free: a terminal that is full to its edge goes on to the next line.
        text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)
