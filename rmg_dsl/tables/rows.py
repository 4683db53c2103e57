"""A table as plain data: the names of its columns, and a way to walk its rows as often as wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that can be walked again and again; each walk is a stream, and each row has every column.

    >>> table = Table(("a",), lambda: iter([{"a": 1}, {"a": None}]), count=2)
    >>> [row["a"] for row in table], table.count
    ([1, None], 2)

    `count` is the number of rows, or None where it is not known; `origin` is the pandas frame that the rows came
    from, if any, so that `to_frame` can keep its index and dtypes; `name` is for messages.
    """

    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    count: int | None = None
    origin: object = field(default=None, repr=False)
    name: str = "the data"

    def __iter__(self) -> Iterator[Row]:
        return self.rows()


def union(rows: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Every name in the order in which it is first seen.

    >>> union([{"a": 1, "c": 2}, {"b": 3, "a": 4}])
    ('a', 'c', 'b')
    """
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row))
    return tuple(seen)


def repeated_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names that stand more than once, each named once.

    >>> repeated_names(["a", "b", "a", "a"])
    ('a',)
    """
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice.setdefault(name)
        seen.add(name)
    return tuple(twice)


def quote_names(names: Iterable[object]) -> str:
    """Names for a message.

    >>> quote_names(["a", "b"])
    '`a`, `b`'
    """
    return ", ".join(f"`{name}`" for name in names)
