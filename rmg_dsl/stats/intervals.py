"""The 95 % bounds of any statistic of columns: a formula or a jackknife where it holds, else a bootstrap of rows."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain
from random import Random
from statistics import NormalDist
from typing import Any, NamedTuple

from rmg_dsl.results import Estimate
from rmg_dsl.stats import agreement, estimators, statistics
from rmg_dsl.stats.estimators import Cell, Distinct, Recipe, Row, Table, tabled
from rmg_dsl.stats.measures import Measure
from rmg_dsl.stats.ratings import is_gap
from rmg_dsl.stats.statistics import Z95, Interval, mean_interval, share_interval
from rmg_dsl.stats.undefined import why_unbounded, why_undefined

ColumnStatistic = Callable[..., Any]
Clusters = Sequence[Hashable]
Group = tuple[int, ...]  # the cells of the rows that are drawn together

RESAMPLES = 2000
FEWEST = 5  # rows, or clusters, to draw from
LEFT_OUT = 400  # rows left out, one at a time, to see how far each one moves the statistic
ENOUGH = 1000  # groups: the error of very many unlike ones is that of so many of them, evenly chosen, made smaller
AFFORDED = 100_000  # cells to be counted for an error
UNDEFINED = 0.05  # of the resamples: where more are undefined, the rows say too little
SAME = 1e-12
TAIL = 0.025
_GREATEST = 700.0  # what `exp` takes
NORMAL = NormalDist()


def bounds(
    statistic: ColumnStatistic,
    rows: Sequence[Row],
    *,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> Interval | None:
    """The 95 % bounds of a statistic of columns, given the rows of these columns.

    >>> from rmg_dsl.stats.agreement import kappa
    >>> low, high = bounds(kappa, [(1, 1), (2, 2), (1, 2), (2, 2), (1, 1)] * 20)
    >>> round(low, 1), round(high, 1)
    (0.5, 0.7)

    Options go with `functools.partial(weighted_kappa, weights="linear")`. Rows that the statistic leaves out are left
    out before. `clusters` names the cluster of each row, and whole clusters are drawn then; a row with a gap there is
    one of its own. The same seed and rows, in any order, give the same bounds.

    Agreement and correlation have Fisher's z ± Student's t times the jackknife error of the statistic: with gaps, ties,
    skew and clusters this holds the truth more often than a bootstrap does. A standard deviation has the same of its
    logarithm, accuracy with clusters of the logarithm of its odds. Shares have Wilson's bounds, means the normal ones,
    quantiles those of order statistics. All else, other functions of columns and the last three with clusters, has
    2,000 resamples, bias-corrected and accelerated (Efron, "Better bootstrap confidence intervals", 1987), or plain
    percentiles where that is undefined. Full agreement shows no error: its lower bound is that of a judge who gives
    chance verdicts as often as so many rows can hide. Of over 1,000 unlike rows the jackknife takes 1,000, in blocks.

    None where the statistic is undefined, for fewer than 5 rows or clusters (but for shares, means and full agreement),
    where one row alone keeps it from being undefined, where no row or resample changes it, and where over 5 % of the
    resamples are undefined. Under 20 rows, or with a category in one row of ten, the truth is more often above the
    upper bound than it should be, and seldom below the lower.
    """
    found = estimates({"it": statistic}, rows, seed=seed, clusters=clusters)["it"]
    return None if found.low is None or found.high is None else Interval(found.low, found.high)


def estimates(
    wanted: Mapping[str, ColumnStatistic | MeanOfPairs],
    rows: Sequence[Row],
    *,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> dict[str, Estimate]:
    """Several statistics of the same rows, each with its value, its rows and its bounds.

    >>> from rmg_dsl.stats.agreement import accuracy, kappa
    >>> estimates({"accuracy": accuracy, "kappa": kappa}, [(1, 1), (2, 2), (2, 2), (1, None)])["accuracy"].n
    3

    All else as for `bounds`.
    """
    distinct = Distinct.of(rows)
    return {
        name: _estimate(_Asked.of(each, rows, distinct), clusters, seed)
        for name, each in wanted.items()
    }


def computed(statistic: ColumnStatistic | MeanOfPairs, rows: Sequence[Row]) -> float | None:
    """A statistic of the columns of some rows, without its bounds.

    >>> from rmg_dsl.stats.agreement import accuracy
    >>> computed(MeanOfPairs(accuracy, ((0, 1), (0, 2))), [(1, 1, 2), (2, 2, 2)])
    0.75
    """
    return _Asked.of(statistic, rows, Distinct.of(rows)).value


def _estimate(asked: _Asked, clusters: Clusters | None, seed: int) -> Estimate:
    """Bounds hold the value: what the sample shows can never lie outside of them."""
    n, value = asked.table.n, asked.value
    if value is None:
        why = (
            "it is undefined for every pair"
            if asked.paired
            else why_undefined(asked.statistic, asked.table)
        )
        return Estimate(n, None, why=why)
    found = _interval(asked, clusters, seed)
    if found is None:
        drawn = n if clusters is None else len(_groups(asked.table, clusters))
        return Estimate(
            n, value, why=why_unbounded(drawn, FEWEST, "row" if clusters is None else "group")
        )
    return Estimate(n, value, min(found.low, value), max(found.high, value))


def _interval(asked: _Asked, clusters: Clusters | None, seed: int) -> Interval | None:
    if clusters is None and asked.statistic in CLOSED and not asked.paired:
        return CLOSED[asked.statistic](asked)
    groups = _groups(asked.table, clusters)
    if asked.statistic is agreement.stdev:
        return _of_logarithm(asked, groups)
    if asked.statistic is agreement.accuracy:
        return _of_odds(asked, groups)
    if asked.statistic in AGREEMENTS:
        full = abs(asked.value or 0.0) > 1 - SAME
        return _of_full_agreement(asked, len(groups)) if full else _of_fishers_z(asked, groups)
    return _of_resamples(asked, groups, Random(seed)) if len(groups) >= FEWEST else None


class MeanOfPairs(NamedTuple):
    """The mean of a statistic of two over these pairs of columns; a pair where it is undefined is left out."""

    statistic: ColumnStatistic
    pairs: tuple[tuple[int, int], ...]


class _Asked(NamedTuple):
    statistic: ColumnStatistic
    options: Mapping[str, Any]
    table: Table
    build: Callable[[Sequence[Cell]], Measure]
    measure: Measure
    value: float | None
    paired: bool

    @staticmethod
    def of(
        wanted: ColumnStatistic | MeanOfPairs, rows: Sequence[Row], distinct: Distinct
    ) -> _Asked:
        statistic, pairs = wanted if isinstance(wanted, MeanOfPairs) else (wanted, None)
        bare, options = (
            (statistic.func, statistic.keywords)
            if isinstance(statistic, partial)
            else (statistic, {})
        )
        raters = 2 if pairs is not None or not rows else len(rows[0])
        recipe = (
            _recipe(bare, options, raters) if bare in KNOWN else _recipe_of_calls(statistic, rows)
        )
        if pairs is not None:
            recipe = estimators.mean_of_pairs(recipe, pairs)
        table = tabled(
            recipe, distinct if bare in KNOWN else Distinct.of([(i,) for i in range(len(rows))])
        )
        measure = recipe.build(table.cells)
        return _Asked(
            bare, options, table, recipe.build, measure, measure(table.counts), pairs is not None
        )


def _recipe(statistic: ColumnStatistic, options: Mapping[str, Any], raters: int) -> Recipe:
    if statistic is agreement.fleiss:
        return estimators.fleiss(raters, **options)
    return KNOWN[statistic](**options)


def _recipe_of_calls(statistic: ColumnStatistic, rows: Sequence[Row]) -> Recipe:
    """Any other function of columns: called anew on the rows of each resample. A cell is the number of a row."""

    def build(cells: Sequence[Cell]) -> Measure:
        def measure(counts: Sequence[int]) -> float | None:
            drawn = [
                rows[i] for (i,), times in zip(cells, counts, strict=True) for _ in range(times)
            ]
            value = statistic(*zip(*drawn, strict=True)) if drawn else None
            return None if is_gap(value) else value

        return measure

    return Recipe(tuple, build)


KNOWN: Mapping[ColumnStatistic, Callable[..., Recipe]] = {
    **agreement.RECIPES,
    statistics.mean: estimators.mean,
    statistics.share: estimators.mean,
    statistics.count: estimators.total,
    statistics.median: partial(estimators.quantile, q=0.5),
}


# ── without resamples ────────────────────────────────────────────────────────────────────────────────────────────


def _of_full_agreement(asked: _Asked, drawn: int) -> Interval:
    """With a share p of chance verdicts the agreement is 1 − p, and none seen among n bounds p by Wilson's formula.

    A chance verdict is seen only where it differs, so that p is divided by how often two rows differ.
    """
    counts, n = asked.table.counts, asked.table.n
    differ = 1 - sum(c * c for c in counts) / (n * n)
    hidden = Z95 * Z95 / (drawn + Z95 * Z95) / differ if differ else 2.0
    least = max(-1.0, 1 - hidden)
    return Interval(least, 1.0) if asked.value and asked.value > 0 else Interval(-1.0, -least)


def _of_fishers_z(asked: _Asked, groups: Sequence[Group]) -> Interval | None:
    """Fisher's z of an agreement, whose error is nearly the same at every height."""
    value, margin = asked.value or 0.0, _margin(asked, groups)
    if margin is None:
        return None
    z, half = math.atanh(value), margin / (1 - value * value)
    return Interval(math.tanh(z - half), math.tanh(z + half))


def _of_logarithm(asked: _Asked, groups: Sequence[Group]) -> Interval | None:
    """The logarithm of a spread, whose error is nearly the same for every spread (Miller 1968)."""
    value, margin = asked.value, _margin(asked, groups)
    if not value or margin is None:
        return None
    factor = math.exp(margin / value)
    return Interval(value / factor, value * factor)


def _of_odds(asked: _Asked, groups: Sequence[Group]) -> Interval | None:
    """The logarithm of the odds keeps a share within 0..1; all or none have Wilson's bounds of so many groups."""
    value, n = asked.value or 0.0, len(groups)
    if not SAME < value < 1 - SAME:
        return share_interval(round(value) * n, n)
    margin = _margin(asked, groups)
    if margin is None:
        return None
    odds, half = math.log(value / (1 - value)), margin / (value * (1 - value))
    return Interval(
        *(1 / (1 + math.exp(min(-end, _GREATEST))) for end in (odds - half, odds + half))
    )


def _margin(asked: _Asked, groups: Sequence[Group]) -> float | None:
    """Student's t times the standard error, by leaving out one group after the other (Tukey 1958).

    Of many unlike groups as many together as make blocks that can be afforded, drawn by chance once and for all.
    """
    if len(groups) < FEWEST:
        return None
    some, table, measure = _some_of(asked, groups)
    blocks = (
        some
        if len(set(some)) <= LEFT_OUT
        else _blocks(some, min(LEFT_OUT, AFFORDED // len(table.cells)))
    )
    left_out = _leaving_out(table, blocks, measure)
    defined = [(value, times) for value, times in left_out if value is not None]
    if not defined or len(defined) < len(left_out):
        return None
    error = math.sqrt((len(blocks) - 1) * _variance(defined) * len(some) / len(groups))
    return student(len(blocks) - 1) * error if error > SAME * abs(asked.value or 0.0) else None


def _blocks(groups: Sequence[Group], count: int) -> list[Group]:
    shuffled = list(groups)
    Random(0).shuffle(shuffled)
    return [tuple(chain.from_iterable(shuffled[i::count])) for i in range(count)]


def _some_of(asked: _Asked, groups: Sequence[Group]) -> tuple[Sequence[Group], Table, Measure]:
    """All groups; of very many unlike ones some, evenly chosen, as a table of their own."""
    if len(groups) <= ENOUGH or len(set(groups)) <= LEFT_OUT:
        return groups, asked.table, asked.measure
    tally = Counter(chain.from_iterable(some := groups[:: math.ceil(len(groups) / ENOUGH)]))
    places = {cell: place for place, cell in enumerate(sorted(tally))}
    table = Table(
        tuple(asked.table.cells[cell] for cell in places), tuple(tally[cell] for cell in places), ()
    )
    moved = [tuple(places[cell] for cell in group) for group in some]
    return moved, table, asked.build(table.cells)


def _variance(values: Sequence[tuple[float, int]]) -> float:
    """The mean squared distance from the mean, each value counted so many times."""
    n = sum(times for _, times in values)
    centre = math.fsum(value * times for value, times in values) / n
    return math.fsum(times * (value - centre) ** 2 for value, times in values) / n


def student(freedom: int) -> float:
    """The point that cuts 2.5 % off Student's t, within 0.3 % from 4 degrees on (Abramowitz and Stegun 26.7.5)."""
    z, n = Z95, float(freedom)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    return z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2) + third


def _share_bounds(asked: _Asked) -> Interval | None:
    return share_interval(round((asked.value or 0.0) * asked.table.n), asked.table.n)


def _count_bounds(asked: _Asked) -> Interval | None:
    n = asked.table.n
    share = share_interval(round(asked.value or 0.0), n)
    return Interval(share.low * n, share.high * n) if share else None


def _mean_bounds(asked: _Asked) -> Interval | None:
    return mean_interval(_ordered(asked.table))


def _quantile_bounds(asked: _Asked) -> Interval | None:
    """Two of the sorted values, between which the quantile lies in 95 % of the samples of any distribution."""
    values, q = _ordered(asked.table), asked.options.get("q", 0.5)
    low, high = _outer_ranks(len(values), q) if 0 < q < 1 else (0, 0)
    return Interval(values[low - 1], values[high - 1]) if 0 < low < high <= len(values) else None


def _outer_ranks(n: int, q: float) -> tuple[int, int]:
    """The greatest rank with 2.5 % or less below, and the least with 2.5 % or less above; 0 and n + 1 are none."""
    logs = [math.lgamma(i + 1) for i in range(n + 1)]
    chances = (
        math.exp(logs[n] - logs[i] - logs[n - i] + i * math.log(q) + (n - i) * math.log1p(-q))
        for i in range(n)
    )
    below = list(accumulate(chances))
    return bisect_right(below, TAIL), bisect_left(below, 1 - TAIL) + 1


def _ordered(table: Table) -> list[float]:
    return [
        value
        for (value,), times in zip(table.cells, table.counts, strict=True)
        for _ in range(times)
    ]


AGREEMENTS = frozenset(agreement.RECIPES) - {
    agreement.accuracy,
    agreement.stdev,
    agreement.quantile,
}
CLOSED: Mapping[ColumnStatistic, Callable[[_Asked], Interval | None]] = {
    agreement.accuracy: _share_bounds,
    statistics.share: _share_bounds,
    statistics.count: _count_bounds,
    statistics.mean: _mean_bounds,
    statistics.median: _quantile_bounds,
    agreement.quantile: _quantile_bounds,
}


# ── bootstrap ────────────────────────────────────────────────────────────────────────────────────────────────────


def _groups(table: Table, clusters: Clusters | None) -> list[Group]:
    """What is drawn as a whole: each row, or the rows of each cluster; in one order whatever order they came in."""
    if clusters is None:
        return [(cell,) for cell, times in enumerate(table.counts) for _ in range(times)]
    gathered: dict[Hashable, list[int]] = {}
    for row, place in enumerate(table.places):
        if place is not None:
            cluster = clusters[row]
            gathered.setdefault((row, True) if is_gap(cluster) else (cluster, False), []).append(
                place
            )
    return sorted(tuple(sorted(group)) for group in gathered.values())


def _of_resamples(asked: _Asked, groups: Sequence[Group], random: Random) -> Interval | None:
    draws = sorted(value for value in _draws(asked, groups, random) if value is not None)
    if (
        len(draws) < (1 - UNDEFINED) * RESAMPLES
        or draws[-1] - draws[0] < SAME
        or asked.value is None
    ):
        return None
    below = (
        (bisect_left(draws, asked.value - SAME) + bisect_right(draws, asked.value + SAME))
        / 2
        / len(draws)
    )
    tails = (TAIL, 1 - TAIL)
    if 0 < below < 1:
        left_out = [
            (v, times)
            for v, times in _leaving_out(asked.table, groups, asked.measure)
            if v is not None
        ]
        shift, skew = NORMAL.inv_cdf(below), _acceleration(left_out, len(groups))
        tails = (_moved(TAIL, shift, skew), _moved(1 - TAIL, shift, skew))
    return Interval(*(_between(draws, tail) for tail in tails))


def _draws(asked: _Asked, groups: Sequence[Group], random: Random) -> Iterator[float | None]:
    for _ in range(RESAMPLES):
        counts = [0] * len(asked.table.cells)
        for cell in chain.from_iterable(random.choices(groups, k=len(groups))):
            counts[cell] += 1
        yield asked.measure(counts)


def _between(draws: Sequence[float], share: float) -> float:
    """The quantile of sorted draws."""
    at = share * (len(draws) - 1)
    low, high = draws[math.floor(at)], draws[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))


def _moved(tail: float, shift: float, skew: float) -> float:
    """The share of the draws to cut off, for the bias and the skewness of the statistic."""
    z = shift + NORMAL.inv_cdf(tail)
    return NORMAL.cdf(shift + z / (1 - skew * z)) if skew * z < 1 else tail


def _leaving_out(
    table: Table, groups: Sequence[Group], measure: Measure
) -> list[tuple[float | None, int]]:
    """The statistic without each group, and how many groups are like it; of very many, some evenly chosen."""
    alike = list(Counter(groups).items())
    found = []
    for group, times in alike[:: math.ceil(len(alike) / LEFT_OUT)]:
        counts = list(table.counts)
        for cell in group:
            counts[cell] -= 1
        found.append((measure(counts), times))
    return found


def _acceleration(left_out: Sequence[tuple[float, int]], groups: int) -> float:
    """A sixth of the skewness, of so many groups, of what leaving one out does."""
    n = sum(times for _, times in left_out)
    variance = _variance(left_out) if n else 0.0
    if variance < SAME * SAME:
        return 0.0
    centre = math.fsum(value * times for value, times in left_out) / n
    cubes = math.fsum(times * (centre - value) ** 3 for value, times in left_out) / n
    return cubes / (6 * variance * math.sqrt(variance * groups))
