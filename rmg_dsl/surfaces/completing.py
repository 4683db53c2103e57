"""Completion and help in cells: from the text that a shell hands over to `rmg_dsl.editing`.

IPython comes in inside.
"""

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
from rmg_dsl.surfaces.option_line import (
    GRADE_FLAGS,
    RMG_FLAGS,
    Flags,
    PartialOptionLine,
    parse_partial_line,
)

Shell = Any  # as in magics.py
MATCHER_ID = "rmg"
_CELL_MAGIC = re.compile(r"\s*%%(grade|rmg)\b([^\n]*)")
_LINE_MAGIC = re.compile(r"\s*(?:[\w.]+\s*=\s*)?%grade\b(.*)", re.S)
_NAME = re.compile(r"[^\W\d]\w*")
_LAST_NAME = re.compile(r"(?:[^\W\d]\w*)?\Z")
_SHELL_NAMES = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
_MAX_INSPECTED_ROWS = 100
_MAX_FILE_BYTES = 4_000_000


def register_completer(shell: Shell) -> None:
    """Let the shell ask us what may stand at the cursor of a cell; once, however often it is
    loaded.

    IPython before 8.6, which Colab has, cannot ask: there cells have no completion.
    """
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        return

    terminal = getattr(shell, "kernel", None) is None

    def matcher(context: Any) -> dict[str, Any]:
        text = context.full_text
        at = (
            sum(len(line) + 1 for line in text.split("\n")[: context.cursor_line])
            + context.cursor_position
        )
        found = complete_cell(text, at, shell.user_ns)
        written = text[found.start : at]
        offered = [
            SimpleCompletion(each.text, type=_type_label(each, terminal))
            for each in found.completion_items
        ]
        # Only a matcher that has something can keep Python's names away: where nothing fits, what
        # is written does.
        as_written = (
            [SimpleCompletion(written, type="text")] if found.is_exclusive and written else []
        )
        return {
            "completions": offered or as_written,
            "matched_fragment": written,
            "suppress": found.is_exclusive,
            "ordered": True,
        }

    unregister_completer(shell)
    shell.Completer.custom_matchers.append(
        context_matcher(identifier=MATCHER_ID, priority=200)(matcher)
    )


def _type_label(completion: Completion, terminal: bool) -> str:
    """What is shown beside the text: a terminal has room for a whole line, the box of a notebook
    for a word.
    """
    return (
        f"{completion.kind}: {completion.doc}" if terminal and completion.doc else completion.kind
    )


def unregister_completer(shell: Shell) -> None:
    """Take our matcher out of the shell again."""
    if not hasattr(shell.Completer, "custom_matchers"):
        return
    kept = [
        m
        for m in shell.Completer.custom_matchers
        if getattr(m, "matcher_identifier", "") != MATCHER_ID
    ]
    shell.Completer.custom_matchers[:] = kept


@dataclass(frozen=True, slots=True)
class CellCompletions:
    """What is offered in place of the characters from `start` on;
    `alone` where nothing of Python's can stand there.
    """

    completion_items: Sequence[Completion] = ()
    start: int = 0
    is_exclusive: bool = False


def complete_cell(text: str, cursor: int, names: Mapping[str, object]) -> CellCompletions:
    """What may stand at the cursor of a cell, given the names of the notebook; nothing in a cell
    that is not ours.

    >>> found = complete_cell("%%grade df\\ngrader kind -> bo", 28, {})
    >>> [each.text for each in found.completion_items], found.is_exclusive
    (['bool'], True)
    """
    cell = _CELL_MAGIC.match(text)
    if cell is not None and cursor > cell.end():
        return _complete_spec(text, cell, cursor, names)
    if cell is not None and cursor >= cell.start(2):
        return _complete_option_line(
            text[cell.start(2) : cursor],
            cursor,
            GRADE_FLAGS if cell[1] == "grade" else RMG_FLAGS,
            names,
            cell[1],
        )
    line = _LINE_MAGIC.match(text[text.rfind("\n", 0, cursor) + 1 : cursor])
    return (
        _complete_option_line(line[1], cursor, GRADE_FLAGS, names, "file")
        if line
        else CellCompletions(start=cursor)
    )


def help_in_cell(text: str, cursor: int) -> str | None:
    """What the word at the cursor of a `%%grade` or `%%rmg` cell means; none elsewhere, and where
    there is no help.

    >>> print(help_in_cell("%%grade df\\ngrader kind -> bool = brief", 27))
    bool: a scale
        `True` or `False`, which count as 1 and 0
        yes or no
    """
    cell = _CELL_MAGIC.match(text)
    if cell is None or cursor <= cell.end():
        return None
    from rmg_dsl.api.sources import universe

    return help_at(Source.of(text[cell.end() + 1 :], "cell"), cursor - cell.end() - 1, universe())


def _complete_spec(
    text: str, cell: re.Match[str], cursor: int, names: Mapping[str, object]
) -> CellCompletions:
    from rmg_dsl.api.sources import universe

    body = cell.end() + 1
    found = complete(
        Source.of(text[body:], "cell"), cursor - body, universe(), _cell_columns(cell, names)
    )
    word = _LAST_NAME.search(text, 0, cursor)
    return CellCompletions(
        found,
        found[0].start + body if found else word.start() if word else cursor,
        is_exclusive=True,
    )


# ── the option line ───────────────────────────────────────────────────────────────────────────────

Offers = list[tuple[str, str, str]]


def _complete_option_line(
    line: str, cursor: int, flags: Flags, names: Mapping[str, object], magic: str
) -> CellCompletions:
    end = parse_partial_line(line, flags)
    if end.data_start is None:
        offers = (
            _flag_offers(flags, end)
            if end.option == "-"
            else _option_value_offers(end.option, names)
        )
        return _matching_completions(offers, end.typed_text, cursor)
    written = line[end.data_start :]
    options = [] if written else _flag_offers(flags, end)
    if magic == "file" and " " not in written:
        return _matching_completions([*_spec_offers(names), *options], written, cursor)
    expression = written.partition(" ")[2].lstrip() if magic == "file" else written
    if expression and not expression.isidentifier():
        return CellCompletions(start=cursor)  # Python's own completion knows more
    return _matching_completions(
        [*([] if magic == "rmg" else _data_offers(names)), *options], expression, cursor
    )


def _matching_completions(offers: Offers, typed: str, cursor: int) -> CellCompletions:
    start = cursor - len(typed)
    fitting = [
        Completion(text, kind, doc, start, cursor)
        for text, kind, doc in offers
        if text.startswith(typed)
    ]
    return CellCompletions(fitting, start, is_exclusive=bool(fitting))


def _flag_offers(flags: Flags, end: PartialOptionLine) -> Offers:
    left = (
        flag for flag in flags.values() if flag.is_repeatable or flag.word not in end.present_flags
    )
    return [(flag.word, "option", f"{flag.metavar}  {flag.help}".strip()) for flag in left]


def _option_value_offers(option: str, names: Mapping[str, object]) -> Offers:
    """What an option takes, where it is of a known kind: models, by their provider or in a
    variable.
    """
    if option != "--model":
        return []
    from rmg_dsl.models import PRESETS, ScriptedModel

    held = [
        (name, "model", "")
        for name, value in _visible_variables(names)
        if isinstance(value, ScriptedModel)
    ]
    return [
        *held,
        ("local/lexical", "model", ""),
        *((f"{name}/", "provider", "") for name in PRESETS),
    ]


def _spec_offers(names: Mapping[str, object]) -> Offers:
    """What `%grade` may begin with: suites that were kept, and the files of this folder."""
    from rmg_dsl.api import Suite

    suites = [
        (name, "suite", "") for name, value in _visible_variables(names) if isinstance(value, Suite)
    ]
    return [*suites, *((path, "file", "") for path in sorted(glob("*.rmg") + glob("*/*.rmg")))]


def _data_offers(names: Mapping[str, object]) -> Offers:
    """What the data's expression may begin with: the variables that hold rows, then all others."""
    held = {name: columns_of(value) for name, value in _visible_variables(names)}
    rows = [
        (name, "rows", ", ".join(columns[:6]))
        for name, columns in held.items()
        if columns is not None
    ]
    return [*rows, *((name, "variable", "") for name, columns in held.items() if columns is None)]


def _visible_variables(names: Mapping[str, object]) -> list[tuple[str, object]]:
    return [
        (name, value)
        for name, value in list(names.items())
        if not name.startswith("_") and name not in _SHELL_NAMES
    ]


# ── the columns of the data ───────────────────────────────────────────────────────────────────────


def columns_of(value: object) -> list[str] | None:
    """The names of the columns that rows have, or none where a value is no rows; nothing is
    computed.

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
    rows = value[:_MAX_INSPECTED_ROWS] if isinstance(value, list | tuple) else []
    if rows and all(isinstance(row, Mapping) for row in rows):
        return list(dict.fromkeys(str(key) for row in rows for key in row))
    return None


def _columns_of_frame(frame: Any) -> list[str] | None:
    kind = type(frame)
    if hasattr(kind, "collect"):  # to name its columns would compute them
        return None
    names = frame.column_names if hasattr(kind, "column_names") else frame.columns
    return [name for name in names if isinstance(name, str)]


def _cell_columns(cell: re.Match[str], names: Mapping[str, object]) -> list[str] | None:
    """The columns of what the magic line names; where it names nothing, those of the only frame
    that there is.
    """
    end = parse_partial_line(cell[2], GRADE_FLAGS)
    expression = cell[2][end.data_start :].strip() if end.data_start is not None else ""
    if cell[1] == "grade" and expression:
        return _columns_of_expression(expression, names)
    frames = [
        columns
        for _, value in _visible_variables(names)
        if (columns := columns_of(value)) is not None
    ]
    return frames[0] if len(frames) == 1 else None


def _columns_of_expression(expression: str, names: Mapping[str, object]) -> list[str] | None:
    """The columns of the variable that an expression begins with, of rows that are written out, or
    of a file.
    """
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
        if os.path.getsize(path) > _MAX_FILE_BYTES:
            return None
        return list(open_table(path).columns)
    except (OSError, ValueError, RmgError):
        return None
