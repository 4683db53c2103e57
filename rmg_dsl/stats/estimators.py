"""What each statistic of columns is made of: how it reads a row, what it leaves out, and its measure over counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rmg_dsl.ir.statistics import KAPPA_WEIGHTS, MEASUREMENT_LEVELS
from rmg_dsl.stats import measures
from rmg_dsl.stats.measures import Measure
from rmg_dsl.stats.ratings import (
    as_rows,
    category_sort_key,
    is_missing_rating,
    label_indexes,
    rating_as_category,
    rating_as_number,
)

Row = Sequence[object]
Cell = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Estimator:
    """A statistic: `read` gives the cell of a row, or None where gaps leave it out; `build` gives the measure."""

    read: Callable[[Row], Cell | None]
    build: Callable[[Sequence[Cell]], Measure]
    labels: Sequence[object] | None = None

    def cell(self, row: Row) -> Cell | None:
        return self.read(label_indexes(row, self.labels) if self.labels is not None else row)


@dataclass(frozen=True, slots=True)
class DistinctRows:
    """The rows that differ, in the order in which they came, and for each row which of them it is."""

    rows: Sequence[Row]
    index: Sequence[int]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> DistinctRows:
        """Rows of categories are few, however many rows there are: what is done with each is done once.

        >>> DistinctRows.of([(1, 2), (1, 1), (1, 2)])
        DistinctRows(rows=((1, 2), (1, 1)), index=[0, 1, 0])
        """
        places: dict[Row, int] = {}
        try:
            index = [places.setdefault(tuple(row), len(places)) for row in rows]
        except TypeError:  # something that is no rating at all: reading it will say so
            return cls(rows, range(len(rows)))
        return cls(tuple(places), index)


@dataclass(frozen=True, slots=True)
class CellTable:
    """The distinct cells in one order whatever order they came in, how often each occurs, and the cell of each row."""

    cells: tuple[Cell, ...]
    counts: tuple[int, ...]
    cell_indexes: Sequence[int | None]

    @property
    def n(self) -> int:
        return sum(self.counts)


def tabulate_cells(recipe: Estimator, rows: DistinctRows) -> CellTable:
    """The rows as the recipe reads them; those that it leaves out have no place."""
    read = [recipe.cell(row) for row in rows.rows]
    cells = tuple(
        sorted(
            {c for c in read if c is not None},
            key=lambda cell: [category_sort_key(value) for value in cell],
        )
    )
    place = {cell: i for i, cell in enumerate(cells)}
    at = [None if cell is None else place[cell] for cell in read]
    places = [at[i] for i in rows.index]
    tally = Counter(places)
    return CellTable(cells, tuple(tally[i] for i in range(len(cells))), places)


def apply_estimator(recipe: Estimator, columns: Sequence[Sequence[object]]) -> float | None:
    """The statistic of whole columns."""
    table = tabulate_cells(recipe, DistinctRows.of(as_rows(columns)))
    return recipe.build(table.cells)(table.counts)


# ── reading a row ────────────────────────────────────────────────────────────────────────────────────────────────


def read_categories(row: Row) -> Cell | None:
    return None if any(map(is_missing_rating, row)) else tuple(map(rating_as_category, row))


def read_numbers(row: Row) -> Cell | None:
    return None if any(map(is_missing_rating, row)) else tuple(map(rating_as_number, row))


def _read_unit(row: Row, read: Callable[[object], Any], least: int) -> Cell | None:
    """The ratings of one unit, in order: who gave which does not count."""
    ratings = sorted(
        (read(value) for value in row if not is_missing_rating(value)), key=category_sort_key
    )
    return tuple(ratings) if len(ratings) >= least else None


# ── the statistics ───────────────────────────────────────────────────────────────────────────────────────────────

Labels = Sequence[object] | None


def accuracy_estimator(labels: Labels = None) -> Estimator:
    return Estimator(read_categories, measures.accuracy_measure, labels)


def kappa_estimator(labels: Labels = None) -> Estimator:
    return Estimator(read_categories, measures.kappa_measure, labels)


def weighted_kappa_estimator(weights: str = "quadratic", labels: Labels = None) -> Estimator:
    _check_statistic_option("weights", weights, KAPPA_WEIGHTS)
    places = None if labels is None else len(labels)
    read = read_numeric_categories if labels is None else read_categories
    return Estimator(
        read, partial(measures.weighted_kappa_measure, weights=weights, places=places), labels
    )


def read_numeric_categories(row: Row) -> Cell | None:
    """Whole numbers: texts have no order of their own."""
    return read_categories(row) if read_numbers(row) else None


def pearson_estimator() -> Estimator:
    return Estimator(read_numbers, measures.pearson_measure)


def spearman_estimator() -> Estimator:
    return Estimator(read_numbers, measures.spearman_measure)


def kendall_estimator() -> Estimator:
    return Estimator(read_numbers, measures.kendall_measure)


def alpha_estimator(level: str = "nominal", labels: Labels = None) -> Estimator:
    _check_statistic_option("level", level, MEASUREMENT_LEVELS)
    read = rating_as_category if level == "nominal" else rating_as_number
    return Estimator(
        partial(_read_unit, read=read, least=2),
        partial(measures.alpha_measure, level=level),
        labels,
    )


def fleiss_estimator(raters: int, labels: Labels = None) -> Estimator:
    return Estimator(
        partial(_read_unit, read=rating_as_category, least=raters), measures.fleiss_measure, labels
    )


def mean_estimator() -> Estimator:
    return Estimator(read_numbers, measures.mean_measure)


def total_estimator() -> Estimator:
    return Estimator(read_numbers, measures.total_measure)


def stdev_estimator() -> Estimator:
    return Estimator(read_numbers, measures.stdev_measure)


def quantile_estimator(q: float) -> Estimator:
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile is asked for a share from 0 to 1, and {q!r} is none")
    return Estimator(read_numbers, partial(measures.quantile_measure, q=q))


def pair_mean_estimator(recipe: Estimator, pairs: Sequence[tuple[int, int]]) -> Estimator:
    """The mean of a statistic of two over pairs. A cell holds for each column whether it is given, and what."""
    two = Estimator(recipe.read, recipe.build)

    def read(row: Row) -> Cell | None:
        given = [not is_missing_rating(value) for value in row]
        if not any(given[i] and given[j] for i, j in pairs):
            return None
        return tuple(
            part
            for there, value in zip(given, row, strict=True)
            for part in (there, value if there else 0)
        )

    def build(cells: Sequence[Cell]) -> Measure:
        tables = [
            tabulate_cells(
                two,
                DistinctRows.of([(_rating_in_cell(c, i), _rating_in_cell(c, j)) for c in cells]),
            )
            for i, j in pairs
        ]
        measures = [recipe.build(table.cells) for table in tables]

        def measure(counts: Sequence[int]) -> float | None:
            found = [
                each(_project_counts(table, counts))
                for each, table in zip(measures, tables, strict=True)
            ]
            defined = [value for value in found if value is not None]
            return math.fsum(defined) / len(defined) if defined else None

        return measure

    return Estimator(read, build, recipe.labels)


def _rating_in_cell(cell: Cell, column: int) -> object:
    return cell[2 * column + 1] if cell[2 * column] else None


def _project_counts(table: CellTable, counts: Sequence[int]) -> list[int]:
    found = [0] * len(table.cells)
    for place, count in zip(table.cell_indexes, counts, strict=True):
        if place is not None:
            found[place] += count
    return found


def _check_statistic_option(what: str, given: str, offered: Sequence[str]) -> None:
    if given not in offered:
        raise ValueError(f"`{what}` is one of {', '.join(offered)}, not {given!r}")
