"""What each statistic of columns is made of: how it reads a row, what it leaves out, and its measure over counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rmg_dsl.report import counted
from rmg_dsl.report.counted import Measure
from rmg_dsl.report.ratings import as_rows, category, in_places, is_gap, number, place_in_order

Row = Sequence[object]
Cell = tuple[Any, ...]

WEIGHTS = ("quadratic", "linear")
LEVELS = ("nominal", "ordinal", "interval", "ratio")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A statistic: `read` gives the cell of a row, or None where gaps leave it out; `build` gives the measure."""

    read: Callable[[Row], Cell | None]
    build: Callable[[Sequence[Cell]], Measure]
    labels: Sequence[object] | None = None

    def cell(self, row: Row) -> Cell | None:
        return self.read(in_places(row, self.labels) if self.labels is not None else row)


@dataclass(frozen=True, slots=True)
class Table:
    """The distinct rows in one order whatever order they came in, how often each occurs, and the cell of each row."""

    cells: tuple[Cell, ...]
    counts: tuple[int, ...]
    places: tuple[int | None, ...]

    @property
    def n(self) -> int:
        return sum(self.counts)


def tabled(recipe: Recipe, rows: Sequence[Row]) -> Table:
    """The rows as the recipe reads them; those that it leaves out have no place."""
    read = [recipe.cell(row) for row in rows]
    tally = Counter(cell for cell in read if cell is not None)
    cells = tuple(sorted(tally, key=lambda cell: [place_in_order(value) for value in cell]))
    place = {cell: i for i, cell in enumerate(cells)}
    return Table(cells, tuple(tally[cell] for cell in cells), tuple(None if c is None else place[c] for c in read))


def value_of(recipe: Recipe, columns: Sequence[Sequence[object]]) -> float | None:
    """The statistic of whole columns."""
    table = tabled(recipe, as_rows(columns))
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
    return Recipe(categories_of_all, counted.accuracy, labels)


def kappa(labels: Labels = None) -> Recipe:
    return Recipe(categories_of_all, counted.kappa, labels)


def weighted_kappa(weights: str = "quadratic", labels: Labels = None) -> Recipe:
    _one_of("weights", weights, WEIGHTS)
    places = None if labels is None else len(labels)
    read = numbers_in_categories if labels is None else categories_of_all
    return Recipe(read, partial(counted.weighted_kappa, weights=weights, places=places), labels)


def numbers_in_categories(row: Row) -> Cell | None:
    """Whole numbers: texts have no order of their own."""
    return categories_of_all(row) if numbers_of_all(row) else None


def pearson() -> Recipe:
    return Recipe(numbers_of_all, counted.pearson)


def spearman() -> Recipe:
    return Recipe(numbers_of_all, counted.spearman)


def kendall() -> Recipe:
    return Recipe(numbers_of_all, counted.kendall)


def alpha(level: str = "nominal", labels: Labels = None) -> Recipe:
    _one_of("level", level, LEVELS)
    read = category if level == "nominal" else number
    return Recipe(partial(_unit, read=read, least=2), partial(counted.alpha, level=level), labels)


def fleiss(raters: int, labels: Labels = None) -> Recipe:
    return Recipe(partial(_unit, read=category, least=raters), counted.fleiss, labels)


def mean() -> Recipe:
    return Recipe(numbers_of_all, counted.mean)


def total() -> Recipe:
    return Recipe(numbers_of_all, counted.total)


def stdev() -> Recipe:
    return Recipe(numbers_of_all, counted.stdev)


def quantile(q: float) -> Recipe:
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile is asked for a share from 0 to 1, and {q!r} is none")
    return Recipe(numbers_of_all, partial(counted.quantile, q=q))


def _one_of(what: str, given: str, offered: Sequence[str]) -> None:
    if given not in offered:
        raise ValueError(f"`{what}` is one of {', '.join(offered)}, not {given!r}")
