"""`rmg check` and `rmg fmt`, which read only the text of specs."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
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
    """Report every mistake of every spec, after `--fix` those that are left."""
    checked, unread = _for_each_file(chosen.specs, lambda path: _check_file(path, chosen))
    diagnostics = _unique_diagnostics(chain.from_iterable(checked))
    _write_report(diagnostics, chosen.format)
    if unread:
        return EXIT_BAD_INPUT
    return EXIT_CHECK_FAILED if any(d.severity != "note" for d in diagnostics) else EXIT_OK


def _unique_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Drop repeated diagnostics: two specs may import the same file."""
    return list({(d.source.name, d.span, d.code, d.message): d for d in diagnostics}.values())


def _for_each_file(
    paths: Iterable[str], work: Callable[[str], FileOutcome]
) -> tuple[list[FileOutcome], int]:
    """Do the work for every file, and count the files that cannot be read.

    Such a file is reported on standard error, and the other files are still processed.
    """
    outcomes: list[FileOutcome] = []
    unread = 0
    for path in paths:
        try:
            outcomes.append(work(path))
        except UsageError as error:
            unread += 1
            write_stderr(f"rmg: {error}")
    return outcomes, unread


def _check_file(path: str, chosen: Namespace) -> tuple[Diagnostic, ...]:
    if chosen.fix:
        _fix_file(path, chosen.data, chosen.allow_files)
    return api.check(Path(path), chosen.data, allow_files=chosen.allow_files)


def _write_report(diagnostics: Sequence[Diagnostic], form: str) -> None:
    match form:
        case "json":
            write_stdout(json.dumps(render_json(diagnostics), ensure_ascii=False))
        case "sarif":
            report = render_sarif(diagnostics, rmg_dsl.__version__)
            write_stdout(json.dumps(report, ensure_ascii=False))
        case "github":
            # Without diagnostics an empty line would be left in the log.
            if diagnostics:
                write_stdout(render_github(diagnostics))
        case _:
            print_diagnostics(diagnostics, sys.stdout)


# ── fixes ──


def _fix_file(path: str, data: str | None, allow_files: Sequence[str]) -> None:
    """Apply the unambiguous fixes, in rounds, because one fix can make another mistake visible."""
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
    # Only blanks or line breaks changed: showing the same word twice would explain nothing.
    if before.strip() == after:
        if "\n" in fix.text:
            return f"`{after}` stands on a line of its own"
        return f"blanks at `{after}`"
    return f"`{before}` is now `{after}`"


def chosen_fixes(diagnostics: Iterable[Diagnostic]) -> list[Fix]:
    """The unambiguous fixes: all of a diagnostic or none, and no two at the same place."""
    chosen: list[Fix] = []
    for diagnostic in diagnostics:
        fixes = list(dict.fromkeys(Fix(fix.span, fix.text) for fix in diagnostic.fixes))
        new = [fix for fix in fixes if fix not in chosen]
        if not _fixes_overlap(fixes) and not _fixes_overlap([*chosen, *new]):
            chosen += new
    return chosen


def apply_fixes(source: Source, chosen: Iterable[Fix]) -> str:
    """The text with these fixes; unchanged if they would make a readable spec unreadable."""
    text = source.text
    # From the end of the text to its start, so that the places of the other fixes stay valid.
    for fix in sorted(chosen, reverse=True):
        text = text[: fix.span.start] + fix.text + text[fix.span.end :]
    return text if _still_parses(source, text) else source.text


def _fixes_overlap(fixes: Iterable[Fix]) -> bool:
    """Whether two fixes change the same place. Such fixes are alternatives for a person."""
    spans = sorted(fix.span for fix in fixes)
    return any(one == other or one.end > other.start for one, other in pairwise(spans))


def _still_parses(source: Source, text: str) -> bool:
    """Whether the new text can be parsed, or the old one could not be either."""
    return has_errors(parse(source).diagnostics) or not has_errors(
        parse(Source(source.name, text)).diagnostics
    )


def _write_source(path: str, text: str) -> None:
    """Write a spec with the line ends and the byte-order mark that its file has."""
    from rmg_dsl.tables import write_text

    before = Path(path).read_bytes()
    ends = text.replace("\n", "\r\n") if b"\r\n" in before else text
    write_text(path, ("\ufeff" if before.startswith(b"\xef\xbb\xbf") else "") + ends)


# ── fmt ──


def fmt(chosen: Namespace) -> int:
    """Rewrite specs in the standard layout; with `--check`, only say which would change."""
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
        if same:
            return EXIT_OK
        write_stderr(f"{source.name} would change")
        return EXIT_CHECK_FAILED
    _write_formatted(path, formatted, same)
    return EXIT_OK


def _write_formatted(path: str, formatted: str, same: bool) -> None:
    from rmg_dsl.tables import write_text

    if path == "-":
        # `write_stdout` ends every text with a line end; an empty spec stays empty.
        if formatted:
            write_stdout(formatted)
    elif not same:
        write_text(path, formatted)


def _read_stdin() -> Source:
    try:
        return Source.of(sys.stdin.buffer.read().decode("utf-8"), "<stdin>")
    except UnicodeDecodeError as error:
        raise UsageError(f"<stdin>: is not UTF-8 text: byte {error.start} cannot be read") from None
