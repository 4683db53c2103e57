"""The mean of a statistic over several pairs of columns, with one interval for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from rmg_dsl.stats.cells import (
    Cell,
    CellTable,
    Counts,
    DistinctRows,
    Estimator,
    Measure,
    Row,
    tabulate_cells,
)
from rmg_dsl.stats.definition import ColumnStatistic
from rmg_dsl.stats.ratings import is_missing_rating

ColumnPairs = Sequence[tuple[int, int]]


class MeanOfPairs(NamedTuple):
    """The mean of a statistic over pairs of columns; a pair where it is undefined is left out."""

    statistic: ColumnStatistic
    pairs: tuple[tuple[int, int], ...]


def pair_mean_estimator(estimator: Estimator, pairs: ColumnPairs) -> Estimator:
    """The estimator of a mean over pairs, given that of the statistic of two columns.

    A cell holds two values for each column: whether the rating is there, and the rating or 0.
    """
    # Without labels: the outer estimator has already replaced the ratings by places.
    two_columns = Estimator(estimator.read, estimator.build)

    def read(row: Row) -> Cell | None:
        present = [not is_missing_rating(value) for value in row]
        # A row that no pair can use is left out, and does not count in n.
        if not any(present[i] and present[j] for i, j in pairs):
            return None
        cell: list[object] = []
        for is_present, value in zip(present, row, strict=True):
            # Cells are sorted, and a gap has no order: 0 stands in its place.
            cell += (is_present, value if is_present else 0)
        return tuple(cell)

    def build(cells: Sequence[Cell]) -> Measure:
        # One table for each pair, made once: a resample only projects its counts.
        tables = [_pair_table(two_columns, cells, i, j) for i, j in pairs]
        measures = [estimator.build(table.cells) for table in tables]

        def measure(counts: Counts) -> float | None:
            values = [
                pair_measure(_project_counts(table, counts))
                for pair_measure, table in zip(measures, tables, strict=True)
            ]
            defined = [value for value in values if value is not None]
            if not defined:
                return None
            return math.fsum(defined) / len(defined)

        return measure

    return Estimator(read, build, estimator.labels)


def _pair_table(estimator: Estimator, cells: Sequence[Cell], i: int, j: int) -> CellTable:
    """The cells of two columns, with the index of each cell of all columns among them."""
    firsts = [_rating_in_cell(cell, i) for cell in cells]
    seconds = [_rating_in_cell(cell, j) for cell in cells]
    rows = list(zip(firsts, seconds, strict=True))
    return tabulate_cells(estimator, DistinctRows.of(rows))


def _rating_in_cell(cell: Cell, column: int) -> object:
    start = 2 * column
    is_present, rating = cell[start : start + 2]
    return rating if is_present else None


def _project_counts(table: CellTable, counts: Counts) -> list[int]:
    """The counts of the cells of two columns, from those of the cells of all columns."""
    projected = [0] * len(table.cells)
    for place, count in zip(table.cell_indexes, counts, strict=True):
        if place is not None:
            projected[place] += count
    return projected
