"""How far two raters or more agree: Krippendorff's alpha and Fleiss' kappa.

Ratings, gaps and `labels` are those of `agreement`. A cell holds the ratings of one unit in a fixed
order: it does not matter which rater gave which.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from operator import mul

from rmg_dsl.ir.statistics import MEASUREMENT_LEVELS, MeasurementLevel
from rmg_dsl.stats.cells import (
    Cell,
    CellTable,
    Counts,
    Estimator,
    Labels,
    Measure,
    Options,
    Row,
    apply_estimator,
    sort_cell,
)
from rmg_dsl.stats.definition import (
    StatisticDefinition,
    TableEntry,
    check_option_word,
    same_verdicts_reason,
)
from rmg_dsl.stats.jackknife import agreement_interval
from rmg_dsl.stats.ratings import (
    Category,
    Ratings,
    is_missing_rating,
    rating_as_category,
    rating_as_number,
)
from rmg_dsl.stats.scaling import is_constant, midranks_by_place, rescale_to_unit

_MAX_CHANGED_TOTALS = 16  # more changes cost more than computing all distances again

Unit = Sequence[int]  # the ratings of a unit, as places among the distinct values


def alpha(
    *raters: Ratings, level: MeasurementLevel = "nominal", labels: Labels = None
) -> float | None:
    """Krippendorff's alpha: the agreement of raters who may each have rated only some of the units.

    >>> round(alpha([1, 2, 3, None], [1, 2, 4, 4], [None, 2, 3, 4]), 3)
    0.757

    `level` says how a difference counts: all alike (nominal), by ranks (ordinal), by values
    (interval), by values over their sum (ratio). At most 1; 0 is chance; below 0 is worse. Units
    with fewer than two ratings are left out. None for fewer than two units, where all ratings are
    the same, and for values below 0 on `ratio`. Without `labels` texts are for `nominal` only; with
    them the places of the labels are the values. Raises ValueError for fewer than two raters.
    Krippendorff, "Computing Krippendorff's alpha-reliability" (2011).
    """
    _check_two_raters(raters)
    return apply_estimator(alpha_estimator(level, labels), raters)


def fleiss(*raters: Ratings, labels: Labels = None) -> float | None:
    """Fleiss' kappa: the agreement of raters in categories, where the raters may differ by unit.

    >>> fleiss([1, 2, 2], [1, 2, 1], [1, 2, None])
    1.0

    At most 1; 0 is chance. Units with a gap are left out: `alpha` uses them. None for fewer than
    two units and where all ratings are the same. For two raters it is Scott's pi, not `kappa`.
    Fewer than two raters are a ValueError. Fleiss, "Measuring nominal scale agreement among many
    raters" (1971).
    """
    _check_two_raters(raters)
    return apply_estimator(fleiss_estimator(labels), raters)


def _check_two_raters(raters: Sequence[Ratings]) -> None:
    if len(raters) < 2:
        raise ValueError("agreement is between two raters or more")


def alpha_estimator(level: MeasurementLevel = "nominal", labels: Labels = None) -> Estimator:
    """The estimator of `alpha`."""
    check_option_word("level", level, MEASUREMENT_LEVELS)
    read = _read_two_categories if level == "nominal" else _read_two_numbers
    return Estimator(read, _ALPHA_MEASURES[level], labels)


def fleiss_estimator(labels: Labels = None) -> Estimator:
    """The estimator of `fleiss`."""
    return Estimator(_read_all_categories, _fleiss_measure, labels)


def _read_two_categories(row: Row) -> Cell | None:
    return _read_unit(row, rating_as_category, 2)


def _read_two_numbers(row: Row) -> Cell | None:
    return _read_unit(row, rating_as_number, 2)


def _read_all_categories(row: Row) -> Cell | None:
    return _read_unit(row, rating_as_category, len(row))


def _read_unit(
    row: Row, read: Callable[[object], Category | float], min_ratings: int
) -> Cell | None:
    ratings = [read(value) for value in row if not is_missing_rating(value)]
    if len(ratings) < min_ratings:
        return None
    return sort_cell(ratings)


# ── Fleiss' kappa ────────────────────────────────────────────────────────────────────────────────


def _fleiss_measure(cells: Sequence[Cell]) -> Measure:
    """In whole numbers up to the last divisions."""
    # Every unit has a rating of every rater: the others were left out.
    raters = len(cells[0]) if cells else 0
    tallies = [Counter(cell) for cell in cells]
    # The ordered pairs of raters that agree on a unit.
    agreeing = [_square_sum(tally) - raters for tally in tallies]

    def measure(counts: Counts) -> float | None:
        n = raters * sum(counts)
        chance = _square_sum(_category_counts(tallies, counts))
        if n < 2 * raters or chance == n * n:
            return None
        # The whole numbers are divided last, so that equal agreements are equal floats.
        agreed: int = sum(map(mul, counts, agreeing))
        observed = n * agreed / (raters - 1)
        return (observed - chance) / (n * n - chance)

    return measure


def _square_sum(totals: dict[Category, int]) -> int:
    return sum(c * c for c in totals.values())


def _category_counts(tallies: Sequence[Counter[Category]], counts: Counts) -> dict[Category, int]:
    """How often each category occurs in all units."""
    totals: dict[Category, int] = {}
    for tally, c in zip(tallies, counts, strict=True):
        for value, times in tally.items():
            totals[value] = totals.get(value, 0) + c * times
    return totals


# ── Krippendorff's alpha ─────────────────────────────────────────────────────────────────────────


def _nominal_alpha_measure(cells: Sequence[Cell]) -> Measure:
    tallies = [Counter(cell) for cell in cells]
    # A common multiple keeps the shares of units with fewer raters whole numbers.
    multiple = math.lcm(*(len(cell) - 1 for cell in cells))
    differing = [_differing_pairs(tally, multiple) for tally in tallies]

    def measure(counts: Counts) -> float | None:
        totals = _category_counts(tallies, counts)
        n = sum(totals.values())
        expected = multiple * (n * n - _square_sum(totals))
        different: int = sum(map(mul, counts, differing))
        observed = (n - 1) * different
        if sum(counts) < 2 or not expected:
            return None
        return (expected - observed) / expected

    return measure


def _differing_pairs(tally: Counter[Category], multiple: int) -> int:
    """The pairs of ratings of a unit that differ, over its ratings less one, times a multiple."""
    ratings = tally.total()
    pairs = ratings**2 - _square_sum(tally)
    return pairs * multiple // (ratings - 1)


def _ordinal_alpha_measure(cells: Sequence[Cell]) -> Measure:
    """The ordinal metric is the squared distance of mean ranks: interval alpha of the ranks."""
    union, units = _index_units(cells)

    def measure(counts: Counts) -> float | None:
        totals = _value_counts(units, counts, len(union))
        return _alpha_from_scores(units, midranks_by_place(totals), totals, counts)

    return measure


def _interval_alpha_measure(cells: Sequence[Cell]) -> Measure:
    union, units = _index_units(cells)
    # Alpha does not change with the unit of the scale; 0..1 avoids overflow.
    scores = rescale_to_unit(union)

    def measure(counts: Counts) -> float | None:
        totals = _value_counts(units, counts, len(union))
        return _alpha_from_scores(units, scores, totals, counts)

    return measure


def _alpha_from_scores(
    units: Sequence[Unit], scores: Sequence[float], totals: Counts, counts: Counts
) -> float | None:
    """Alpha with squared distances of scores, given how often each score and each unit occurs."""
    if sum(counts) < 2 or is_constant(scores, totals):
        return None
    n = sum(totals)
    # Squared distances of all pairs are twice the count times the squares from the mean.
    middle = math.fsum(map(mul, totals, scores)) / n
    squares = [(score - middle) ** 2 for score in scores]
    expected = 2 * n * math.fsum(map(mul, totals, squares))
    observed = math.fsum(
        c * _unit_disagreement([scores[i] for i in unit])
        for unit, c in zip(units, counts, strict=True)
        if c
    )
    return 1 - (n - 1) * observed / expected


def _unit_disagreement(scores: Sequence[float]) -> float:
    """The squared distances of all ordered pairs of a unit, over its number of ratings less one."""
    m = len(scores)
    middle = math.fsum(scores) / m
    squares = math.fsum((score - middle) ** 2 for score in scores)
    return 2 * m * squares / (m - 1)


def _ratio_alpha_measure(cells: Sequence[Cell]) -> Measure:
    union, units = _index_units(cells)
    # The ratio metric divides by the sum of two values: it has no meaning below 0.
    if union and min(union) < 0:
        return lambda _: None
    differing = [_unit_ratio_disagreement([union[i] for i in unit]) for unit in units]
    # The totals of the first call and their distances: later calls differ from them by few rows.
    first: list[tuple[list[int], list[float]]] = []

    def measure(counts: Counts) -> float | None:
        totals = _value_counts(units, counts, len(union))
        if not first:
            first.append((totals, _ratio_distances(union, totals)))
        expected = _expected_ratio_disagreement(union, totals, *first[0])
        n = sum(totals)
        observed = (n - 1) * math.fsum(map(mul, counts, differing))
        if sum(counts) < 2 or not expected:
            return None
        return 1.0 - observed / expected

    return measure


def _unit_ratio_disagreement(values: Sequence[float]) -> float:
    distances = math.fsum(_ratio_distance(a, b) for a in values for b in values)
    return distances / (len(values) - 1)


def _ratio_distance(a: float, b: float) -> float:
    # Two zeros have no ratio, and are equal.
    if a == b:
        return 0.0
    return ((a - b) / (a + b)) ** 2


def _ratio_distances(union: Sequence[float], totals: Counts) -> list[float]:
    """The distances of each value from all values that occur."""
    present = [(value, c) for value, c in zip(union, totals, strict=True) if c]
    return [math.fsum(c * _ratio_distance(a, b) for b, c in present) for a in union]


def _expected_ratio_disagreement(
    union: Sequence[float], totals: Counts, before: Counts, sums: Sequence[float]
) -> float:
    """The distances of all pairs.

    `sums` are the distances of each value for the totals `before`. Where the totals differ in a few
    values only, as in a jackknife, these are corrected; that takes linear time instead of
    quadratic.
    """
    changes = [now - was for now, was in zip(totals, before, strict=True)]
    moved = [(i, change) for i, change in enumerate(changes) if change]
    # A bootstrap sample changes most totals; then the correction saves nothing.
    if len(moved) > _MAX_CHANGED_TOTALS:
        distances = _ratio_distances(union, totals)
        return math.fsum(map(mul, totals, distances))
    # The sum for t + d is that for t, plus twice the cross terms, plus the terms of d alone.
    unchanged = map(mul, before, sums)
    crossed = (2 * c * sums[i] for i, c in moved)
    among = (c * d * _ratio_distance(union[i], union[j]) for i, c in moved for j, d in moved)
    return math.fsum([*unchanged, *crossed, *among])


def _index_units(cells: Sequence[Cell]) -> tuple[list[float], list[Unit]]:
    """The distinct values in order, and each unit as places among them."""
    union = sorted({value for cell in cells for value in cell})
    place = {value: i for i, value in enumerate(union)}
    units: list[Unit] = [[place[value] for value in cell] for cell in cells]
    return union, units


def _value_counts(units: Sequence[Unit], counts: Counts, size: int) -> list[int]:
    """How often each value occurs in all units."""
    totals = [0] * size
    for unit, c in zip(units, counts, strict=True):
        for i in unit:
            totals[i] += c
    return totals


_ALPHA_MEASURES: dict[MeasurementLevel, Callable[[Sequence[Cell]], Measure]] = {
    "nominal": _nominal_alpha_measure,
    "ordinal": _ordinal_alpha_measure,
    "interval": _interval_alpha_measure,
    "ratio": _ratio_alpha_measure,
}


# ── definitions ──────────────────────────────────────────────────────────────────────────────────


def _alpha_undefined_reason(table: CellTable, options: Options) -> str:
    values = (value for cell in table.cells for value in cell)
    if options.get("level") == "ratio" and any(value < 0 for value in values):
        return "a ratio scale has no values below 0"
    return same_verdicts_reason(table, options)


STATISTICS = (
    StatisticDefinition(
        "alpha",
        alpha,
        alpha_estimator,
        interval=agreement_interval,
        undefined_reason=_alpha_undefined_reason,
        table_entries=(
            TableEntry("alpha_nominal", "category", "all", {"level": "nominal"}),
            TableEntry("alpha_ordinal", "order", "all", {"level": "ordinal"}),
            TableEntry("alpha_interval", "number", "all", {"level": "interval"}),
            TableEntry("alpha_ratio", "ratio", "all", {"level": "ratio"}),
        ),
    ),
    StatisticDefinition(
        "fleiss",
        fleiss,
        fleiss_estimator,
        interval=agreement_interval,
        table_entries=(TableEntry("fleiss", "category", "all"),),
    ),
)
