"""Diagnostics for people and for programs: text, colour, HTML, JSON, GitHub annotations, SARIF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any
from unicodedata import category, east_asian_width

from rmg_dsl.diagnostics.diagnostic import Diagnostic, Fix, codes

Paint = Callable[[str, str], str]

_ANSI = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "bold": "1",
    "dim": "34",
    "help": "1;32",
}
_LONGEST_LINE = 400
_LONGEST_PART = 120
_SARIF_LEVEL = {"error": "error", "warning": "warning", "note": "note"}


def render_text(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """Each diagnostic with its line and a caret under its place; ANSI colours on request."""
    paint = _paint_ansi if colour else _paint_nothing
    return "\n\n".join(_diagnostic_block(d, paint) for d in diagnostics)


def render_html(diagnostics: Iterable[Diagnostic]) -> str:
    """The same as `render_text`, in one `<pre>`; everything from the source is escaped."""
    style = "font-family:ui-monospace,monospace;line-height:1.35;white-space:pre-wrap"
    return (
        f'<pre class="rmg-diagnostics" style="{style}">'
        + "\n\n".join(_diagnostic_block(d, _paint_html) for d in diagnostics)
        + "</pre>"
    )


def render_json(diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """`{"diagnostics": […]}` as plain data: lines and columns from 1, the end exclusive."""
    return {"diagnostics": [_json_record(d) for d in diagnostics]}


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands that annotate a pull request."""
    return "\n".join(_annotation(d) for d in diagnostics)


def render_sarif(diagnostics: Sequence[Diagnostic], version: str) -> dict[str, Any]:
    """A SARIF 2.1.0 log, for code-scanning views."""
    # Viewers show only rules that the log defines.
    used = sorted({d.code for d in diagnostics})
    rules = [
        {
            "id": c,
            "shortDescription": {"text": codes()[c].title},
            "fullDescription": {"text": codes()[c].text},
        }
        for c in used
    ]
    driver = {"name": "rmg", "version": version, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_sarif_result(d) for d in diagnostics]}],
    }


def _line_parts(d: Diagnostic, column: int) -> tuple[str, str, str]:
    """The line of a diagnostic: what stands before its place, the place, and what stands after.

    Of a very long line, which programs write, only the part around the place is shown. A span over
    several lines is marked on its first line only.
    """
    line = d.source.line_at(d.span.start)
    end = column + max(1, d.span.end - d.span.start)
    before, marked, after = line[:column], line[column:end], line[end:]
    if len(line) <= _LONGEST_LINE:
        return before, marked, after
    if len(before) > _LONGEST_PART:
        before = "…" + before[-_LONGEST_PART:]
    if len(marked) > _LONGEST_PART:
        return before, marked[:_LONGEST_PART], "…"
    if len(after) > _LONGEST_PART:
        after = after[:_LONGEST_PART] + "…"
    return before, marked, after


def _diagnostic_block(d: Diagnostic, paint: Paint) -> str:
    start = d.source.position(d.span.start)
    number = str(start.line)
    bar = " " * len(number) + " " + paint("dim", "|")
    before, marked, after = _line_parts(d, start.column - 1)
    line = before + marked + after
    carets = paint(d.severity, ("^" * max(1, _display_width(marked)) + " " + d.label).rstrip())
    rows = [
        paint(d.severity, f"{d.severity}[{d.code}]")
        + paint("bold", f": {printable_text(d.message)}"),
        " " * len(number)
        + paint("dim", "-->")
        + f" {paint('', printable_text(d.source.name))}:{start.line}:{start.column}",
        bar,
        f"{paint('dim', number)} {paint('dim', '|')} {paint('', printable_text(line))}".rstrip(),
        f"{bar} {' ' * _display_width(before)}{carets}",
    ]
    if d.help:
        # Help may have several lines, such as a snippet to paste.
        first, *more = printable_text(d.help, keep="\n").split("\n")
        gap = " " * len(number)
        rows.append(f"{gap} = {paint('help', 'help')}: {paint('', first)}")
        rows += [f"{gap}         {paint('', line)}".rstrip() for line in more]
    return "\n".join(rows)


def printable_text(text: str, keep: str = "") -> str:
    """Text in which each character takes its place: tabs as blanks, control characters as their
    pictures.

    No spec can paint a terminal.

    >>> printable_text("a\\tb\\x1b[31m")
    'a b␛[31m'
    """
    return "".join(
        _printable_character(c) if category(c)[0] == "C" and c not in keep else c for c in text
    )


def _printable_character(char: str) -> str:
    if char == "\t":
        return " "
    # Unicode has pictures for the first 32 control characters only.
    return chr(0x2400 + ord(char)) if ord(char) < 32 else "\ufffd"


def _display_width(text: str) -> int:
    return sum(
        # Combining marks take no column, East Asian wide characters take two.
        0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in "WF" else 1
        for c in text
    )


def _paint_nothing(_: str, text: str) -> str:
    return text


def _paint_ansi(kind: str, text: str) -> str:
    return f"\x1b[{_ANSI[kind]}m{text}\x1b[0m" if kind else text


def _paint_html(kind: str, text: str) -> str:
    colours = {
        "error": "#d1242f",
        "warning": "#9a6700",
        "note": "#0969da",
        "help": "#1a7f37",
        "dim": "#6e7781",
    }
    if kind in colours:
        return f'<span style="color:{colours[kind]};font-weight:600">{escape(text)}</span>'
    return f"<b>{escape(text)}</b>" if kind == "bold" else escape(text)


def _json_record(d: Diagnostic) -> dict[str, Any]:
    return {
        "code": d.code,
        "severity": d.severity,
        "message": d.message,
        "file": d.source.name,
        **_line_columns(d, d.span),
        # Programs tell an absent help from an empty text.
        "help": d.help or None,
        "fixes": [
            {"title": fix.title, **_line_columns(d, fix.span), "text": fix.text} for fix in d.fixes
        ],
    }


def _line_columns(d: Diagnostic, span: Any) -> dict[str, int]:
    start, end = d.source.position(span[0]), d.source.position(span[1])
    return {
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
    }


def _annotation(d: Diagnostic) -> str:
    place = _line_columns(d, d.span)
    # GitHub calls a note a notice.
    kind = "notice" if d.severity == "note" else d.severity
    corners = {"line": "line", "col": "column", "endLine": "end_line", "endColumn": "end_column"}
    where = ",".join(
        [
            f"file={_escape_property(d.source.name)}",
            *(f"{ours}={place[name]}" for ours, name in corners.items()),
        ]
    )
    message = d.message + (f"\n{d.help}" if d.help else "")
    return f"::{kind} {where},title={d.code}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _sarif_result(d: Diagnostic) -> dict[str, Any]:
    return {
        "ruleId": d.code,
        "level": _SARIF_LEVEL[d.severity],
        "message": {"text": d.message + (f". {d.help}" if d.help else "")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": d.source.name},
                    "region": _region(d, d.span),
                }
            }
        ],
        **({"fixes": [_sarif_fix(d, fix) for fix in d.fixes]} if d.fixes else {}),
    }


def _region(d: Diagnostic, span: Any) -> dict[str, int]:
    place = _line_columns(d, span)
    return {
        "startLine": place["line"],
        "startColumn": place["column"],
        "endLine": place["end_line"],
        "endColumn": place["end_column"],
    }


def _sarif_fix(d: Diagnostic, fix: Fix) -> dict[str, Any]:
    replacement = {"deletedRegion": _region(d, fix.span), "insertedContent": {"text": fix.text}}
    change = {"artifactLocation": {"uri": d.source.name}, "replacements": [replacement]}
    return {"description": {"text": fix.title}, "artifactChanges": [change]}
