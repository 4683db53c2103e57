"""Completion and help in cells: from the text that a shell hands over to `rmg_dsl.editing`. IPython comes in inside."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from typing import Any

from rmg_dsl.diagnostics import Source
from rmg_dsl.editing import Completion, complete, help_at
from rmg_dsl.errors import RmgError
from rmg_dsl.surfaces.option_line import GRADE, RMG, Flags, Unfinished, unfinished

Shell = Any  # as in magics.py
IDENTIFIER = "rmg"
_CELL = re.compile(r"\s*%%(grade|rmg)\b([^\n]*)")
_LINE = re.compile(r"\s*(?:[\w.]+\s*=\s*)?%grade\b(.*)", re.S)
_NAME = re.compile(r"[^\W\d]\w*")
_LAST_NAME = re.compile(r"(?:[^\W\d]\w*)?\Z")
_OF_SHELL = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
_ROWS_LOOKED_AT = 100
_LARGEST = 4_000_000
_READABLE = (".csv", ".tsv", ".jsonl", ".ndjson")


def register(shell: Shell) -> None:
    """Let the shell ask us what may stand at the cursor of a cell; once, however often it is loaded."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    terminal = getattr(shell, "kernel", None) is None

    def matcher(context: Any) -> dict[str, Any]:
        text = context.full_text
        at = (
            sum(len(line) + 1 for line in text.split("\n")[: context.cursor_line])
            + context.cursor_position
        )
        found = completions(text, at, shell.user_ns)
        written = text[found.start : at]
        offered = [
            SimpleCompletion(each.text, type=_type(each, terminal)) for each in found.offered
        ]
        # Only a matcher that has something can keep Python's names away: where nothing fits, what is written does.
        as_written = [SimpleCompletion(written, type="text")] if found.alone and written else []
        return {
            "completions": offered or as_written,
            "matched_fragment": written,
            "suppress": found.alone,
            "ordered": True,
        }

    unregister(shell)
    shell.Completer.custom_matchers.append(
        context_matcher(identifier=IDENTIFIER, priority=200)(matcher)
    )


def _type(completion: Completion, terminal: bool) -> str:
    """What is shown beside the text: a terminal has room for a whole line, the box of a notebook for a word."""
    return (
        f"{completion.kind}: {completion.doc}" if terminal and completion.doc else completion.kind
    )


def unregister(shell: Shell) -> None:
    """Take our matcher out of the shell again."""
    kept = [
        m
        for m in shell.Completer.custom_matchers
        if getattr(m, "matcher_identifier", "") != IDENTIFIER
    ]
    shell.Completer.custom_matchers[:] = kept


@dataclass(frozen=True, slots=True)
class Found:
    """What is offered in place of the characters from `start` on; `alone` where nothing of Python's can stand there."""

    offered: Sequence[Completion] = ()
    start: int = 0
    alone: bool = False


def completions(text: str, cursor: int, names: Mapping[str, object]) -> Found:
    """What may stand at the cursor of a cell, given the names of the notebook; nothing in a cell that is not ours.

    >>> found = completions("%%grade df\\ngrader kind -> bo", 28, {})
    >>> [each.text for each in found.offered], found.alone
    (['bool'], True)
    """
    cell = _CELL.match(text)
    if cell is not None and cursor > cell.end():
        return _in_spec(text, cell, cursor, names)
    if cell is not None and cursor >= cell.start(2):
        return _in_options(
            text[cell.start(2) : cursor],
            cursor,
            GRADE if cell[1] == "grade" else RMG,
            names,
            cell[1],
        )
    line = _LINE.match(text[text.rfind("\n", 0, cursor) + 1 : cursor])
    return _in_options(line[1], cursor, GRADE, names, "file") if line else Found(start=cursor)


def explained(text: str, cursor: int) -> str | None:
    """What the word at the cursor of a `%%grade` or `%%rmg` cell means; none elsewhere, and where there is no help.

    >>> print(explained("%%grade df\\ngrader kind -> bool = brief", 27))
    bool: a scale
        `True` or `False`, which count as 1 and 0
        yes or no
    """
    cell = _CELL.match(text)
    if cell is None or cursor <= cell.end():
        return None
    from rmg_dsl.api.sources import universe

    return help_at(Source.of(text[cell.end() + 1 :], "cell"), cursor - cell.end() - 1, universe())


def _in_spec(text: str, cell: re.Match[str], cursor: int, names: Mapping[str, object]) -> Found:
    from rmg_dsl.api.sources import universe

    body = cell.end() + 1
    found = complete(
        Source.of(text[body:], "cell"), cursor - body, universe(), _columns(cell, names)
    )
    word = _LAST_NAME.search(text, 0, cursor)
    return Found(
        found, found[0].start + body if found else word.start() if word else cursor, alone=True
    )


# ── the option line ──────────────────────────────────────────────────────────────────────────────────────────────

Offers = list[tuple[str, str, str]]


def _in_options(
    line: str, cursor: int, flags: Flags, names: Mapping[str, object], magic: str
) -> Found:
    end = unfinished(line, flags)
    if end.data is None:
        offers = _flags(flags, end) if end.option == "-" else _values(end.option, names)
        return _offered(offers, end.typed, cursor)
    written = line[end.data :]
    options = [] if written else _flags(flags, end)
    if magic == "file" and " " not in written:
        return _offered([*_specs(names), *options], written, cursor)
    expression = written.partition(" ")[2].lstrip() if magic == "file" else written
    if expression and not expression.isidentifier():
        return Found(start=cursor)  # Python's own completion knows more
    return _offered([*([] if magic == "rmg" else _data(names)), *options], expression, cursor)


def _offered(offers: Offers, typed: str, cursor: int) -> Found:
    start = cursor - len(typed)
    fitting = [
        Completion(text, kind, doc, start, cursor)
        for text, kind, doc in offers
        if text.startswith(typed)
    ]
    return Found(fitting, start, alone=bool(fitting))


def _flags(flags: Flags, end: Unfinished) -> Offers:
    left = (flag for flag in flags.values() if flag.many or flag.word not in end.given)
    return [(flag.word, "option", f"{flag.value}  {flag.help}".strip()) for flag in left]


def _values(option: str, names: Mapping[str, object]) -> Offers:
    """What an option takes, where it is of a known kind: models, by their provider or in a variable."""
    if option != "--model":
        return []
    from rmg_dsl.models import PRESETS, ScriptedModel

    held = [
        (name, "model", "") for name, value in _visible(names) if isinstance(value, ScriptedModel)
    ]
    return [
        *held,
        ("local/lexical", "model", ""),
        *((f"{name}/", "provider", "") for name in PRESETS),
    ]


def _specs(names: Mapping[str, object]) -> Offers:
    """What `%grade` may begin with: suites that were kept, and the files of this folder."""
    from rmg_dsl.api import Suite

    suites = [(name, "suite", "") for name, value in _visible(names) if isinstance(value, Suite)]
    return [*suites, *((path, "file", "") for path in sorted(glob("*.rmg") + glob("*/*.rmg")))]


def _data(names: Mapping[str, object]) -> Offers:
    """What the data's expression may begin with: the variables that hold rows, then all others."""
    held = {name: columns_of(value) for name, value in _visible(names)}
    rows = [
        (name, "rows", ", ".join(columns[:6]))
        for name, columns in held.items()
        if columns is not None
    ]
    return [*rows, *((name, "variable", "") for name, columns in held.items() if columns is None)]


def _visible(names: Mapping[str, object]) -> list[tuple[str, object]]:
    return [
        (name, value)
        for name, value in list(names.items())
        if not name.startswith("_") and name not in _OF_SHELL
    ]


# ── the columns of the data ──────────────────────────────────────────────────────────────────────────────────────


def columns_of(value: object) -> list[str] | None:
    """The names of the columns that rows have, or none where a value is no rows; nothing is computed.

    >>> columns_of([{"query": "Why?"}, {"response": "So."}]), columns_of(3)
    (['query', 'response'], None)
    """
    from rmg_dsl.api.results import Result
    from rmg_dsl.tables import is_frame
    from rmg_dsl.tables.other_frames import is_other_frame

    if is_frame(value) or is_other_frame(value):
        return _columns_of_frame(value)
    if isinstance(value, Result):
        return [*value.table.columns, *value.ledger.cells]
    rows = value[:_ROWS_LOOKED_AT] if isinstance(value, list | tuple) else []
    if rows and all(isinstance(row, Mapping) for row in rows):
        return list(dict.fromkeys(str(key) for row in rows for key in row))
    return None


def _columns_of_frame(frame: Any) -> list[str] | None:
    kind = type(frame)
    if hasattr(kind, "collect"):  # to name its columns would compute them
        return None
    names = frame.column_names if hasattr(kind, "column_names") else frame.columns
    return [name for name in names if isinstance(name, str)]


def _columns(cell: re.Match[str], names: Mapping[str, object]) -> list[str] | None:
    """The columns of what the magic line names; where it names nothing, those of the only frame that there is."""
    end = unfinished(cell[2], GRADE)
    expression = cell[2][end.data :].strip() if end.data is not None else ""
    if cell[1] == "grade" and expression:
        return _columns_named(expression, names)
    frames = [columns for _, value in _visible(names) if (columns := columns_of(value)) is not None]
    return frames[0] if len(frames) == 1 else None


def _columns_named(expression: str, names: Mapping[str, object]) -> list[str] | None:
    """The columns of the variable that an expression begins with, of rows that are written out, or of a file."""
    name = _NAME.match(expression)
    if name is not None:
        return columns_of(names.get(name.group()))
    try:
        value = ast.literal_eval(expression)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return _columns_of_file(value) if isinstance(value, str) else columns_of(value)


def _columns_of_file(path: str) -> list[str] | None:
    from rmg_dsl.tables import open_table

    try:
        small = path.endswith(_READABLE) and os.path.getsize(path) <= _LARGEST
        return list(open_table(path).columns) if small else None
    except (OSError, ValueError, RmgError):
        return None
