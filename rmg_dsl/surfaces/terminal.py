"""Where output goes: data and summaries to standard output, everything else to standard error; and the exit codes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import IO

from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic
from rmg_dsl.diagnostics.render import printable_text, render_text

# Done; a gate or a check fails; a wrong command line, spec or data; the run could not be done; Ctrl-C.
EXIT_OK, EXIT_CHECK_FAILED, EXIT_BAD_INPUT, EXIT_RUN_FAILED, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


def write_stderr(text: str) -> None:
    """A word to the person at the terminal: standard error. What rows and servers say in it paints no terminal."""
    print(printable_text(text, keep="\n"), file=sys.stderr)


def write_stdout(text: str) -> None:
    """What was asked for, as it is: standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def write_visible(text: str) -> None:
    """The same for people to read: what rows and servers say in it paints no terminal."""
    write_stdout(printable_text(text, keep="\n"))


def escape_unprintable() -> None:
    """What a terminal's encoding has no character for is shown as an escape: a dash must not end a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_diagnostics(diagnostics: Iterable[object], stream: IO[str] | None = None) -> None:
    """Diagnostics with their places, coloured on a terminal that has not asked for none."""
    out = stream or sys.stderr
    found = [d for d in diagnostics if isinstance(d, Diagnostic)]
    if found:
        out.write(render_text(found, colour=out.isatty() and Settings.of().colour) + "\n")
        out.write(f"\n{severity_counts(found)}\n")


def severity_counts(found: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    by_severity = [d.severity for d in found]
    parts = [(by_severity.count(kind), kind) for kind in ("error", "warning", "note")]
    return ", ".join(f"{n} {kind}{'s' * (n != 1)}" for n, kind in parts if n)
