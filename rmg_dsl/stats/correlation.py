"""Correlations: whether two columns of numbers rise together, whatever their scales are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import mul

from rmg_dsl.stats.cells import (
    Cell,
    CellTable,
    Counts,
    Estimator,
    Measure,
    Options,
    apply_estimator,
    read_numbers,
)
from rmg_dsl.stats.definition import (
    ColumnStatistic,
    StatisticDefinition,
    TableEntry,
)
from rmg_dsl.stats.jackknife import agreement_interval
from rmg_dsl.stats.ratings import Ratings
from rmg_dsl.stats.scaling import (
    count_ranks,
    dense_ranks,
    is_constant,
    midranks,
    rescale_to_unit,
    subtract_mean,
)
from rmg_dsl.stats.undefined import COLUMN_WORDS


def pearson(a: Ratings, b: Ratings) -> float | None:
    """Pearson's correlation: how nearly one column is a straight line of the other.

    >>> pearson([1, 2, 3, None], [2, 4, 6, 8]), pearson([1, 2, 3], [5, 5, 5])
    (1.0, None)

    −1 to 1; rows with a gap are left out. None for fewer than two rows and where a column does not
    vary.
    """
    return apply_estimator(pearson_estimator(), [a, b])


def spearman(a: Ratings, b: Ratings) -> float | None:
    """Spearman's rank correlation: how nearly one column rises with the other.

    >>> spearman([1, 2, 3, None], [10, 100, 1000, 1]), spearman([1, 2], [5, 5])
    (1.0, None)

    Ties share their mean rank. −1 to 1; rows with a gap are left out. None for fewer than two rows
    and where a column does not vary. Spearman, "The proof and measurement of association between
    two things" (1904).
    """
    return apply_estimator(spearman_estimator(), [a, b])


def kendall(a: Ratings, b: Ratings) -> float | None:
    """Kendall's tau-b: pairs of rows in the same order less those in opposite order.

    >>> kendall([1, 2, 3, None], [1, 3, 2, 4]), kendall([1, 1], [1, 2])
    (0.3333333333333333, None)

    Corrected for ties. −1 to 1; rows with a gap are left out. None for fewer than two rows and
    where a column does not vary. Kendall, "The treatment of ties in ranking problems" (1945).
    """
    return apply_estimator(kendall_estimator(), [a, b])


def pearson_estimator() -> Estimator:
    """The estimator of `pearson`."""
    return Estimator(read_numbers, _pearson_measure)


def spearman_estimator() -> Estimator:
    """The estimator of `spearman`."""
    return Estimator(read_numbers, _spearman_measure)


def kendall_estimator() -> Estimator:
    """The estimator of `kendall`."""
    return Estimator(read_numbers, _kendall_measure)


# ── over cells ───────────────────────────────────────────────────────────────────────────────────


def _pearson_measure(cells: Sequence[Cell]) -> Measure:
    # The correlation does not change with the scale of a column; 0..1 avoids overflow.
    xs = rescale_to_unit([x for x, _ in cells])
    ys = rescale_to_unit([y for _, y in cells])

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        if n < 2 or is_constant(xs, counts) or is_constant(ys, counts):
            return None
        dx = subtract_mean(xs, counts, n)
        dy = subtract_mean(ys, counts, n)
        xx = _product_sum(counts, dx, dx)
        yy = _product_sum(counts, dy, dy)
        spread = math.sqrt(xx * yy)
        # Values that differ by a rounding only may have squares of 0.
        if not spread:
            return None
        return clamp_correlation(_product_sum(counts, dx, dy) / spread)

    return measure


def _product_sum(counts: Counts, a: Sequence[float], b: Sequence[float]) -> float:
    products = map(mul, a, b)
    return math.fsum(map(mul, counts, products))


def _spearman_measure(cells: Sequence[Cell]) -> Measure:
    """Pearson's correlation of the ranks, in whole numbers up to the last division."""
    xs = dense_ranks([x for x, _ in cells])
    ys = dense_ranks([y for _, y in cells])

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        rx = midranks(xs, counts)
        ry = midranks(ys, counts)
        # Ranks measured from their middle have the mean 0: no means need to be subtracted.
        weighted = list(map(mul, counts, rx))
        xx = sum(map(mul, weighted, rx))
        yy = sum(map(mul, counts, map(mul, ry, ry)))
        xy: int = sum(map(mul, weighted, ry))
        if n < 2 or not xx or not yy:
            return None
        return clamp_correlation(xy / math.sqrt(xx * yy))

    return measure


def _kendall_measure(cells: Sequence[Cell]) -> Measure:
    xs = dense_ranks([x for x, _ in cells])
    ys = dense_ranks([y for _, y in cells])
    # The order of x does not depend on the counts: sort once, not for every resample.
    order = sorted(range(len(cells)), key=xs.__getitem__)

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        untied_x = _untied_pairs(xs, counts, n)
        untied_y = _untied_pairs(ys, counts, n)
        if n < 2 or not untied_x or not untied_y:
            return None
        # Twice the concordance: the untied pairs are counted in both directions.
        double = 2 * _concordance(order, xs, ys, counts)
        return clamp_correlation(double / math.sqrt(untied_x * untied_y))

    return measure


def _untied_pairs(places: Sequence[int], counts: Counts, n: int) -> int:
    """The ordered pairs of rows that differ in a column."""
    tied = sum(c * c for c in count_ranks(places, counts))
    return n * n - tied


def _concordance(order: Sequence[int], xs: Sequence[int], ys: Sequence[int], counts: Counts) -> int:
    """Concordant less discordant pairs of rows.

    One sweep in the order of x over a tree of the counts by y (Fenwick, "A new data structure for
    cumulative frequency tables", 1994).
    """
    tree = [0] * (max(ys) + 2)
    in_tree = 0
    difference = 0
    tied: list[int] = []  # rows of the current x: they are tied, so they enter the tree together
    for k in order:
        if not counts[k]:
            continue
        if tied and xs[tied[0]] != xs[k]:
            in_tree += _add_to_tree(tree, tied, ys, counts)
            tied.clear()
        tied.append(k)
        below = _tree_prefix_sum(tree, ys[k])
        not_above = _tree_prefix_sum(tree, ys[k] + 1)
        # The rows below are concordant; those above, all in the tree less `not_above`, discordant.
        difference += counts[k] * (below + not_above - in_tree)
    return difference


def _add_to_tree(tree: list[int], cells: Sequence[int], ys: Sequence[int], counts: Counts) -> int:
    """Add the counts of some cells to the tree, and give their sum."""
    for k in cells:
        i = ys[k] + 1
        while i < len(tree):
            tree[i] += counts[k]
            # The lowest bit of the place is the length of the range that a node sums up.
            i += i & -i
    return sum(counts[k] for k in cells)


def _tree_prefix_sum(tree: Sequence[int], i: int) -> int:
    total = 0
    while i:
        total += tree[i]
        i &= i - 1
    return total


def clamp_correlation(correlation: float) -> float:
    """A correlation within −1..1, without the last bit of rounding."""
    return max(-1.0, min(1.0, correlation))


# ── definitions ──────────────────────────────────────────────────────────────────────────────────


def _constant_column_reason(table: CellTable, _options: Options) -> str:
    """Which of the two columns does not vary."""
    columns = zip(*table.cells, strict=True)
    named = zip(COLUMN_WORDS, columns, strict=True)
    constant = [words for words, values in named if len(set(values)) == 1]
    if len(constant) == 1:
        return f"{constant[0]} does not vary"
    return "nothing varies"


def _define(
    name: str, compute: ColumnStatistic, make: Callable[[], Estimator]
) -> StatisticDefinition:
    return StatisticDefinition(
        name,
        compute,
        make,
        interval=agreement_interval,
        undefined_reason=_constant_column_reason,
        table_entries=(TableEntry(name, "number"),),
    )


STATISTICS = (
    _define("pearson", pearson, pearson_estimator),
    _define("spearman", spearman, spearman_estimator),
    _define("kendall", kendall, kendall_estimator),
)
