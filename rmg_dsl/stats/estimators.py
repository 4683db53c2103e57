"""What each statistic of columns is made of: how it reads a row, what it leaves out, and its measure over counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rmg_dsl.ir.statistics import LEVELS, WEIGHTS
from rmg_dsl.stats import measures
from rmg_dsl.stats.measures import Measure
from rmg_dsl.stats.ratings import as_rows, category, in_places, is_gap, number, place_in_order

Row = Sequence[object]
Cell = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A statistic: `read` gives the cell of a row, or None where gaps leave it out; `build` gives the measure."""

    read: Callable[[Row], Cell | None]
    build: Callable[[Sequence[Cell]], Measure]
    labels: Sequence[object] | None = None

    def cell(self, row: Row) -> Cell | None:
        return self.read(in_places(row, self.labels) if self.labels is not None else row)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The rows that differ, in the order in which they came, and for each row which of them it is."""

    rows: Sequence[Row]
    index: Sequence[int]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Distinct:
        """Rows of categories are few, however many rows there are: what is done with each is done once.

        >>> Distinct.of([(1, 2), (1, 1), (1, 2)])
        Distinct(rows=((1, 2), (1, 1)), index=[0, 1, 0])
        """
        places: dict[Row, int] = {}
        try:
            index = [places.setdefault(tuple(row), len(places)) for row in rows]
        except TypeError:  # something that is no rating at all: reading it will say so
            return cls(rows, range(len(rows)))
        return cls(tuple(places), index)


@dataclass(frozen=True, slots=True)
class Table:
    """The distinct cells in one order whatever order they came in, how often each occurs, and the cell of each row."""

    cells: tuple[Cell, ...]
    counts: tuple[int, ...]
    places: Sequence[int | None]

    @property
    def n(self) -> int:
        return sum(self.counts)


def tabled(recipe: Recipe, rows: Distinct) -> Table:
    """The rows as the recipe reads them; those that it leaves out have no place."""
    read = [recipe.cell(row) for row in rows.rows]
    cells = tuple(
        sorted(
            {c for c in read if c is not None},
            key=lambda cell: [place_in_order(value) for value in cell],
        )
    )
    place = {cell: i for i, cell in enumerate(cells)}
    at = [None if cell is None else place[cell] for cell in read]
    places = [at[i] for i in rows.index]
    tally = Counter(places)
    return Table(cells, tuple(tally[i] for i in range(len(cells))), places)


def value_of(recipe: Recipe, columns: Sequence[Sequence[object]]) -> float | None:
    """The statistic of whole columns."""
    table = tabled(recipe, Distinct.of(as_rows(columns)))
    return recipe.build(table.cells)(table.counts)


# ── reading a row ────────────────────────────────────────────────────────────────────────────────────────────────


def categories_of_all(row: Row) -> Cell | None:
    return None if any(map(is_gap, row)) else tuple(map(category, row))


def numbers_of_all(row: Row) -> Cell | None:
    return None if any(map(is_gap, row)) else tuple(map(number, row))


def _unit(row: Row, read: Callable[[object], Any], least: int) -> Cell | None:
    """The ratings of one unit, in order: who gave which does not count."""
    ratings = sorted((read(value) for value in row if not is_gap(value)), key=place_in_order)
    return tuple(ratings) if len(ratings) >= least else None


# ── the statistics ───────────────────────────────────────────────────────────────────────────────────────────────

Labels = Sequence[object] | None


def accuracy(labels: Labels = None) -> Recipe:
    return Recipe(categories_of_all, measures.accuracy, labels)


def kappa(labels: Labels = None) -> Recipe:
    return Recipe(categories_of_all, measures.kappa, labels)


def weighted_kappa(weights: str = "quadratic", labels: Labels = None) -> Recipe:
    _one_of("weights", weights, WEIGHTS)
    places = None if labels is None else len(labels)
    read = numbers_in_categories if labels is None else categories_of_all
    return Recipe(read, partial(measures.weighted_kappa, weights=weights, places=places), labels)


def numbers_in_categories(row: Row) -> Cell | None:
    """Whole numbers: texts have no order of their own."""
    return categories_of_all(row) if numbers_of_all(row) else None


def pearson() -> Recipe:
    return Recipe(numbers_of_all, measures.pearson)


def spearman() -> Recipe:
    return Recipe(numbers_of_all, measures.spearman)


def kendall() -> Recipe:
    return Recipe(numbers_of_all, measures.kendall)


def alpha(level: str = "nominal", labels: Labels = None) -> Recipe:
    _one_of("level", level, LEVELS)
    read = category if level == "nominal" else number
    return Recipe(partial(_unit, read=read, least=2), partial(measures.alpha, level=level), labels)


def fleiss(raters: int, labels: Labels = None) -> Recipe:
    return Recipe(partial(_unit, read=category, least=raters), measures.fleiss, labels)


def mean() -> Recipe:
    return Recipe(numbers_of_all, measures.mean)


def total() -> Recipe:
    return Recipe(numbers_of_all, measures.total)


def stdev() -> Recipe:
    return Recipe(numbers_of_all, measures.stdev)


def quantile(q: float) -> Recipe:
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile is asked for a share from 0 to 1, and {q!r} is none")
    return Recipe(numbers_of_all, partial(measures.quantile, q=q))


def mean_of_pairs(recipe: Recipe, pairs: Sequence[tuple[int, int]]) -> Recipe:
    """The mean of a statistic of two over pairs. A cell holds for each column whether it is given, and what."""
    two = Recipe(recipe.read, recipe.build)

    def read(row: Row) -> Cell | None:
        given = [not is_gap(value) for value in row]
        if not any(given[i] and given[j] for i, j in pairs):
            return None
        return tuple(
            part
            for there, value in zip(given, row, strict=True)
            for part in (there, value if there else 0)
        )

    def build(cells: Sequence[Cell]) -> Measure:
        tables = [
            tabled(two, Distinct.of([(_given(c, i), _given(c, j)) for c in cells]))
            for i, j in pairs
        ]
        measures = [recipe.build(table.cells) for table in tables]

        def measure(counts: Sequence[int]) -> float | None:
            found = [
                each(_counts_in(table, counts))
                for each, table in zip(measures, tables, strict=True)
            ]
            defined = [value for value in found if value is not None]
            return math.fsum(defined) / len(defined) if defined else None

        return measure

    return Recipe(read, build, recipe.labels)


def _given(cell: Cell, column: int) -> object:
    return cell[2 * column + 1] if cell[2 * column] else None


def _counts_in(table: Table, counts: Sequence[int]) -> list[int]:
    found = [0] * len(table.cells)
    for place, count in zip(table.places, counts, strict=True):
        if place is not None:
            found[place] += count
    return found


def _one_of(what: str, given: str, offered: Sequence[str]) -> None:
    if given not in offered:
        raise ValueError(f"`{what}` is one of {', '.join(offered)}, not {given!r}")
