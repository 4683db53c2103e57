"""A table as plain data: its column names, and a function that starts a walk over its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

# A plain value: None, bool, int, float, str, or a list or dict of plain values. Its type is known
# only at run time: the columns of the data decide it.
Cell: TypeAlias = Any
Row: TypeAlias = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that can be walked any number of times; each walk is a stream of complete rows.

    >>> table = Table(("a",), lambda: iter([{"a": 1}, {"a": None}]), count=2)
    >>> [row["a"] for row in table], table.count
    ([1, None], 2)

    `cells` gives the same rows for the evaluation, where the format does not say which of its cells
    are numbers: see `rmg_dsl.cells`. `count` is the number of rows, or None where it is unknown.
    `origin` is the frame that the rows
    came from, if any: `to_frame` takes its index and dtypes. `name` is for messages.
    """

    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    count: int | None = None
    origin: object = field(default=None, repr=False)
    name: str = "the data"
    cells: Callable[[], Iterator[Row]] | None = field(default=None, repr=False)

    def cell_rows(self) -> Iterator[Row]:
        """The rows as expressions and prompts read them."""
        return self.rows() if self.cells is None else self.cells()

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    def __reduce__(self) -> tuple[type[Table], tuple[object, ...]]:
        # A stream cannot be pickled, and the process that reads the pickle may lack the file: its
        # rows go along.
        rows = list(self)
        return Table, (self.columns, partial(iter, rows), len(rows), self.origin, self.name)


def align_rows(rows: Iterable[Row], columns: tuple[str, ...]) -> Iterator[Row]:
    """Give every row all the columns, in order, with None where it has no value.

    >>> list(align_rows([{"b": 1}], ("a", "b")))
    [{'a': None, 'b': 1}]
    """
    for row in rows:
        if (*row,) == columns:
            yield row
        else:
            yield {name: row.get(name) for name in columns}


def union(rows: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Every column name of the rows, in the order in which the names first appear.

    >>> union([{"a": 1, "c": 2}, {"b": 3, "a": 4}])
    ('a', 'c', 'b')
    """
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return tuple(names)


def repeated_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names that appear more than once, each listed once.

    >>> repeated_names(["a", "b", "a", "a"])
    ('a',)
    """
    earlier: set[str] = set()
    repeated: dict[str, None] = {}
    for name in names:
        if name in earlier:
            repeated.setdefault(name)
        earlier.add(name)
    return tuple(repeated)


def quote_names(names: Iterable[object]) -> str:
    """Join names for a message.

    >>> quote_names(["a", "b"])
    '`a`, `b`'
    """
    return ", ".join(f"`{name}`" for name in names)
