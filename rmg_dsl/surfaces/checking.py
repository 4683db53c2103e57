"""`rmg check` and `rmg fmt`, which read only the text of specs."""

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
from rmg_dsl.diagnostics import Diagnostic, Fix, Source, has_errors
from rmg_dsl.diagnostics.render import render_github, render_json, render_sarif
from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces.terminal import (
    EXIT_BAD_INPUT,
    EXIT_CHECK_FAILED,
    EXIT_OK,
    print_diagnostics,
    write_stderr,
    write_stdout,
)
from rmg_dsl.syntax import parse

FileOutcome = TypeVar("FileOutcome")
_MAX_FIX_ROUNDS = 10


def check(chosen: Namespace) -> int:
    """Every mistake of every spec, in one run."""
    read, unread = _for_each_file(chosen.specs, lambda path: _check_file(path, chosen))
    # Two specs may import the same file: its mistakes are told once.
    found = list(
        {(d.source.name, d.span, d.code, d.message): d for each in read for d in each}.values()
    )
    _write_report(found, chosen.format)
    if unread:
        return EXIT_BAD_INPUT
    return EXIT_CHECK_FAILED if any(d.severity != "note" for d in found) else EXIT_OK


def _for_each_file(
    paths: Iterable[str], work: Callable[[str], FileOutcome]
) -> tuple[list[FileOutcome], int]:
    """What comes of every file that can be read, and how many cannot: these are told, and keep
    nobody waiting.
    """
    found: list[FileOutcome] = []
    unread = 0
    for path in paths:
        try:
            found.append(work(path))
        except UsageError as error:
            unread += 1
            write_stderr(f"rmg: {error}")
    return found, unread


def _check_file(path: str, chosen: Namespace) -> tuple[Diagnostic, ...]:
    if chosen.fix:
        _fix_file(path, chosen.data, chosen.allow_files)
    return api.check(Path(path), chosen.data, allow_files=chosen.allow_files)


def _write_report(found: Sequence[Diagnostic], form: str) -> None:
    match form:
        case "json":
            write_stdout(json.dumps(render_json(found), ensure_ascii=False))
        case "sarif":
            write_stdout(json.dumps(render_sarif(found, rmg_dsl.__version__), ensure_ascii=False))
        case "github":
            write_stdout(render_github(found)) if found else None
        case _:
            print_diagnostics(found, sys.stdout)


# ── fixes ──


def _fix_file(path: str, data: str | None, allow_files: Sequence[str]) -> None:
    """Apply the fixes that leave no choice; those of one round can open the way for more."""
    for _ in range(_MAX_FIX_ROUNDS):
        source = api.read_source(path)
        diagnostics = api.check(Path(path), data, allow_files=allow_files)
        chosen = chosen_fixes([d for d in diagnostics if d.source.name == source.name])
        text = apply_fixes(source, chosen)
        if text == source.text:
            return
        _write_source(path, text)
        for fix in chosen:
            line = source.position(fix.span.start).line
            write_stderr(f"{path}:{line}: {_fix_text(source, fix)}")


def _fix_text(source: Source, fix: Fix) -> str:
    """What a fix changed, in words."""
    before, after = source.text[fix.span.start : fix.span.end], fix.text.strip()
    if not before:
        return f"added `{after}`"
    # Only blanks or line breaks changed: the same word twice would explain nothing.
    if before.strip() == after:
        return (
            f"`{after}` stands on a line of its own" if "\n" in fix.text else f"blanks at `{after}`"
        )
    return f"`{before}` is now `{after}`"


def chosen_fixes(diagnostics: Iterable[Diagnostic]) -> list[Fix]:
    """The fixes that leave no choice: each diagnostic's all or none, and no two in one place."""
    chosen: list[Fix] = []
    for diagnostic in diagnostics:
        fixes = list(dict.fromkeys(Fix(fix.span, fix.text) for fix in diagnostic.fixes))
        new = [fix for fix in fixes if fix not in chosen]
        if not _fixes_overlap(fixes) and not _fixes_overlap([*chosen, *new]):
            chosen += new
    return chosen


def apply_fixes(source: Source, chosen: Iterable[Fix]) -> str:
    """The text with these fixes, if it can still be read then."""
    text = source.text
    for fix in sorted(chosen, reverse=True):
        text = text[: fix.span.start] + fix.text + text[fix.span.end :]
    return text if _still_parses(source, text) else source.text


def _fixes_overlap(fixes: Iterable[Fix]) -> bool:
    """Do two of them want the same place? Then they are alternatives, and a person has to
    choose.
    """
    spans = sorted(fix.span for fix in fixes)
    return any(one == other or one.end > other.start for one, other in pairwise(spans))


def _still_parses(source: Source, text: str) -> bool:
    """A text that could be parsed can still be."""
    return has_errors(parse(source).diagnostics) or not has_errors(
        parse(Source(source.name, text)).diagnostics
    )


def _write_source(path: str, text: str) -> None:
    """With the line ends and the byte-order mark that the file has."""
    from rmg_dsl.tables import write_text

    before = Path(path).read_bytes()
    ends = text.replace("\n", "\r\n") if b"\r\n" in before else text
    write_text(path, ("\ufeff" if before.startswith(b"\xef\xbb\xbf") else "") + ends)


# ── fmt ──


def fmt(chosen: Namespace) -> int:
    """The one layout, written back; `--check` only tells."""
    codes, unread = _for_each_file(chosen.files, lambda path: _format_file(path, chosen))
    return EXIT_BAD_INPUT if unread else max(codes, default=EXIT_OK)


def _format_file(path: str, chosen: Namespace) -> int:
    from rmg_dsl.syntax import format_source
    from rmg_dsl.syntax.reindent import reindent

    source = _read_stdin() if path == "-" else api.read_source(path)
    parsed = parse(Source(source.name, reindent(source.text) if chosen.reindent else source.text))
    if has_errors(parsed.diagnostics):
        print_diagnostics(parsed.diagnostics)
        return EXIT_CHECK_FAILED
    formatted = format_source(parsed)
    same = formatted == (source.text if path == "-" else Path(path).read_bytes().decode("utf-8"))
    if chosen.check:
        write_stderr(f"{source.name} would change") if not same else None
        return EXIT_OK if same else EXIT_CHECK_FAILED
    _write_formatted(path, formatted, same)
    return EXIT_OK


def _write_formatted(path: str, formatted: str, same: bool) -> None:
    from rmg_dsl.tables import write_text

    if path == "-":
        write_stdout(formatted) if formatted else None
    elif not same:
        write_text(path, formatted)


def _read_stdin() -> Source:
    try:
        return Source.of(sys.stdin.buffer.read().decode("utf-8"), "<stdin>")
    except UnicodeDecodeError as error:
        raise UsageError(f"<stdin>: is not UTF-8 text: byte {error.start} cannot be read") from None
