"""How far two raters agree on categories: accuracy and Cohen's kappas.

None among the ratings is a gap. A statistic gives None, never NaN and never an error, where it is
undefined. A rating of the wrong kind (a mean of 3.33 for `kappa`) is a ValueError. Categories are
whole numbers, bools and texts: True is 1, False is 0, 4.0 is 4, and a text never equals a number.
With `labels`, the labels of a scale in their order, any number or text may be a category (0, 0.5,
1), and one that is no label of the scale is a ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, compress
from operator import mul

from rmg_dsl.ir.statistics import KAPPA_WEIGHTS, KappaWeights
from rmg_dsl.stats.cells import (
    Cell,
    Counts,
    Estimator,
    Group,
    Labels,
    Measure,
    Sample,
    apply_estimator,
    read_categories,
    read_numeric_categories,
)
from rmg_dsl.stats.definition import StatisticDefinition, TableEntry, check_option_word
from rmg_dsl.stats.intervals import Interval, share_interval
from rmg_dsl.stats.jackknife import TOLERANCE, agreement_interval, jackknife_margin
from rmg_dsl.stats.ratings import Ratings, sort_categories
from rmg_dsl.stats.shares_and_means import share_closed_form

_MAX_EXPONENT = 700.0  # `exp` of more overflows

PlacePair = tuple[int, int]


def accuracy(a: Ratings, b: Ratings, *, labels: Labels = None) -> float | None:
    """The share of rows on which both say the same.

    >>> accuracy(["yes", "no", None, "no"], ["yes", "no", "yes", "yes"]) == 2 / 3
    True

    0 to 1; rows with a gap are left out. None where no row is left.
    """
    return apply_estimator(accuracy_estimator(labels), [a, b])


def kappa(a: Ratings, b: Ratings, *, labels: Labels = None) -> float | None:
    """Cohen's kappa: the agreement of two raters beyond chance, where all differences count alike.

    >>> kappa([1, 1, 2, 2, None], [1, 1, 2, 1, 2])
    0.5

    1 is full agreement, 0 that of chance, −1 the least. Rows with a gap are left out. None for
    fewer than two rows, and where chance alone agrees always: both raters give one and the same
    category. 0 where only one of them is constant. Cohen, "A coefficient of agreement for nominal
    scales" (1960).
    """
    return apply_estimator(kappa_estimator(labels), [a, b])


def weighted_kappa(
    a: Ratings, b: Ratings, weights: KappaWeights = "quadratic", *, labels: Labels = None
) -> float | None:
    """Cohen's kappa of ordered categories, where a difference counts by its distance or its square.

    >>> a, b = [1, 2, 3, 3], [1, 2, 3, 2]
    >>> weighted_kappa(a, b), weighted_kappa(a, b, weights="linear")
    (0.8, 0.7142857142857143)

    The distance is in places among the categories that occur. A scale with categories that nobody
    gave has more places: name them all with `labels=[1, 2, 3, 4, 5]`. −1 to 1; rows with a gap are
    left out. None for fewer than two rows, and where both raters give one and the same category.
    Without `labels` a text is a ValueError: it has no order. Cohen, "Weighted kappa" (1968).
    """
    return apply_estimator(weighted_kappa_estimator(weights, labels), [a, b])


def accuracy_estimator(labels: Labels = None) -> Estimator:
    """The estimator of `accuracy`."""
    return Estimator(read_categories, _accuracy_measure, labels)


def kappa_estimator(labels: Labels = None) -> Estimator:
    """The estimator of `kappa`."""
    return Estimator(read_categories, _kappa_measure, labels)


def weighted_kappa_estimator(
    weights: KappaWeights = "quadratic", labels: Labels = None
) -> Estimator:
    """The estimator of `weighted_kappa`."""
    check_option_word("weights", weights, KAPPA_WEIGHTS)
    if labels is None:
        measure = partial(_weighted_kappa_measure, weights=weights)
        return Estimator(read_numeric_categories, measure)
    measure = partial(_weighted_kappa_measure, weights=weights, size=len(labels))
    return Estimator(read_categories, measure, labels)


# ── over cells ───────────────────────────────────────────────────────────────────────────────────


def _accuracy_measure(cells: Sequence[Cell]) -> Measure:
    is_same = [a == b for a, b in cells]

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        if not n:
            return None
        return sum(compress(counts, is_same)) / n

    return measure


def _kappa_measure(cells: Sequence[Cell]) -> Measure:
    """In whole numbers up to the last division, so that equal tables give equal floats."""
    places, size = _category_places(cells)
    is_same = [i == j for i, j in places]

    def measure(counts: Counts) -> float | None:
        first, second = _margins(places, counts, size)
        n = sum(first)
        agreed = sum(compress(counts, is_same))
        # Both agree by chance as often as the products of their margins say.
        chance: int = sum(map(mul, first, second))
        if n < 2 or chance == n * n:
            return None
        return (n * agreed - chance) / (n * n - chance)

    return measure


def _weighted_kappa_measure(
    cells: Sequence[Cell], weights: KappaWeights, size: int | None = None
) -> Measure:
    """The measure of cells of places on a scale with `size` labels; without a size, of categories.

    Without a size the places are those among the categories that occur.
    """
    if size is None:
        places, size = _category_places(cells)
    else:
        places = [(int(a), int(b)) for a, b in cells]
    if weights == "quadratic":
        power, chance_distance = 2, _squared_distance_by_chance
    else:
        power, chance_distance = 1, _distance_by_chance
    # The distances are computed once; each resample changes the counts only.
    distances = [abs(i - j) ** power for i, j in places]

    def measure(counts: Counts) -> float | None:
        first, second = _margins(places, counts, size)
        n = sum(first)
        chance = chance_distance(first, second)
        observed: int = n * sum(map(mul, counts, distances))
        if n < 2 or not chance:
            return None
        return (chance - observed) / chance

    return measure


def _squared_distance_by_chance(first: Counts, second: Counts) -> int:
    """The sum of a[i] × b[j] × (i − j)²."""
    # (i − j)² is i² + j² − 2ij, so that three sums over single places are enough.
    a, a2 = _moments(first)
    b, b2 = _moments(second)
    return sum(second) * a2 + sum(first) * b2 - 2 * a * b


def _moments(margin: Counts) -> tuple[int, int]:
    """The sums of the places and of their squares."""
    total = sum(i * c for i, c in enumerate(margin))
    squares = sum(i * i * c for i, c in enumerate(margin))
    return total, squares


def _distance_by_chance(first: Counts, second: Counts) -> int:
    """The sum of a[i] × b[j] × |i − j|: each step of the scale counts for the pairs around it."""
    # |i − j| is the number of steps between the two, so the sum goes step by step: linear time.
    n, m = sum(first), sum(second)
    below = zip(accumulate(first), accumulate(second), strict=True)
    return sum(a * (m - b) + b * (n - a) for a, b in below)


def _category_places(cells: Sequence[Cell]) -> tuple[list[PlacePair], int]:
    """The cells as places among the sorted categories that occur, and how many places there are."""
    # The order of the places matters to the weighted kappa only.
    union = sort_categories(value for cell in cells for value in cell)
    place = {value: i for i, value in enumerate(union)}
    pairs = [(place[a], place[b]) for a, b in cells]
    return pairs, len(union)


def _margins(places: Sequence[PlacePair], counts: Counts, size: int) -> tuple[list[int], list[int]]:
    """How often each rater gave each category."""
    # The margins change with the counts, so that each resample has its own chance agreement.
    first = [0] * size
    second = [0] * size
    for (i, j), c in zip(places, counts, strict=True):
        first[i] += c
        second[j] += c
    return first, second


# ── definitions ──────────────────────────────────────────────────────────────────────────────────


def _log_odds_interval(sample: Sample, groups: Sequence[Group]) -> Interval | None:
    """The bounds of a share by the logarithm of its odds, which keeps them within 0..1.

    All or none have Wilson's bounds of so many groups, for their odds have no logarithm.
    """
    value = sample.value or 0.0
    n = len(groups)
    if not TOLERANCE < value < 1 - TOLERANCE:
        return share_interval(round(value) * n, n)
    margin = jackknife_margin(sample, groups)
    if margin is None:
        return None
    log_odds = math.log(value / (1 - value))
    # The derivative of the log odds carries the error over to them.
    half = margin / (value * (1 - value))
    low = _share_of_log_odds(log_odds - half)
    high = _share_of_log_odds(log_odds + half)
    return Interval(low, high)


def _share_of_log_odds(log_odds: float) -> float:
    exponent = min(-log_odds, _MAX_EXPONENT)
    return 1 / (1 + math.exp(exponent))


STATISTICS = (
    StatisticDefinition(
        "accuracy",
        accuracy,
        accuracy_estimator,
        closed_form=share_closed_form,
        interval=_log_odds_interval,
        table_entries=(TableEntry("accuracy", "category"),),
        lowest=0.0,
    ),
    StatisticDefinition(
        "kappa",
        kappa,
        kappa_estimator,
        interval=agreement_interval,
        table_entries=(TableEntry("kappa", "category"),),
    ),
    StatisticDefinition(
        "weighted_kappa",
        weighted_kappa,
        weighted_kappa_estimator,
        interval=agreement_interval,
        table_entries=(
            TableEntry("weighted_kappa", "ordered_category"),
            TableEntry("weighted_kappa_linear", "ordered_category", options={"weights": "linear"}),
        ),
    ),
)
