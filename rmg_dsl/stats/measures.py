"""Statistics over a table of counts: built once for the distinct rows, then asked for the counts of many samples.

Each function takes the distinct rows (the cells) and gives a measure: from the count of each cell to the value of the
statistic, or None where it is undefined. The value of the data and those of its resamples come from the same lines.
Nominal and rank statistics are computed in whole numbers up to the last division.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate, compress, pairwise
from operator import mul
from typing import Any

from rmg_dsl.stats.ratings import Category, sort_categories

Measure = Callable[[Sequence[int]], float | None]
Pair = tuple[Category, Category]
Point = tuple[float, float]
Counts = Sequence[int]

_MAX_CHANGED_TOTALS = 16


# ── two raters, categories ───────────────────────────────────────────────────────────────────────────────────────


def accuracy_measure(cells: Sequence[Pair]) -> Measure:
    """The share of rows in cells where both say the same."""
    same = [a == b for a, b in cells]

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        return sum(compress(counts, same)) / n if n else None

    return measure


def kappa_measure(cells: Sequence[Pair]) -> Measure:
    """Cohen's kappa."""
    places, size = _category_indexes(cells)

    def measure(counts: Counts) -> float | None:
        first, second = _margins(places, counts, size)
        n = sum(first)
        agreed = sum(c for (i, j), c in zip(places, counts, strict=True) if i == j)
        chance = sum(map(mul, first, second))
        return None if n < 2 or chance == n * n else (n * agreed - chance) / (n * n - chance)

    return measure


def weighted_kappa_measure(
    cells: Sequence[Pair], weights: str = "quadratic", places: int | None = None
) -> Measure:
    """Cohen's kappa weighted by the distance of places: on a scale of so many, else among the categories that occur."""
    at, size = (
        _category_indexes(cells)
        if places is None
        else ([(int(a), int(b)) for a, b in cells], places)
    )
    power, expected = (
        (2, _squares_by_chance) if weights == "quadratic" else (1, _distances_by_chance)
    )
    distances = [abs(i - j) ** power for i, j in at]

    def measure(counts: Counts) -> float | None:
        first, second = _margins(at, counts, size)
        n, chance = sum(first), expected(first, second)
        found = n * sum(map(mul, counts, distances))
        return (chance - found) / chance if n > 1 and chance else None

    return measure


def _squares_by_chance(first: Counts, second: Counts) -> int:
    """The sum of a[i] × b[j] × (i − j)²."""
    a, a2 = _moments(first)
    b, b2 = _moments(second)
    return sum(second) * a2 + sum(first) * b2 - 2 * a * b


def _moments(margin: Counts) -> tuple[int, int]:
    return sum(i * c for i, c in enumerate(margin)), sum(i * i * c for i, c in enumerate(margin))


def _distances_by_chance(first: Counts, second: Counts) -> int:
    """The sum of a[i] × b[j] × |i − j|: each step of the scale counts for the pairs on its two sides."""
    n, m = sum(first), sum(second)
    below = zip(accumulate(first), accumulate(second), strict=True)
    return sum(a * (m - b) + b * (n - a) for a, b in below)


def _category_indexes(cells: Sequence[tuple[Any, Any]]) -> tuple[list[tuple[int, int]], int]:
    """The cells as pairs of places in the sorted union of what occurs, and how many places there are."""
    union = sort_categories(value for cell in cells for value in cell)
    place = {value: i for i, value in enumerate(union)}
    return [(place[a], place[b]) for a, b in cells], len(union)


def _margins(
    places: Sequence[tuple[int, int]], counts: Counts, size: int
) -> tuple[list[int], list[int]]:
    first, second = [0] * size, [0] * size
    for (i, j), c in zip(places, counts, strict=True):
        first[i] += c
        second[j] += c
    return first, second


# ── two raters, numbers ──────────────────────────────────────────────────────────────────────────────────────────


def pearson_measure(cells: Sequence[Point]) -> Measure:
    """Pearson's correlation."""
    xs, ys = (rescale_to_unit([cell[side] for cell in cells]) for side in (0, 1))

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        if n < 2 or is_constant(xs, counts) or is_constant(ys, counts):
            return None
        dx, dy = subtract_mean(xs, counts, n), subtract_mean(ys, counts, n)
        xx, xy, yy = (
            math.fsum(map(mul, counts, map(mul, a, b))) for a, b in ((dx, dx), (dx, dy), (dy, dy))
        )
        spread = math.sqrt(xx * yy)
        return clamp_correlation(xy / spread) if spread else None

    return measure


def spearman_measure(cells: Sequence[Point]) -> Measure:
    """Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank."""
    xs, ys = dense_ranks([a for a, _ in cells]), dense_ranks([b for _, b in cells])

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        rx, ry = midranks(xs, counts), midranks(ys, counts)
        wx = list(map(mul, counts, rx))
        vx = sum(map(mul, wx, rx))
        vy = sum(map(mul, counts, map(mul, ry, ry)))
        return (
            clamp_correlation(sum(map(mul, wx, ry)) / math.sqrt(vx * vy))
            if n > 1 and vx and vy
            else None
        )

    return measure


def kendall_measure(cells: Sequence[Point]) -> Measure:
    """Kendall's tau-b, the cells in the order of their first number."""
    xs, ys = dense_ranks([a for a, _ in cells]), dense_ranks([b for _, b in cells])
    order = sorted(range(len(cells)), key=xs.__getitem__)

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        untied = [n * n - sum(c * c for c in _rank_counts(side, counts)) for side in (xs, ys)]
        if n < 2 or not all(untied):
            return None
        return clamp_correlation(
            2 * _concordance(order, xs, ys, counts) / math.sqrt(untied[0] * untied[1])
        )

    return measure


def _concordance(order: Sequence[int], xs: Sequence[int], ys: Sequence[int], counts: Counts) -> int:
    """Concordant less discordant pairs of rows, in one sweep by x over a tree of counts by y (Fenwick 1994)."""
    size, seen, found = max(ys) + 1, 0, 0
    tree = [0] * (size + 1)
    waiting: list[int] = []  # rows of the same x, not yet in the tree
    for k in (k for k in order if counts[k]):
        if waiting and xs[waiting[0]] != xs[k]:
            seen += _add_to_tree(tree, waiting, ys, counts)
            waiting.clear()
        waiting.append(k)
        found += counts[k] * (
            _tree_prefix_sum(tree, ys[k]) + _tree_prefix_sum(tree, ys[k] + 1) - seen
        )
    return found


def _add_to_tree(tree: list[int], cells: Sequence[int], ys: Sequence[int], counts: Counts) -> int:
    for k in cells:
        i = ys[k] + 1
        while i < len(tree):
            tree[i] += counts[k]
            i += i & -i
    return sum(counts[k] for k in cells)


def _tree_prefix_sum(tree: Sequence[int], i: int) -> int:
    total = 0
    while i:
        total += tree[i]
        i &= i - 1
    return total


def rescale_to_unit(values: Sequence[float]) -> list[float]:
    """The values moved and stretched to 0..1, so that no square of theirs is too large or too small for a float."""
    low, high = min(values, default=0.0) / 2, max(values, default=0.0) / 2
    return [(value / 2 - low) / ((high - low) or 1.0) for value in values]


def subtract_mean(values: Sequence[float], counts: Counts, n: int) -> list[float]:
    centre = math.fsum(map(mul, counts, values)) / n
    return [value - centre for value in values]


def is_constant(values: Sequence[float], counts: Counts) -> bool:
    present = compress(values, counts)
    first = next(present, None)
    return all(value == first for value in present)


def clamp_correlation(correlation: float) -> float:
    """A correlation within −1..1, without the last bit of rounding."""
    return max(-1.0, min(1.0, correlation))


def dense_ranks(values: Sequence[float]) -> list[int]:
    """Each value's place among the distinct values."""
    place = {value: i for i, value in enumerate(sorted(set(values)))}
    return [place[value] for value in values]


def _rank_counts(places: Sequence[int], counts: Counts) -> list[int]:
    totals = [0] * (max(places, default=-1) + 1)
    for place, c in zip(places, counts, strict=True):
        totals[place] += c
    return totals


def midranks(places: Sequence[int], counts: Counts) -> list[int]:
    """Twice the mean rank of each cell, measured from the middle of all ranks, so that they add up to zero."""
    ranks = _midranks_by_place(_rank_counts(places, counts))
    return [ranks[place] for place in places]


def _midranks_by_place(totals: Sequence[int]) -> list[int]:
    ends = [0, *accumulate(totals)]
    return [before + after - ends[-1] for before, after in pairwise(ends)]


# ── several raters ───────────────────────────────────────────────────────────────────────────────────────────────


def fleiss_measure(cells: Sequence[tuple[Category, ...]]) -> Measure:
    """Fleiss' kappa; each cell holds the ratings of one unit by all raters, in order."""
    raters = len(cells[0]) if cells else 0
    tallies = [Counter(cell) for cell in cells]
    agreeing = [sum(c * c for c in tally.values()) - raters for tally in tallies]

    def measure(counts: Counts) -> float | None:
        n = raters * sum(counts)
        chance = sum(c * c for c in _category_counts(tallies, counts).values())
        if n < 2 * raters or chance == n * n:
            return None
        found: float = n * sum(map(mul, counts, agreeing)) / (raters - 1)
        return (found - chance) / (n * n - chance)

    return measure


def alpha_measure(cells: Sequence[tuple[Any, ...]], level: str = "nominal") -> Measure:
    """Krippendorff's alpha; each cell holds the two or more ratings of one unit, in order."""
    match level:
        case "nominal":
            return _alpha_nominal(cells)
        case "ordinal":
            return _alpha_ordinal(cells)
        case "interval":
            return _alpha_interval(cells)
        case _:
            return _alpha_ratio(cells)


def _alpha_nominal(cells: Sequence[tuple[Any, ...]]) -> Measure:
    tallies = [Counter(cell) for cell in cells]
    unit = math.lcm(
        *(len(cell) - 1 for cell in cells)
    )  # keeps the shares of units with fewer raters whole
    differing = [
        (len(cell) ** 2 - sum(c * c for c in tally.values())) * unit // (len(cell) - 1)
        for cell, tally in zip(cells, tallies, strict=True)
    ]

    def measure(counts: Counts) -> float | None:
        totals = _category_counts(tallies, counts)
        n = sum(totals.values())
        expected = unit * (n * n - sum(c * c for c in totals.values()))
        found = (n - 1) * sum(map(mul, counts, differing))
        return (expected - found) / expected if sum(counts) > 1 and expected else None

    return measure


def _alpha_ordinal(cells: Sequence[tuple[float, ...]]) -> Measure:
    """The ordinal metric is the squared distance of mean ranks, so that alpha is that of the ranks on an interval."""
    union, units = _index_units(cells)

    def measure(counts: Counts) -> float | None:
        totals = _unit_value_counts(units, counts, len(union))
        return _alpha_from_scores(units, _midranks_by_place(totals), totals, counts)

    return measure


def _alpha_interval(cells: Sequence[tuple[float, ...]]) -> Measure:
    union, units = _index_units(cells)
    scores = rescale_to_unit(union)

    def measure(counts: Counts) -> float | None:
        return _alpha_from_scores(
            units, scores, _unit_value_counts(units, counts, len(union)), counts
        )

    return measure


def _alpha_from_scores(
    units: Sequence[Sequence[int]], scores: Sequence[float], totals: Counts, counts: Counts
) -> float | None:
    n = sum(totals)
    if sum(counts) < 2 or is_constant(scores, totals):
        return None
    middle = math.fsum(map(mul, totals, scores)) / n
    expected = (
        2
        * n
        * math.fsum(c * (score - middle) ** 2 for c, score in zip(totals, scores, strict=True))
    )
    found = math.fsum(
        c * _unit_disagreement([scores[i] for i in unit])
        for unit, c in zip(units, counts, strict=True)
        if c
    )
    return 1 - (n - 1) * found / expected


def _unit_disagreement(scores: Sequence[float]) -> float:
    """The squared distances of all ordered pairs of a unit, over its number of ratings less one."""
    m, middle = len(scores), math.fsum(scores) / len(scores)
    return 2 * m * math.fsum((score - middle) ** 2 for score in scores) / (m - 1)


def _alpha_ratio(cells: Sequence[tuple[float, ...]]) -> Measure:
    union, units = _index_units(cells)
    if union and min(union) < 0:
        return lambda _: None
    differing = [
        math.fsum(_ratio_distance(union[i], union[j]) for i in unit for j in unit) / (len(unit) - 1)
        for unit in units
    ]
    first: list[
        tuple[list[int], list[float]]
    ] = []  # the totals asked for first, and how far they are from each value

    def measure(counts: Counts) -> float | None:
        totals = _unit_value_counts(units, counts, len(union))
        if not first:
            first.append((totals, _ratio_distances(union, totals)))
        expected = _expected_ratio_disagreement(union, totals, *first[0])
        found = (sum(totals) - 1) * math.fsum(map(mul, counts, differing))
        return 1.0 - found / expected if sum(counts) > 1 and expected else None

    return measure


def _ratio_distance(a: float, b: float) -> float:
    return ((a - b) / (a + b)) ** 2 if a != b else 0.0


def _ratio_distances(union: Sequence[float], totals: Counts) -> list[float]:
    present = [(value, c) for value, c in zip(union, totals, strict=True) if c]
    return [math.fsum(c * _ratio_distance(a, b) for b, c in present) for a in union]


def _expected_ratio_disagreement(
    union: Sequence[float], totals: Counts, before: Counts, sums: Sequence[float]
) -> float:
    """The distances of all pairs, from those of other totals where only a few differ: a row was left out."""
    moved = [
        (i, now - was)
        for i, (now, was) in enumerate(zip(totals, before, strict=True))
        if now != was
    ]
    if len(moved) > _MAX_CHANGED_TOTALS:
        return math.fsum(map(mul, totals, _ratio_distances(union, totals)))
    among = (c * d * _ratio_distance(union[i], union[j]) for i, c in moved for j, d in moved)
    return math.fsum([*map(mul, before, sums), *(2 * c * sums[i] for i, c in moved), *among])


def _index_units(cells: Sequence[tuple[float, ...]]) -> tuple[list[float], list[list[int]]]:
    """The distinct values in order, and each unit as places among them."""
    union = sorted({value for cell in cells for value in cell})
    place = {value: i for i, value in enumerate(union)}
    return union, [[place[value] for value in cell] for cell in cells]


def _unit_value_counts(units: Sequence[Sequence[int]], counts: Counts, size: int) -> list[int]:
    totals = [0] * size
    for unit, c in zip(units, counts, strict=True):
        for i in unit:
            totals[i] += c
    return totals


def _category_counts(tallies: Sequence[Counter[Category]], counts: Counts) -> dict[Category, int]:
    totals: dict[Category, int] = {}
    for tally, c in zip(tallies, counts, strict=True):
        for value, times in tally.items():
            totals[value] = totals.get(value, 0) + c * times
    return totals


# ── one column ───────────────────────────────────────────────────────────────────────────────────────────────────


def mean_measure(cells: Sequence[tuple[float]]) -> Measure:
    """The mean of the values."""
    values = [value for (value,) in cells]

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        return math.fsum(map(mul, counts, values)) / n if n else None

    return measure


def stdev_measure(cells: Sequence[tuple[float]]) -> Measure:
    """The standard deviation of a sample."""
    values = [value for (value,) in cells]
    size = max(values, default=0.0) / 2 - min(values, default=0.0) / 2
    steady = rescale_to_unit(values)

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        if n < 2:
            return None
        apart = subtract_mean(steady, counts, n)
        return 2 * size * math.sqrt(math.fsum(map(mul, counts, map(mul, apart, apart))) / (n - 1))

    return measure


def quantile_measure(cells: Sequence[tuple[float]], q: float) -> Measure:
    """The q-th quantile by linear interpolation, the cells in the order of their values."""
    values = [value for (value,) in cells]

    def measure(counts: Counts) -> float | None:
        ends = list(accumulate(counts))
        if not ends or not ends[-1]:
            return None
        at = (ends[-1] - 1) * q
        low, high = (
            values[next(i for i, end in enumerate(ends) if end > row)]
            for row in (int(at), math.ceil(at))
        )
        return low + (high - low) * (at - int(at))

    return measure


def total_measure(cells: Sequence[tuple[float]]) -> Measure:
    """The sum of the values."""
    values = [value for (value,) in cells]
    return lambda counts: math.fsum(map(mul, counts, values))
