"""Jackknife intervals: the error of a statistic from its values without one row or group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import chain
from random import Random

from rmg_dsl.stats.cells import CellTable, Group, Measure, Sample
from rmg_dsl.stats.intervals import Z95, Interval, student_t_quantile
from rmg_dsl.stats.ratings import is_missing_rating

Clusters = Sequence[Hashable]

MIN_SAMPLE_UNITS = 5  # rows, or clusters: fewer give no error that can be relied on
MAX_JACKKNIFE_SAMPLES = 400  # more values of the statistic barely sharpen its error
MAX_JACKKNIFE_GROUPS = 1000  # more unlike groups are sampled evenly, and the error scaled down
MAX_COUNTED_CELLS = 100_000  # cells counted for one error: bounds the time of large tables
TOLERANCE = 1e-12


def resampling_groups(table: CellTable, clusters: Clusters | None) -> list[Group]:
    """What is left out or drawn as a whole: each row, or the rows of each cluster.

    The order does not depend on the order of the rows.
    """
    if clusters is None:
        return [(cell,) for cell, times in enumerate(table.counts) for _ in range(times)]
    cells_by_cluster: dict[Hashable, list[int]] = {}
    for row, cell in enumerate(table.cell_indexes):
        if cell is not None:
            key = _cluster_key(clusters[row], row)
            cells_by_cluster.setdefault(key, []).append(cell)
    return sorted(tuple(sorted(cells)) for cells in cells_by_cluster.values())


def _cluster_key(cluster: Hashable, row: int) -> tuple[Hashable, bool]:
    """A row without a cluster is one of its own; the flag keeps its number apart from any name."""
    if is_missing_rating(cluster):
        return row, True
    return cluster, False


# ── intervals of transformed values ──────────────────────────────────────────────────────────────


def agreement_interval(sample: Sample, groups: Sequence[Group]) -> Interval | None:
    """The bounds of an agreement or a correlation, which lies in −1..1 and is 0 by chance."""
    if abs(sample.value or 0.0) > 1 - TOLERANCE:
        return _full_agreement_interval(sample, len(groups))
    return _fisher_z_interval(sample, groups)


def _full_agreement_interval(sample: Sample, drawn: int) -> Interval:
    """The bounds of full agreement, whose jackknife error is 0.

    With a share p of chance verdicts the agreement is 1 − p. Wilson's formula bounds p where none
    of n verdicts is one. A chance verdict shows only where it differs from the true one, so that p
    is divided by how often two rows differ.
    """
    # The chance that two rows differ, from the counts of equal rows.
    n = sample.table.n
    equal_pairs = sum(c * c for c in sample.table.counts)
    differ = 1 - equal_pairs / (n * n)
    # Where all rows are equal nothing is known: the bound is then the least agreement of all.
    hidden = 2.0
    if differ:
        hidden = Z95 * Z95 / (drawn + Z95 * Z95) / differ
    least = max(-1.0, 1 - hidden)
    if sample.value and sample.value > 0:
        return Interval(least, 1.0)
    # A correlation of −1 is the mirror image.
    return Interval(-1.0, -least)


def _fisher_z_interval(sample: Sample, groups: Sequence[Group]) -> Interval | None:
    """The bounds by Fisher's z, whose error is nearly the same at every height."""
    value = sample.value or 0.0
    margin = jackknife_margin(sample, groups)
    if margin is None:
        return None
    z = math.atanh(value)
    # The derivative of atanh carries the error over to z.
    half = margin / (1 - value * value)
    return Interval(math.tanh(z - half), math.tanh(z + half))


# ── the error ────────────────────────────────────────────────────────────────────────────────────


def jackknife_margin(sample: Sample, groups: Sequence[Group]) -> float | None:
    """Student's t times the standard error of a statistic (Tukey 1958).

    Leaves out one group after the other; of very many unlike groups, blocks of groups. The blocks
    are drawn with a fixed seed. None for fewer than `MIN_SAMPLE_UNITS` groups, where the statistic
    is undefined without one of them, and where no group changes it.
    """
    if len(groups) < MIN_SAMPLE_UNITS:
        return None
    sampled, table, measure = _subsample_groups(sample, groups)
    blocks = _affordable_blocks(sampled, table)
    left_out = leave_one_out(table, blocks, measure)
    defined = [(value, times) for value, times in left_out if value is not None]
    # One group alone keeps the statistic from being undefined: it has no reliable error.
    if not defined or len(defined) < len(left_out):
        return None
    # Fewer groups than there are have a larger error: the last factor takes it back.
    scale = (len(blocks) - 1) * weighted_variance(defined)
    error = math.sqrt(scale * len(sampled) / len(groups))
    # No group changes the value, so the rows show no error at all.
    if error <= TOLERANCE * abs(sample.value or 0.0):
        return None
    return student_t_quantile(len(blocks) - 1) * error


def _affordable_blocks(groups: Sequence[Group], table: CellTable) -> Sequence[Group]:
    """The groups themselves, or blocks of them where all would take too much time."""
    if len(set(groups)) <= MAX_JACKKNIFE_SAMPLES:
        return groups
    count = min(MAX_JACKKNIFE_SAMPLES, MAX_COUNTED_CELLS // len(table.cells))
    # The groups are sorted: evenly spaced ones would make blocks that are more alike than chance
    # makes them, and the error too small.
    shuffled = list(groups)
    Random(0).shuffle(shuffled)
    blocks = (shuffled[i::count] for i in range(count))
    return [tuple(chain.from_iterable(block)) for block in blocks]


def _subsample_groups(
    sample: Sample, groups: Sequence[Group]
) -> tuple[Sequence[Group], CellTable, Measure]:
    """All groups; of very many unlike ones an even selection, as a table of its own."""
    if len(groups) <= MAX_JACKKNIFE_GROUPS or len(set(groups)) <= MAX_JACKKNIFE_SAMPLES:
        return groups, sample.table, sample.measure
    step = math.ceil(len(groups) / MAX_JACKKNIFE_GROUPS)
    chosen = groups[::step]
    # The cells that the chosen groups hold, renumbered without gaps.
    tally = Counter(chain.from_iterable(chosen))
    places = {cell: place for place, cell in enumerate(sorted(tally))}
    cells = tuple(sample.table.cells[cell] for cell in places)
    counts = tuple(tally[cell] for cell in places)
    table = CellTable(cells, counts, ())
    renumbered = [tuple(places[cell] for cell in group) for group in chosen]
    return renumbered, table, sample.build_measure(cells)


def leave_one_out(
    table: CellTable, groups: Sequence[Group], measure: Measure
) -> list[tuple[float | None, int]]:
    """The statistic without each distinct group, and how many groups are equal to it.

    Of very many distinct groups only an even selection is left out.
    """
    # Equal groups give equal values: with categories this saves nearly all of the work.
    distinct = list(Counter(groups).items())
    step = math.ceil(len(distinct) / MAX_JACKKNIFE_SAMPLES)
    values: list[tuple[float | None, int]] = []
    for group, times in distinct[::step]:
        counts = list(table.counts)
        for cell in group:
            counts[cell] -= 1
        values.append((measure(counts), times))
    return values


def weighted_mean(values: Sequence[tuple[float, int]]) -> float:
    """The mean of values, each with the number of its occurrences."""
    n = sum(times for _, times in values)
    return math.fsum(value * times for value, times in values) / n


def weighted_variance(values: Sequence[tuple[float, int]]) -> float:
    """The mean squared distance from the mean, each value with the number of its occurrences."""
    n = sum(times for _, times in values)
    centre = weighted_mean(values)
    return math.fsum(times * (value - centre) ** 2 for value, times in values) / n
