"""Where output goes: data and summaries to standard output, everything else to standard error; and the exit codes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import IO

from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic
from rmg_dsl.diagnostics.render import as_text, visible

# Done; a gate or a check fails; a wrong command line, spec or data; the run could not be done; Ctrl-C.
DONE, FAILED, WRONG, IMPOSSIBLE, INTERRUPTED = 0, 1, 2, 3, 130


def say(text: str) -> None:
    """A word to the person at the terminal: standard error. What rows and servers say in it paints no terminal."""
    print(visible(text, keep="\n"), file=sys.stderr)


def put(text: str) -> None:
    """What was asked for, as it is: standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def show(text: str) -> None:
    """The same for people to read: what rows and servers say in it paints no terminal."""
    put(visible(text, keep="\n"))


def escape_unprintable() -> None:
    """What a terminal's encoding has no character for is shown as an escape: a dash must not end a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_diagnostics(diagnostics: Iterable[object], stream: IO[str] | None = None) -> None:
    """Diagnostics with their places, coloured on a terminal that has not asked for none."""
    out = stream or sys.stderr
    found = [d for d in diagnostics if isinstance(d, Diagnostic)]
    if found:
        out.write(as_text(found, colour=out.isatty() and Settings.of().colour) + "\n")
        out.write(f"\n{counted(found)}\n")


def counted(found: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    by_severity = [d.severity for d in found]
    parts = [(by_severity.count(kind), kind) for kind in ("error", "warning", "note")]
    return ", ".join(f"{n} {kind}{'s' * (n != 1)}" for n, kind in parts if n)
