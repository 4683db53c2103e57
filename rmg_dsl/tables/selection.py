"""Some of the rows of a table: the first ones, or a sample that a seed reproduces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

from rmg_dsl.errors import UsageError
from rmg_dsl.tables.other_frames import take_rows
from rmg_dsl.tables.rows import Row, Table


def limit_rows(table: Table, limit: int | None) -> Table:
    """The first `limit` rows; None means all of them.

    >>> table = limit_rows(Table(("a",), lambda: iter([{"a": 1}, {"a": 2}]), count=2), 1)
    >>> list(table), table.count
    ([{'a': 1}], 1)

    A negative limit raises `UsageError`.
    """
    if limit is None or (table.count is not None and 0 <= table.count <= limit):
        return table
    if limit < 0:
        raise UsageError(f"limit = {limit}: a number of rows is 0 or more")
    origin = take_rows(table.origin, range(min(limit, table.count or 0)))
    count = None if table.count is None else limit

    def first_rows() -> Iterator[Row]:
        return islice(table.rows(), limit)

    def first_cells() -> Iterator[Row]:
        return islice(table.cell_rows(), limit)

    return Table(table.columns, first_rows, count, origin, table.name, first_cells)


def sample_rows(table: Table, n: int | None, seed: int) -> Table:
    """`n` rows drawn uniformly without replacement, in the order of the input.

    >>> rows = [{"a": place} for place in range(100)]
    >>> table = Table(("a",), lambda: iter(rows), count=100)
    >>> [row["a"] for row in sample_rows(table, 3, seed=0)]
    [49, 53, 97]

    The same seed draws the same rows. None, or more rows than the table has, means all of them.
    Where the number of rows is unknown, a first walk counts them. Memory grows with `n` only. A
    negative number raises `UsageError`.
    """
    if n is None:
        return table
    if n < 0:
        raise UsageError(f"sample = {n}: a number of rows is 0 or more")
    count = _count_rows(table)
    if n >= count:
        return table
    places = sorted(random.Random(seed).sample(range(count), n))
    origin = take_rows(table.origin, places)

    def sampled_rows() -> Iterator[Row]:
        return _rows_at(table.rows(), places)

    def sampled_cells() -> Iterator[Row]:
        return _rows_at(table.cell_rows(), places)

    return Table(table.columns, sampled_rows, n, origin, table.name, sampled_cells)


def _count_rows(table: Table) -> int:
    if table.count is not None:
        return table.count
    return sum(1 for _ in table.rows())


def _rows_at(all_rows: Iterator[Row], places: list[int]) -> Iterator[Row]:
    chosen = frozenset(places)
    # Stop after the last one: the rest of a long file need not be read.
    end = places[-1] + 1 if places else 0
    rows = islice(enumerate(all_rows), end)
    return (row for place, row in rows if place in chosen)
