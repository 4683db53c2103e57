"""`rmg check` and `rmg fmt`: what looks at the text of specs. Each returns its exit code."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import rmg_dsl
from rmg_dsl import api
from rmg_dsl.diagnostics import Diagnostic, Fix, Source, errors_in
from rmg_dsl.diagnostics.render import as_github, as_json, as_sarif
from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces.terminal import DONE, FAILED, WRONG, put, say, show_diagnostics
from rmg_dsl.syntax import parse

Found = TypeVar("Found")
_MOST_ROUNDS = 10


def check(chosen: Namespace) -> int:
    """Every mistake of every spec, in one run."""
    read, unread = _each(chosen.specs, lambda path: _checked(path, chosen))
    # Two specs may import the same file: its mistakes are told once.
    found = list(
        {(d.source.name, d.span, d.code, d.message): d for each in read for d in each}.values()
    )
    _report(found, chosen.format)
    if unread:
        return WRONG
    return FAILED if any(d.severity != "note" for d in found) else DONE


def _each(paths: Iterable[str], work: Callable[[str], Found]) -> tuple[list[Found], int]:
    """What comes of every file that can be read, and how many cannot: these are told, and keep nobody waiting."""
    found: list[Found] = []
    unread = 0
    for path in paths:
        try:
            found.append(work(path))
        except UsageError as error:
            unread += 1
            say(f"rmg: {error}")
    return found, unread


def _checked(path: str, chosen: Namespace) -> tuple[Diagnostic, ...]:
    if chosen.fix:
        _fix(path, chosen.data)
    return api.check(Path(path), chosen.data)


def _report(found: Sequence[Diagnostic], form: str) -> None:
    match form:
        case "json":
            put(json.dumps(as_json(found), ensure_ascii=False))
        case "sarif":
            put(json.dumps(as_sarif(found, rmg_dsl.__version__), ensure_ascii=False))
        case "github":
            put(as_github(found)) if found else None
        case _:
            show_diagnostics(found, sys.stdout)


# ── fixes ──


def _fix(path: str, data: str | None) -> None:
    """Apply the fixes that leave no choice; those of one round can open the way for more."""
    for _ in range(_MOST_ROUNDS):
        source = api.read_source(path)
        chosen = chosen_fixes(
            [d for d in api.check(Path(path), data) if d.source.name == source.name]
        )
        text = fixed(source, chosen)
        if text == source.text:
            return
        _write(path, text)
        for fix in chosen:
            before = source.text[fix.span.start : fix.span.end]
            line = source.position(fix.span.start).line
            say(
                f"{path}:{line}: `{before}` is now `{fix.text.strip()}`"
                if before
                else f"{path}:{line}: added `{fix.text.strip()}`"
            )


def chosen_fixes(diagnostics: Iterable[Diagnostic]) -> list[Fix]:
    """The fixes that leave no choice: each diagnostic's all or none, and no two in one place."""
    chosen: list[Fix] = []
    for diagnostic in diagnostics:
        fixes = list(dict.fromkeys(Fix(fix.span, fix.text) for fix in diagnostic.fixes))
        new = [fix for fix in fixes if fix not in chosen]
        if not _collide(fixes) and not _collide([*chosen, *new]):
            chosen += new
    return chosen


def fixed(source: Source, chosen: Iterable[Fix]) -> str:
    """The text with these fixes, if it can still be read then."""
    text = source.text
    for fix in sorted(chosen, reverse=True):
        text = text[: fix.span.start] + fix.text + text[fix.span.end :]
    return text if _still_reads(source, text) else source.text


def _collide(fixes: Iterable[Fix]) -> bool:
    """Do two of them want the same place? Then they are alternatives, and a person has to choose."""
    spans = sorted(fix.span for fix in fixes)
    return any(one == other or one.end > other.start for one, other in pairwise(spans))


def _still_reads(source: Source, text: str) -> bool:
    """A text that could be parsed can still be."""
    return errors_in(parse(source).diagnostics) or not errors_in(
        parse(Source(source.name, text)).diagnostics
    )


def _write(path: str, text: str) -> None:
    """With the line ends and the byte-order mark that the file has."""
    from rmg_dsl.tables import write_text

    before = Path(path).read_bytes()
    ends = text.replace("\n", "\r\n") if b"\r\n" in before else text
    write_text(path, ("\ufeff" if before.startswith(b"\xef\xbb\xbf") else "") + ends)


# ── fmt ──


def fmt(chosen: Namespace) -> int:
    """The one layout, written back; `--check` only tells."""
    codes, unread = _each(chosen.files, lambda path: _format(path, chosen))
    return WRONG if unread else max(codes, default=DONE)


def _format(path: str, chosen: Namespace) -> int:
    from rmg_dsl.syntax import format_source
    from rmg_dsl.syntax.reindent import reindent

    source = _stdin() if path == "-" else api.read_source(path)
    parsed = parse(Source(source.name, reindent(source.text) if chosen.reindent else source.text))
    if errors_in(parsed.diagnostics):
        show_diagnostics(parsed.diagnostics)
        return FAILED
    formatted = format_source(parsed)
    same = formatted == (source.text if path == "-" else Path(path).read_bytes().decode("utf-8"))
    if chosen.check:
        say(f"{source.name} would change") if not same else None
        return DONE if same else FAILED
    _put_formatted(path, formatted, same)
    return DONE


def _put_formatted(path: str, formatted: str, same: bool) -> None:
    from rmg_dsl.tables import write_text

    if path == "-":
        put(formatted) if formatted else None
    elif not same:
        write_text(path, formatted)


def _stdin() -> Source:
    try:
        return Source.of(sys.stdin.buffer.read().decode("utf-8"), "<stdin>")
    except UnicodeDecodeError as error:
        raise UsageError(f"<stdin>: is not UTF-8 text: byte {error.start} cannot be read") from None
