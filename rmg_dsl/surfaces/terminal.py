"""The output of the commands, and their exit codes.

Data and summaries go to standard output, everything else to standard error.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic
from rmg_dsl.diagnostics.render import printable_text, render_text

if TYPE_CHECKING:
    from rmg_dsl.api import PlanView

# A file that is no spec has a mistake in every line.
_MOST_PRINTED = 200

EXIT_OK = 0
EXIT_CHECK_FAILED = 1  # a requirement does not hold, or a check found a mistake
EXIT_BAD_INPUT = 2  # a wrong command line, spec or data file
EXIT_RUN_FAILED = 3  # the models could not be called
EXIT_INTERRUPTED = 130  # Ctrl-C, as shells count it: 128 + SIGINT


def write_stderr(text: str) -> None:
    """Print a message to standard error, without control characters from rows or servers."""
    print(printable_text(text, keep="\n"), file=sys.stderr)


def write_stdout(text: str) -> None:
    """Print text to standard output as it is, with a line end."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def write_visible(text: str) -> None:
    """Print text for people to standard output, without control characters from rows or servers."""
    write_stdout(printable_text(text, keep="\n"))


def open_closed_streams() -> None:
    """Give a process without standard streams, such as a daemon, empty ones.

    Otherwise the first file that is opened would take the number of a stream, and its content
    would mix with messages.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    # They stay open until the process ends.
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def one_line(text: object) -> str:
    """Text of a row or a server for the middle of a line: it must not make lines of its own.

    >>> one_line("a\\n::error::b")
    'a␊::error::b'
    """
    return printable_text(str(text))


def escape_unprintable() -> None:
    """Print characters that the terminal cannot encode as escapes, instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_diagnostics(diagnostics: Iterable[object], stream: IO[str] | None = None) -> None:
    """Print diagnostics with their places, coloured on a terminal unless NO_COLOR is set."""
    out = stream or sys.stderr
    printed = [d for d in diagnostics if isinstance(d, Diagnostic)]
    if not printed:
        return
    colour = out.isatty() and Settings.of().colour
    text = render_text(printed[:_MOST_PRINTED], colour=colour)
    if len(printed) > _MOST_PRINTED:
        text += f"\n\n… and {len(printed) - _MOST_PRINTED:,} more; `rmg check --json` has them all"
    out.write(f"{text}\n\n{severity_counts(printed)}\n")


def severity_counts(diagnostics: Iterable[Diagnostic]) -> str:
    """Count diagnostics by severity, such as `2 errors, 1 warning`."""
    counts = Counter(d.severity for d in diagnostics)
    parts = [(counts[severity], severity) for severity in ("error", "warning", "note")]
    return ", ".join(f"{n} {severity}{'s' * (n != 1)}" for n, severity in parts if n)


def write_json(value: object) -> None:
    """Print a value as one line of JSON to standard output."""
    write_stdout(json.dumps(value, ensure_ascii=False))


def write_plan(view: PlanView, *, as_json: bool) -> None:
    """Print a plan for people, or its counts as JSON."""
    if as_json:
        write_json(view.as_json())
    else:
        write_stdout(str(view))
