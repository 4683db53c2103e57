"""One diagnostic: its code, message, exact span, help and fixes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from rmg_dsl.diagnostics.source import Source, Span

Severity = Literal["error", "warning", "note"]


class Code(NamedTuple):
    """A row of the table of codes: what `rmg explain` prints."""

    code: str
    title: str
    severity: Severity
    text: str


class Fix(NamedTuple):
    """Replace `span` by `text`; `title` says what that does."""

    span: Span
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A mistake (`error`), a doubt (`warning`) or a remark (`note`) about a place in a source.

    `label` stands under the carets, `help` says what to write instead, `fixes` can be applied
    without thinking.
    """

    code: str
    message: str
    source: Source
    span: Span
    label: str = ""
    help: str = ""
    fixes: tuple[Fix, ...] = ()
    severity: Severity = "error"

    @property
    def line(self) -> int:
        return self.source.position(self.span.start).line

    @property
    def column(self) -> int:
        return self.source.position(self.span.start).column


@cache
def codes() -> dict[str, Code]:
    """The table of codes, by code.

    >>> codes()["RMG401"].title
    'unknown name in a prompt'
    """
    # A spec without a mistake needs none of this.
    import tomllib

    table = tomllib.loads((Path(__file__).parent / "codes.toml").read_text("utf-8"))
    return {
        code: Code(code, row["title"], row.get("severity", "error"), row["text"].strip())
        for code, row in table.items()
    }


def diagnose(
    code: str,
    message: str,
    source: Source,
    span: Span,
    *,
    label: str = "",
    help: str = "",
    fixes: Iterable[Fix] = (),
    severity: Severity | None = None,
) -> Diagnostic:
    """A diagnostic whose severity is its code's, unless said otherwise."""
    return Diagnostic(
        code, message, source, span, label, help, tuple(fixes), severity or codes()[code].severity
    )


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """As people read them: by place, each once, the notes last."""
    unique = {(d.source.name, d.span, d.code, d.message): d for d in diagnostics}
    return tuple(
        sorted(unique.values(), key=lambda d: (d.severity == "note", d.source.name, d.span, d.code))
    )


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in diagnostics)
