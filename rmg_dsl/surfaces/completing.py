"""Completion and help in the cells of a notebook or of IPython, by `rmg_dsl.editing`.

IPython is imported only inside functions.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from typing import TYPE_CHECKING, TypeAlias

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
from rmg_dsl.surfaces.shell import Shell, kernel_of

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult

MATCHER_ID = "rmg"
_CELL_MAGIC = re.compile(r"\s*%%(grade|rmg)\b([^\n]*)")
_LINE_MAGIC = re.compile(r"\s*(?:[\w.]+\s*=\s*)?%grade\b(.*)", re.S)
_NAME = re.compile(r"[^\W\d]\w*")
_LAST_NAME = re.compile(r"(?:[^\W\d]\w*)?\Z")
_SHELL_NAMES = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
_MAX_INSPECTED_ROWS = 100
_MAX_FILE_BYTES = 4_000_000


def register_completer(shell: Shell) -> None:
    """Add our matcher to the completer of the shell, in place of an earlier one.

    IPython before 8.6, which Colab has, cannot ask: there cells have no completion.
    """
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        return

    on_terminal = kernel_of(shell) is None

    def matcher(context: CompletionContext) -> SimpleMatcherResult:
        text, cursor = context.full_text, _cursor_in_text(context)
        completions = complete_cell(text, cursor, shell.user_ns)
        typed = text[completions.start : cursor]
        offers = [
            SimpleCompletion(completion.text, type=_type_label(completion, on_terminal))
            for completion in completions.completion_items
        ]
        # IPython ignores `suppress` of a matcher without completions. Offering the typed text again
        # keeps the names of Python away where none can stand.
        if not offers and completions.is_exclusive and typed:
            offers = [SimpleCompletion(typed, type="text")]
        return {
            "completions": offers,
            "matched_fragment": typed,
            "suppress": completions.is_exclusive,
            "ordered": True,
        }

    unregister_completer(shell)
    shell.Completer.custom_matchers.append(
        context_matcher(identifier=MATCHER_ID, priority=200)(matcher)
    )


def _cursor_in_text(context: CompletionContext) -> int:
    """The place of the cursor in the whole cell; IPython gives its line and column."""
    lines_above = context.full_text.split("\n")[: context.cursor_line]
    return sum(len(line) + 1 for line in lines_above) + context.cursor_position


def _type_label(completion: Completion, on_terminal: bool) -> str:
    """The text beside a completion: a line on a terminal, a word in a notebook.

    The list of a notebook has no room for more.
    """
    if on_terminal and completion.doc:
        return f"{completion.kind}: {completion.doc}"
    return completion.kind


def unregister_completer(shell: Shell) -> None:
    """Remove our matcher from the completer of the shell."""
    if not hasattr(shell.Completer, "custom_matchers"):
        return
    shell.Completer.custom_matchers[:] = [
        matcher
        for matcher in shell.Completer.custom_matchers
        if getattr(matcher, "matcher_identifier", "") != MATCHER_ID
    ]


@dataclass(frozen=True, slots=True)
class CellCompletions:
    """Completions that replace the text from `start` to the cursor.

    `is_exclusive` is true where no name of Python can stand.
    """

    completion_items: Sequence[Completion] = ()
    start: int = 0
    is_exclusive: bool = False


def complete_cell(text: str, cursor: int, names: Mapping[str, object]) -> CellCompletions:
    """What may stand at the cursor of a cell; empty in a cell without one of our magics.

    `names` are the variables of the user.

    >>> completions = complete_cell("%%grade df\\ngrader kind -> bo", 28, {})
    >>> [item.text for item in completions.completion_items], completions.is_exclusive
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
    if line is None:
        return CellCompletions(start=cursor)
    return _complete_option_line(line[1], cursor, GRADE_FLAGS, names, "file")


def help_in_cell(text: str, cursor: int) -> str | None:
    """The help on the word at the cursor of a `%%grade` or `%%rmg` cell.

    None in any other cell, and for a word without help.

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
    completions = complete(
        Source.of(text[body:], "cell"), cursor - body, universe(), _cell_columns(cell, names)
    )
    if completions:
        start = completions[0].start + body
    else:
        word = _LAST_NAME.search(text, 0, cursor)
        start = word.start() if word else cursor
    return CellCompletions(completions, start, is_exclusive=True)


# ── the option line ───────────────────────────────────────────────────────────────────────────────

Offers: TypeAlias = list[tuple[str, str, str]]
"""What may be inserted: the text, its kind and its description."""


def _complete_option_line(
    line: str, cursor: int, flags: Flags, names: Mapping[str, object], magic: str
) -> CellCompletions:
    end = parse_partial_line(line, flags)
    if end.data_start is None:
        if end.option == "-":
            offers = _flag_offers(flags, end)
        else:
            offers = _option_value_offers(end.option, names)
        return _matching_completions(offers, end.typed_text, cursor)
    typed = line[end.data_start :]
    options = [] if typed else _flag_offers(flags, end)
    if magic == "file" and " " not in typed:
        return _matching_completions([*_spec_offers(names), *options], typed, cursor)
    expression = typed.partition(" ")[2].lstrip() if magic == "file" else typed
    # Inside of an expression, the completion of Python knows more.
    if expression and not expression.isidentifier():
        return CellCompletions(start=cursor)
    data = [] if magic == "rmg" else _data_offers(names)
    return _matching_completions([*data, *options], expression, cursor)


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
    """The values of an option: for `--model` models in variables, the baseline, and providers."""
    if option != "--model":
        return []
    from rmg_dsl.models import PRESETS, ScriptedModel

    variables = [
        (name, "model", "")
        for name, value in _visible_variables(names)
        if isinstance(value, ScriptedModel)
    ]
    return [
        *variables,
        ("local/lexical", "model", ""),
        *((f"{name}/", "provider", "") for name in PRESETS),
    ]


def _spec_offers(names: Mapping[str, object]) -> Offers:
    """The specs that `%grade` can name: suites in variables, and files near this folder."""
    from rmg_dsl.api import Suite

    suites = [
        (name, "suite", "") for name, value in _visible_variables(names) if isinstance(value, Suite)
    ]
    return [*suites, *((path, "file", "") for path in sorted(glob("*.rmg") + glob("*/*.rmg")))]


def _data_offers(names: Mapping[str, object]) -> Offers:
    """The variables with which the expression for the data can begin: those with rows first."""
    rows: Offers = []
    others: Offers = []
    for name, value in _visible_variables(names):
        columns = columns_of(value)
        if columns is None:
            others.append((name, "variable", ""))
        else:
            rows.append((name, "rows", ", ".join(columns[:6])))
    return [*rows, *others]


def _visible_variables(names: Mapping[str, object]) -> list[tuple[str, object]]:
    # A copy, because another thread may add variables meanwhile.
    return [
        (name, value)
        for name, value in list(names.items())
        if not name.startswith("_") and name not in _SHELL_NAMES
    ]


# ── the columns of the data ───────────────────────────────────────────────────────────────────────


def columns_of(value: object) -> list[str] | None:
    """The names of the columns of some data; None for a value that is no data.

    A lazy frame has None too: its columns are known only after a computation.

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


def _columns_of_frame(frame: object) -> list[str] | None:
    kind = type(frame)
    # A lazy frame of polars would compute its plan to name its columns.
    if hasattr(kind, "collect"):
        return None
    attribute = "column_names" if hasattr(kind, "column_names") else "columns"
    names: Iterable[object] = getattr(frame, attribute)
    return [name for name in names if isinstance(name, str)]


def _cell_columns(cell: re.Match[str], names: Mapping[str, object]) -> list[str] | None:
    """The columns of the data that the line of the magic names.

    Where it names none, as in `%%rmg`, those of the only variable with rows, if there is just one.
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
    """The columns of an expression: of its first variable, of a literal, or of a file.

    The expression is not evaluated, because completion must not run code.
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
