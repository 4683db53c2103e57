"""Rows as cells, and cells with counts: the form in which every statistic is computed.

An estimator reads each row as a cell, or leaves the row out. Equal cells are counted once. A
measure takes the count of each cell and gives the value of the statistic, so that the value of the
data and the values of all its resamples come from the same lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rmg_dsl.stats.ratings import (
    Category,
    as_rows,
    category_sort_key,
    is_missing_rating,
    label_indexes,
    rating_as_category,
    rating_as_number,
)

Row = Sequence[object]
Cell = tuple[Any, ...]  # the estimator decides: numbers, categories, or places of labels
Counts = Sequence[int]
Labels = Sequence[object] | None
Measure = Callable[[Counts], float | None]
Group = tuple[int, ...]  # the cells of the rows that are left out, or drawn, together
Options = Mapping[str, Any]  # each statistic knows the types of its own


@dataclass(frozen=True, slots=True)
class Estimator:
    """How a statistic reads a row, and how it builds its measure over cells.

    `read` gives the cell of a row, or None where the row is left out. With `labels`, the labels of
    a scale in order, `read` sees the place of each rating among the labels.
    """

    read: Callable[[Row], Cell | None]
    build: Callable[[Sequence[Cell]], Measure]
    labels: Labels = None

    def cell(self, row: Row) -> Cell | None:
        """The cell of a row; None where the row is left out."""
        if self.labels is None:
            return self.read(row)
        return self.read(label_indexes(row, self.labels))


@dataclass(frozen=True, slots=True)
class DistinctRows:
    """The rows that differ, in the order of their first occurrence, and the index of each row."""

    rows: Sequence[Row]
    index: Sequence[int]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> DistinctRows:
        """Group equal rows, so that each distinct row is read once.

        >>> DistinctRows.of([(1, 2), (1, 1), (1, 2)])
        DistinctRows(rows=((1, 2), (1, 1)), index=[0, 1, 0])
        """
        places: dict[Row, int] = {}
        try:
            # A new row gets the next free place, an equal one the place of the first.
            index = [places.setdefault(tuple(row), len(places)) for row in rows]
        except TypeError:
            # A value without a hash is no rating; the estimator reports it when it reads the row.
            return cls(rows, range(len(rows)))
        return cls(tuple(places), index)


@dataclass(frozen=True, slots=True)
class CellTable:
    """The distinct cells in a fixed order, the count of each, and the cell index of each row.

    The order does not depend on the order of the rows. The index of a row that is left out is None.
    """

    cells: tuple[Cell, ...]
    counts: tuple[int, ...]
    cell_indexes: Sequence[int | None]

    @property
    def n(self) -> int:
        """The number of rows that the statistic rests on."""
        return sum(self.counts)


class Sample(NamedTuple):
    """A statistic applied to rows: its options, their cells, its measure and its value."""

    options: Options
    table: CellTable
    build_measure: Callable[[Sequence[Cell]], Measure]
    measure: Measure
    value: float | None


def tabulate_cells(estimator: Estimator, rows: DistinctRows) -> CellTable:
    """Count the cells of the rows."""
    row_cells = [estimator.cell(row) for row in rows.rows]
    distinct = {cell for cell in row_cells if cell is not None}
    # A fixed order: sums of floats, and resamples, then do not depend on the order of the rows.
    cells = tuple(sorted(distinct, key=_cell_sort_key))
    place: dict[Cell | None, int] = {cell: i for i, cell in enumerate(cells)}
    distinct_indexes = [place.get(cell) for cell in row_cells]
    cell_indexes = [distinct_indexes[i] for i in rows.index]
    tally = Counter(cell_indexes)
    # The rows that are left out are counted under None, which is the place of no cell.
    counts = tuple(tally[i] for i in range(len(cells)))
    return CellTable(cells, counts, cell_indexes)


def _cell_sort_key(cell: Cell) -> list[tuple[bool, Category | float]]:
    return [category_sort_key(value) for value in cell]


def apply_estimator(estimator: Estimator, columns: Sequence[Sequence[object]]) -> float | None:
    """The statistic of whole columns."""
    table = tabulate_cells(estimator, DistinctRows.of(as_rows(columns)))
    measure = estimator.build(table.cells)
    return measure(table.counts)


# ── reading a row ────────────────────────────────────────────────────────────────────────────────


def read_categories(row: Row) -> Cell | None:
    """Every rating as a category; None where one is missing."""
    if any(map(is_missing_rating, row)):
        return None
    return tuple(map(rating_as_category, row))


def read_numbers(row: Row) -> Cell | None:
    """Every rating as a number; None where one is missing."""
    if any(map(is_missing_rating, row)):
        return None
    return tuple(map(rating_as_number, row))


def read_numeric_categories(row: Row) -> Cell | None:
    """Every rating as a whole number: texts have no order of their own."""
    if read_numbers(row) is None:
        return None
    return read_categories(row)


def sort_cell(values: Iterable[Category | float]) -> Cell:
    """The ratings of one unit in a fixed order: it does not matter which rater gave which."""
    return tuple(sorted(values, key=category_sort_key))
