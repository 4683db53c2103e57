"""Declarations that would write the same output column, found in the table of output columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rmg_dsl.diagnostics import Span
from rmg_dsl.ir.columns import possible_columns
from rmg_dsl.ir.suite import Output


@dataclass(frozen=True, slots=True)
class ColumnClash:
    """A declaration that writes a column of another one, as it is reported."""

    message: str
    help: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Writer:
    """An output as the writer of a column; `owner` is the declaration, in words."""

    output: Output
    owner: str

    @property
    def is_loop(self) -> bool:
        return self.output.kind in ("refine", "refined")


def column_clashes(outputs: Iterable[Output]) -> Iterator[ColumnClash]:
    """Each pair of declarations that could write the same column, once.

    All columns count that declarations of these kinds can write, also those that one declaration
    does not write today: `samples = 3` must not make another declaration invalid.
    """
    writers_by_column: dict[str, list[_Writer]] = {}
    for writer in _writers(list(outputs)):
        for column in possible_columns(writer.output.kind):
            name = column.name_for(writer.output.name)
            writers_by_column.setdefault(name, []).append(writer)
    reported: set[tuple[str, str]] = set()
    for name, writers in writers_by_column.items():
        for guilty, owner in _clashing_pairs(name, writers):
            if (guilty.owner, owner.owner) not in reported:
                reported.add((guilty.owner, owner.owner))
                yield _clash(name, guilty, owner, writers_by_column)


def _writers(outputs: list[Output]) -> list[_Writer]:
    """All outputs with their declarations: a loop and its scores are one declaration."""
    fields = {output.span: output.name for output in outputs if output.kind == "refine"}
    return [_Writer(output, _owner_text(output, fields)) for output in outputs]


def _owner_text(output: Output, fields: Mapping[Span, str]) -> str:
    if output.kind in ("refine", "refined"):
        return f"refine `{fields[output.span]}`"
    return f"`{output.name}`"


def _clashing_pairs(column: str, writers: list[_Writer]) -> Iterator[tuple[_Writer, _Writer]]:
    """The writer to blame and each other one: a declaration of that name first, else the last."""
    named = [w for w in writers if w.output.name == column and not w.is_loop]
    guilty = named[0] if named else writers[-1]
    for other in writers:
        if other is not guilty and not _is_same_score(guilty, other):
            yield guilty, other


def _is_same_score(one: _Writer, other: _Writer) -> bool:
    """Is it one grader that is both `by` and `holdout` of a loop? Both columns hold one score."""
    return one.is_loop and other.is_loop and one.output.scoring == other.output.scoring


def _clash(
    column: str, guilty: _Writer, owner: _Writer, writers_by_column: Mapping[str, list[_Writer]]
) -> ColumnClash:
    if guilty.is_loop:
        message = f"`{column}` of {guilty.owner} is also a column of {owner.owner}"
        help = "name another grader there: an aggregate that is only another name will do"
        return ColumnClash(message, help, guilty.output.span)
    written = _certain_columns(owner, writers_by_column)
    return ColumnClash(
        f"`{column}` is also a column of {owner.owner}",
        f"{owner.owner} also writes {_join_names(written)}; choose another name",
        guilty.output.span,
    )


def _certain_columns(owner: _Writer, writers_by_column: Mapping[str, list[_Writer]]) -> list[str]:
    """The columns that a declaration always writes beside its score; of a loop all of them."""
    if not owner.is_loop:
        columns = possible_columns(owner.output.kind)
        names = [c.name_for(owner.output.name) for c in columns if c.is_certain]
        return [name for name in names if name != owner.output.name]
    return [
        name
        for name, writers in writers_by_column.items()
        if any(writer.owner == owner.owner for writer in writers)
    ]


def _join_names(names: list[str]) -> str:
    """Column names in a sentence: `a`, `b` and `c`."""
    *first, last = (f"`{name}`" for name in names)
    if not first:
        return last
    return f"{', '.join(first)} and {last}"
