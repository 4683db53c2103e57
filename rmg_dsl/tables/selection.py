"""Some of the rows: the first ones, or a sample that anybody can draw again."""

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
    """
    if limit is None or (table.count is not None and 0 <= table.count <= limit):
        return table
    if limit < 0:
        raise UsageError(f"limit = {limit}: a number of rows is 0 or more")
    origin = take_rows(table.origin, range(min(limit, table.count or 0)))
    count = None if table.count is None else limit
    return Table(table.columns, lambda: islice(table.rows(), limit), count, origin, table.name)


def sample_rows(table: Table, n: int | None, seed: int) -> Table:
    """`n` rows drawn uniformly without repeats, in the order of the input; the same seed draws the same rows.

    >>> table = Table(("a",), lambda: iter([{"a": place} for place in range(100)]), count=100)
    >>> [row["a"] for row in sample_rows(table, 3, seed=0)]
    [49, 53, 97]

    None, or more rows than there are, means all of them. Where the number of rows is not known a first walk counts
    them; memory grows with `n` only.
    """
    if n is None:
        return table
    if n < 0:
        raise UsageError(f"sample = {n}: a number of rows is 0 or more")
    count = sum(1 for _ in table.rows()) if table.count is None else table.count
    if n >= count:
        return table
    places = sorted(random.Random(seed).sample(range(count), n))
    return Table(
        table.columns,
        lambda: _rows_at(table, places),
        n,
        take_rows(table.origin, places),
        table.name,
    )


def _rows_at(table: Table, places: list[int]) -> Iterator[Row]:
    wanted = frozenset(places)
    # Not beyond the last one: the rest of a long file need not be read.
    walk = islice(enumerate(table.rows()), places[-1] + 1 if places else 0)
    return (row for place, row in walk if place in wanted)
