"""How far raters agree: statistics of two raters, of several, and of one column. None among the ratings is a gap.

Each gives None, never NaN and never an error, where it is undefined, and says where that is. A rating of the wrong
kind (a text for a correlation, a mean of 3.33 for `kappa`) is a `ValueError`. Categories are whole numbers, bools and
texts: True is 1, False is 0, 4.0 is 4, and a text never equals a number. With `labels`, the labels of a scale in their
order, any number or text may be a category (0, 0.5, 1), and one that is no label of the scale is a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from rmg_dsl.stats import estimators
from rmg_dsl.stats.estimators import Estimator, apply_estimator

Ratings = Sequence[object]
Weights = Literal["quadratic", "linear"]
MeasurementLevel = Literal["nominal", "ordinal", "interval", "ratio"]


# ── one column ───────────────────────────────────────────────────────────────────────────────────────────────────


def stdev(values: Ratings) -> float | None:
    """The standard deviation of a sample: the squares are divided by their number less one.

    >>> stdev([2, 4, None, 6]), stdev([1])
    (2.0, None)

    0 or more, in the unit of the values; a bool counts as 1 or 0. None for fewer than two values.
    """
    return apply_estimator(estimators.stdev_estimator(), [values])


def quantile(values: Ratings, q: float) -> float | None:
    """The value below which the share q of the values lies, by linear interpolation between neighbours.

    >>> quantile([1, 2, None, 3, 4], 0.5), quantile([], 0.5)
    (2.5, None)

    The least value at q = 0, the greatest at 1; None without values; q outside 0..1 is a `ValueError`. Definition 7 of
    Hyndman and Fan (1996), which is numpy's default.
    """
    return apply_estimator(estimators.quantile_estimator(q), [values])


# ── two raters ───────────────────────────────────────────────────────────────────────────────────────────────────


def accuracy(a: Ratings, b: Ratings, *, labels: Ratings | None = None) -> float | None:
    """The share of rows on which both say the same.

    >>> accuracy(["yes", "no", None, "no"], ["yes", "no", "yes", "yes"]) == 2 / 3
    True

    0 to 1; rows with a gap are left out. None where no row is left.
    """
    return apply_estimator(estimators.accuracy_estimator(labels), [a, b])


def kappa(a: Ratings, b: Ratings, *, labels: Ratings | None = None) -> float | None:
    """Cohen's kappa: how much more often two raters say the same than by chance, all differences counting alike.

    >>> kappa([1, 1, 2, 2, None], [1, 1, 2, 1, 2])
    0.5

    1 is full agreement, 0 that of chance, −1 the least. Rows with a gap are left out. None for fewer than two rows, and
    where chance alone agrees always: both raters give one and the same category. 0 where only one of them is constant.
    Cohen, "A coefficient of agreement for nominal scales" (1960).
    """
    return apply_estimator(estimators.kappa_estimator(labels), [a, b])


def weighted_kappa(
    a: Ratings, b: Ratings, weights: Weights = "quadratic", *, labels: Ratings | None = None
) -> float | None:
    """Cohen's kappa of ordered categories, where a difference counts by its distance or the distance's square.

    >>> weighted_kappa([1, 2, 3, 3], [1, 2, 3, 2]), weighted_kappa([1, 2, 3, 3], [1, 2, 3, 2], weights="linear")
    (0.8, 0.7142857142857143)

    The distance is in places among the categories that occur. A scale with categories that nobody gave has more places:
    name them all with `labels=[1, 2, 3, 4, 5]`. −1 to 1; rows with a gap are left out. None for fewer than two rows,
    and where both raters give one and the same category. Without `labels` a text is a `ValueError`: it has no order.
    Cohen, "Weighted kappa" (1968).
    """
    return apply_estimator(estimators.weighted_kappa_estimator(weights, labels), [a, b])


def pearson(a: Ratings, b: Ratings) -> float | None:
    """Pearson's correlation: how nearly one column is a straight line of the other.

    >>> pearson([1, 2, 3, None], [2, 4, 6, 8]), pearson([1, 2, 3], [5, 5, 5])
    (1.0, None)

    −1 to 1; rows with a gap are left out. None for fewer than two rows and where a column does not vary.
    """
    return apply_estimator(estimators.pearson_estimator(), [a, b])


def spearman(a: Ratings, b: Ratings) -> float | None:
    """Spearman's rank correlation: how nearly one column rises with the other. Ties share their mean rank.

    >>> spearman([1, 2, 3, None], [10, 100, 1000, 1]), spearman([1, 2], [5, 5])
    (1.0, None)

    −1 to 1; rows with a gap are left out. None for fewer than two rows and where a column does not vary.
    Spearman, "The proof and measurement of association between two things" (1904).
    """
    return apply_estimator(estimators.spearman_estimator(), [a, b])


def kendall(a: Ratings, b: Ratings) -> float | None:
    """Kendall's tau-b: pairs of rows that both put in the same order less those in opposite order, corrected for ties.

    >>> kendall([1, 2, 3, None], [1, 3, 2, 4]), kendall([1, 1], [1, 2])
    (0.3333333333333333, None)

    −1 to 1; rows with a gap are left out. None for fewer than two rows and where a column does not vary.
    Kendall, "The treatment of ties in ranking problems" (1945).
    """
    return apply_estimator(estimators.kendall_estimator(), [a, b])


# ── several raters ───────────────────────────────────────────────────────────────────────────────────────────────


def alpha(
    *raters: Ratings, level: MeasurementLevel = "nominal", labels: Ratings | None = None
) -> float | None:
    """Krippendorff's alpha: the agreement of two raters or more, each of whom may have rated only some of the units.

    >>> round(alpha([1, 2, 3, None], [1, 2, 4, 4], [None, 2, 3, 4]), 3)
    0.757

    `level` says what a difference is: none or all (nominal), of ranks (ordinal), of values (interval), of values over
    their sum (ratio). At most 1; 0 is chance; below 0 is worse. Units with fewer than two ratings are left out. None
    for fewer than two units, where all ratings are the same, and for values below 0 on `ratio`. Without `labels` texts
    are for `nominal` only; with them the places of the labels are the values.
    Krippendorff, "Computing Krippendorff's alpha-reliability" (2011).
    """
    _check_two_raters(raters)
    return apply_estimator(estimators.alpha_estimator(level, labels), raters)


def fleiss(*raters: Ratings, labels: Ratings | None = None) -> float | None:
    """Fleiss' kappa: the agreement of two raters or more in categories, where the raters may differ by unit.

    >>> fleiss([1, 2, 2], [1, 2, 1], [1, 2, None])
    1.0

    At most 1; 0 is chance. Units with a gap are left out: `alpha` uses them. None for fewer than two units and where
    all ratings are the same. For two raters it is Scott's pi, not `kappa`.
    Fleiss, "Measuring nominal scale agreement among many raters" (1971).
    """
    _check_two_raters(raters)
    return apply_estimator(estimators.fleiss_estimator(len(raters), labels), raters)


def _check_two_raters(raters: Sequence[Ratings]) -> None:
    if len(raters) < 2:
        raise ValueError("agreement is between two raters or more")


ESTIMATORS: Mapping[Callable[..., float | None], Callable[..., Estimator]] = {
    accuracy: estimators.accuracy_estimator,
    kappa: estimators.kappa_estimator,
    weighted_kappa: estimators.weighted_kappa_estimator,
    pearson: estimators.pearson_estimator,
    spearman: estimators.spearman_estimator,
    kendall: estimators.kendall_estimator,
    alpha: estimators.alpha_estimator,
    fleiss: estimators.fleiss_estimator,
    stdev: estimators.stdev_estimator,
    quantile: estimators.quantile_estimator,
}
