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
from rmg_dsl.stats.estimators import Cell, CellTable, DistinctRows, Estimator, Row, tabulate_cells
from rmg_dsl.stats.measures import Measure
from rmg_dsl.stats.ratings import is_missing_rating
from rmg_dsl.stats.statistics import Z95, Interval, mean_interval, share_interval
from rmg_dsl.stats.undefined import why_unbounded, why_undefined

ColumnStatistic = Callable[..., Any]
Clusters = Sequence[Hashable]
Group = tuple[int, ...]  # the cells of the rows that are drawn together

RESAMPLES = 2000
MIN_SAMPLE_UNITS = 5  # rows, or clusters, to draw from
MAX_JACKKNIFE_SAMPLES = (
    400  # rows left out, one at a time, to see how far each one moves the statistic
)
MAX_JACKKNIFE_GROUPS = 1000  # groups: the error of very many unlike ones is that of so many of them, evenly chosen, made smaller
MAX_COUNTED_CELLS = 100_000  # cells to be counted for an error
MAX_UNDEFINED_SHARE = 0.05  # of the resamples: where more are undefined, the rows say too little
TOLERANCE = 1e-12
TAIL = 0.025
_MAX_EXPONENT = 700.0  # what `exp` takes
NORMAL = NormalDist()


def confidence_interval(
    statistic: ColumnStatistic,
    rows: Sequence[Row],
    *,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> Interval | None:
    """The 95 % bounds of a statistic of columns, given the rows of these columns.

    >>> from rmg_dsl.stats.agreement import kappa
    >>> low, high = confidence_interval(kappa, [(1, 1), (2, 2), (1, 2), (2, 2), (1, 1)] * 20)
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
    found = compute_estimates({"it": statistic}, rows, seed=seed, clusters=clusters)["it"]
    return None if found.low is None or found.high is None else Interval(found.low, found.high)


def compute_estimates(
    wanted: Mapping[str, ColumnStatistic | MeanOfPairs],
    rows: Sequence[Row],
    *,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> dict[str, Estimate]:
    """Several statistics of the same rows, each with its value, its rows and its bounds.

    >>> from rmg_dsl.stats.agreement import accuracy, kappa
    >>> compute_estimates({"accuracy": accuracy, "kappa": kappa}, [(1, 1), (2, 2), (2, 2), (1, None)])["accuracy"].n
    3

    All else as for `confidence_interval`.
    """
    distinct = DistinctRows.of(rows)
    return {
        name: _estimate(_PreparedStatistic.of(each, rows, distinct), clusters, seed)
        for name, each in wanted.items()
    }


def compute_statistic(
    statistic: ColumnStatistic | MeanOfPairs, rows: Sequence[Row]
) -> float | None:
    """A statistic of the columns of some rows, without its bounds.

    >>> from rmg_dsl.stats.agreement import accuracy
    >>> compute_statistic(MeanOfPairs(accuracy, ((0, 1), (0, 2))), [(1, 1, 2), (2, 2, 2)])
    0.75
    """
    return _PreparedStatistic.of(statistic, rows, DistinctRows.of(rows)).value


def _estimate(asked: _PreparedStatistic, clusters: Clusters | None, seed: int) -> Estimate:
    """Bounds hold the value: what the sample shows can never lie outside of them."""
    n, value = asked.table.n, asked.value
    if value is None:
        why = (
            "it is undefined for every pair"
            if asked.is_pair_mean
            else why_undefined(asked.statistic, asked.table)
        )
        return Estimate(n, None, why=why)
    found = _interval(asked, clusters, seed)
    if found is None:
        drawn = n if clusters is None else len(_resampling_groups(asked.table, clusters))
        return Estimate(
            n,
            value,
            why=why_unbounded(drawn, MIN_SAMPLE_UNITS, "row" if clusters is None else "group"),
        )
    return Estimate(n, value, min(found.low, value), max(found.high, value))


def _interval(asked: _PreparedStatistic, clusters: Clusters | None, seed: int) -> Interval | None:
    if clusters is None and asked.statistic in CLOSED_FORM_INTERVALS and not asked.is_pair_mean:
        return CLOSED_FORM_INTERVALS[asked.statistic](asked)
    groups = _resampling_groups(asked.table, clusters)
    if asked.statistic is agreement.stdev:
        return _log_interval(asked, groups)
    if asked.statistic is agreement.accuracy:
        return _log_odds_interval(asked, groups)
    if asked.statistic in AGREEMENTS:
        full = abs(asked.value or 0.0) > 1 - TOLERANCE
        return (
            _full_agreement_interval(asked, len(groups))
            if full
            else _fisher_z_interval(asked, groups)
        )
    return (
        _bootstrap_interval(asked, groups, Random(seed))
        if len(groups) >= MIN_SAMPLE_UNITS
        else None
    )


class MeanOfPairs(NamedTuple):
    """The mean of a statistic of two over these pairs of columns; a pair where it is undefined is left out."""

    statistic: ColumnStatistic
    pairs: tuple[tuple[int, int], ...]


class _PreparedStatistic(NamedTuple):
    statistic: ColumnStatistic
    options: Mapping[str, Any]
    table: CellTable
    build_measure: Callable[[Sequence[Cell]], Measure]
    measure: Measure
    value: float | None
    is_pair_mean: bool

    @staticmethod
    def of(
        wanted: ColumnStatistic | MeanOfPairs, rows: Sequence[Row], distinct: DistinctRows
    ) -> _PreparedStatistic:
        statistic, pairs = wanted if isinstance(wanted, MeanOfPairs) else (wanted, None)
        bare, options = (
            (statistic.func, statistic.keywords)
            if isinstance(statistic, partial)
            else (statistic, {})
        )
        raters = 2 if pairs is not None or not rows else len(rows[0])
        recipe = (
            _known_estimator(bare, options, raters)
            if bare in KNOWN_ESTIMATORS
            else _function_estimator(statistic, rows)
        )
        if pairs is not None:
            recipe = estimators.pair_mean_estimator(recipe, pairs)
        table = tabulate_cells(
            recipe,
            distinct
            if bare in KNOWN_ESTIMATORS
            else DistinctRows.of([(i,) for i in range(len(rows))]),
        )
        measure = recipe.build(table.cells)
        return _PreparedStatistic(
            bare, options, table, recipe.build, measure, measure(table.counts), pairs is not None
        )


def _known_estimator(
    statistic: ColumnStatistic, options: Mapping[str, Any], raters: int
) -> Estimator:
    if statistic is agreement.fleiss:
        return estimators.fleiss_estimator(raters, **options)
    return KNOWN_ESTIMATORS[statistic](**options)


def _function_estimator(statistic: ColumnStatistic, rows: Sequence[Row]) -> Estimator:
    """Any other function of columns: called anew on the rows of each resample. A cell is the number of a row."""

    def build(cells: Sequence[Cell]) -> Measure:
        def measure(counts: Sequence[int]) -> float | None:
            drawn = [
                rows[i] for (i,), times in zip(cells, counts, strict=True) for _ in range(times)
            ]
            value = statistic(*zip(*drawn, strict=True)) if drawn else None
            return None if is_missing_rating(value) else value

        return measure

    return Estimator(tuple, build)


KNOWN_ESTIMATORS: Mapping[ColumnStatistic, Callable[..., Estimator]] = {
    **agreement.ESTIMATORS,
    statistics.mean: estimators.mean_estimator,
    statistics.share: estimators.mean_estimator,
    statistics.count: estimators.total_estimator,
    statistics.median: partial(estimators.quantile_estimator, q=0.5),
}


# ── without resamples ────────────────────────────────────────────────────────────────────────────────────────────


def _full_agreement_interval(asked: _PreparedStatistic, drawn: int) -> Interval:
    """With a share p of chance verdicts the agreement is 1 − p, and none seen among n bounds p by Wilson's formula.

    A chance verdict is seen only where it differs, so that p is divided by how often two rows differ.
    """
    counts, n = asked.table.counts, asked.table.n
    differ = 1 - sum(c * c for c in counts) / (n * n)
    hidden = Z95 * Z95 / (drawn + Z95 * Z95) / differ if differ else 2.0
    least = max(-1.0, 1 - hidden)
    return Interval(least, 1.0) if asked.value and asked.value > 0 else Interval(-1.0, -least)


def _fisher_z_interval(asked: _PreparedStatistic, groups: Sequence[Group]) -> Interval | None:
    """Fisher's z of an agreement, whose error is nearly the same at every height."""
    value, margin = asked.value or 0.0, _jackknife_margin(asked, groups)
    if margin is None:
        return None
    z, half = math.atanh(value), margin / (1 - value * value)
    return Interval(math.tanh(z - half), math.tanh(z + half))


def _log_interval(asked: _PreparedStatistic, groups: Sequence[Group]) -> Interval | None:
    """The logarithm of a spread, whose error is nearly the same for every spread (Miller 1968)."""
    value, margin = asked.value, _jackknife_margin(asked, groups)
    if not value or margin is None:
        return None
    factor = math.exp(margin / value)
    return Interval(value / factor, value * factor)


def _log_odds_interval(asked: _PreparedStatistic, groups: Sequence[Group]) -> Interval | None:
    """The logarithm of the odds keeps a share within 0..1; all or none have Wilson's bounds of so many groups."""
    value, n = asked.value or 0.0, len(groups)
    if not TOLERANCE < value < 1 - TOLERANCE:
        return share_interval(round(value) * n, n)
    margin = _jackknife_margin(asked, groups)
    if margin is None:
        return None
    odds, half = math.log(value / (1 - value)), margin / (value * (1 - value))
    return Interval(
        *(1 / (1 + math.exp(min(-end, _MAX_EXPONENT))) for end in (odds - half, odds + half))
    )


def _jackknife_margin(asked: _PreparedStatistic, groups: Sequence[Group]) -> float | None:
    """Student's t times the standard error, by leaving out one group after the other (Tukey 1958).

    Of many unlike groups as many together as make blocks that can be afforded, drawn by chance once and for all.
    """
    if len(groups) < MIN_SAMPLE_UNITS:
        return None
    some, table, measure = _subsample_groups(asked, groups)
    blocks = (
        some
        if len(set(some)) <= MAX_JACKKNIFE_SAMPLES
        else _jackknife_blocks(
            some, min(MAX_JACKKNIFE_SAMPLES, MAX_COUNTED_CELLS // len(table.cells))
        )
    )
    left_out = _jackknife_values(table, blocks, measure)
    defined = [(value, times) for value, times in left_out if value is not None]
    if not defined or len(defined) < len(left_out):
        return None
    error = math.sqrt((len(blocks) - 1) * _variance(defined) * len(some) / len(groups))
    return (
        student_t_quantile(len(blocks) - 1) * error
        if error > TOLERANCE * abs(asked.value or 0.0)
        else None
    )


def _jackknife_blocks(groups: Sequence[Group], count: int) -> list[Group]:
    shuffled = list(groups)
    Random(0).shuffle(shuffled)
    return [tuple(chain.from_iterable(shuffled[i::count])) for i in range(count)]


def _subsample_groups(
    asked: _PreparedStatistic, groups: Sequence[Group]
) -> tuple[Sequence[Group], CellTable, Measure]:
    """All groups; of very many unlike ones some, evenly chosen, as a table of their own."""
    if len(groups) <= MAX_JACKKNIFE_GROUPS or len(set(groups)) <= MAX_JACKKNIFE_SAMPLES:
        return groups, asked.table, asked.measure
    tally = Counter(
        chain.from_iterable(some := groups[:: math.ceil(len(groups) / MAX_JACKKNIFE_GROUPS)])
    )
    places = {cell: place for place, cell in enumerate(sorted(tally))}
    table = CellTable(
        tuple(asked.table.cells[cell] for cell in places), tuple(tally[cell] for cell in places), ()
    )
    moved = [tuple(places[cell] for cell in group) for group in some]
    return moved, table, asked.build_measure(table.cells)


def _variance(values: Sequence[tuple[float, int]]) -> float:
    """The mean squared distance from the mean, each value counted so many times."""
    n = sum(times for _, times in values)
    centre = math.fsum(value * times for value, times in values) / n
    return math.fsum(times * (value - centre) ** 2 for value, times in values) / n


def student_t_quantile(freedom: int) -> float:
    """The point that cuts 2.5 % off Student's t, within 0.3 % from 4 degrees on (Abramowitz and Stegun 26.7.5)."""
    z, n = Z95, float(freedom)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    return z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2) + third


def _share_bounds(asked: _PreparedStatistic) -> Interval | None:
    return share_interval(round((asked.value or 0.0) * asked.table.n), asked.table.n)


def _count_bounds(asked: _PreparedStatistic) -> Interval | None:
    n = asked.table.n
    share = share_interval(round(asked.value or 0.0), n)
    return Interval(share.low * n, share.high * n) if share else None


def _mean_bounds(asked: _PreparedStatistic) -> Interval | None:
    return mean_interval(_sorted_values(asked.table))


def _quantile_bounds(asked: _PreparedStatistic) -> Interval | None:
    """Two of the sorted values, between which the quantile lies in 95 % of the samples of any distribution."""
    values, q = _sorted_values(asked.table), asked.options.get("q", 0.5)
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


def _sorted_values(table: CellTable) -> list[float]:
    return [
        value
        for (value,), times in zip(table.cells, table.counts, strict=True)
        for _ in range(times)
    ]


AGREEMENTS = frozenset(agreement.ESTIMATORS) - {
    agreement.accuracy,
    agreement.stdev,
    agreement.quantile,
}
CLOSED_FORM_INTERVALS: Mapping[ColumnStatistic, Callable[[_PreparedStatistic], Interval | None]] = {
    agreement.accuracy: _share_bounds,
    statistics.share: _share_bounds,
    statistics.count: _count_bounds,
    statistics.mean: _mean_bounds,
    statistics.median: _quantile_bounds,
    agreement.quantile: _quantile_bounds,
}


# ── bootstrap ────────────────────────────────────────────────────────────────────────────────────────────────────


def _resampling_groups(table: CellTable, clusters: Clusters | None) -> list[Group]:
    """What is drawn as a whole: each row, or the rows of each cluster; in one order whatever order they came in."""
    if clusters is None:
        return [(cell,) for cell, times in enumerate(table.counts) for _ in range(times)]
    gathered: dict[Hashable, list[int]] = {}
    for row, place in enumerate(table.cell_indexes):
        if place is not None:
            cluster = clusters[row]
            gathered.setdefault(
                (row, True) if is_missing_rating(cluster) else (cluster, False), []
            ).append(place)
    return sorted(tuple(sorted(group)) for group in gathered.values())


def _bootstrap_interval(
    asked: _PreparedStatistic, groups: Sequence[Group], random: Random
) -> Interval | None:
    draws = sorted(value for value in _bootstrap_draws(asked, groups, random) if value is not None)
    if (
        len(draws) < (1 - MAX_UNDEFINED_SHARE) * RESAMPLES
        or draws[-1] - draws[0] < TOLERANCE
        or asked.value is None
    ):
        return None
    below = (
        (bisect_left(draws, asked.value - TOLERANCE) + bisect_right(draws, asked.value + TOLERANCE))
        / 2
        / len(draws)
    )
    tails = (TAIL, 1 - TAIL)
    if 0 < below < 1:
        left_out = [
            (v, times)
            for v, times in _jackknife_values(asked.table, groups, asked.measure)
            if v is not None
        ]
        shift, skew = NORMAL.inv_cdf(below), _acceleration(left_out, len(groups))
        tails = (_bca_tail(TAIL, shift, skew), _bca_tail(1 - TAIL, shift, skew))
    return Interval(*(_interpolate_quantile(draws, tail) for tail in tails))


def _bootstrap_draws(
    asked: _PreparedStatistic, groups: Sequence[Group], random: Random
) -> Iterator[float | None]:
    for _ in range(RESAMPLES):
        counts = [0] * len(asked.table.cells)
        for cell in chain.from_iterable(random.choices(groups, k=len(groups))):
            counts[cell] += 1
        yield asked.measure(counts)


def _interpolate_quantile(draws: Sequence[float], share: float) -> float:
    """The quantile of sorted draws."""
    at = share * (len(draws) - 1)
    low, high = draws[math.floor(at)], draws[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))


def _bca_tail(tail: float, shift: float, skew: float) -> float:
    """The share of the draws to cut off, for the bias and the skewness of the statistic."""
    z = shift + NORMAL.inv_cdf(tail)
    return NORMAL.cdf(shift + z / (1 - skew * z)) if skew * z < 1 else tail


def _jackknife_values(
    table: CellTable, groups: Sequence[Group], measure: Measure
) -> list[tuple[float | None, int]]:
    """The statistic without each group, and how many groups are like it; of very many, some evenly chosen."""
    alike = list(Counter(groups).items())
    found = []
    for group, times in alike[:: math.ceil(len(alike) / MAX_JACKKNIFE_SAMPLES)]:
        counts = list(table.counts)
        for cell in group:
            counts[cell] -= 1
        found.append((measure(counts), times))
    return found


def _acceleration(left_out: Sequence[tuple[float, int]], groups: int) -> float:
    """A sixth of the skewness, of so many groups, of what leaving one out does."""
    n = sum(times for _, times in left_out)
    variance = _variance(left_out) if n else 0.0
    if variance < TOLERANCE * TOLERANCE:
        return 0.0
    centre = math.fsum(value * times for value, times in left_out) / n
    cubes = math.fsum(times * (centre - value) ** 3 for value, times in left_out) / n
    return cubes / (6 * variance * math.sqrt(variance * groups))
