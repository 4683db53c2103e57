"""Raters side by side: which statistics their ratings allow, and the table of every pair and of all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations
from typing import Any

from rmg_dsl.ir.suite import ValidationLevel
from rmg_dsl.stats.agreement import (
    Ratings,
    accuracy,
    alpha,
    fleiss,
    kappa,
    kendall,
    pearson,
    spearman,
    weighted_kappa,
)
from rmg_dsl.stats.grouping import estimates_at_level
from rmg_dsl.stats.intervals import Clusters, ColumnStatistic
from rmg_dsl.stats.label_scale import check_same_kind
from rmg_dsl.stats.ratings import as_rows, categories_or_none, numbers_or_none
from rmg_dsl.stats.undefined import use_column_names

AGREEMENT_COLUMNS = ("raters", "statistic", "n", "value", "low", "high", "why")
MAX_RATIO_VALUES = 1000  # distinct values: `ratio` takes the square of their number
_CORRELATIONS: Mapping[str, ColumnStatistic] = {
    "pearson": pearson,
    "spearman": spearman,
    "kendall": kendall,
}


@dataclass(frozen=True, slots=True)
class RatingProperties:
    """What some ratings are: categories (of these labels, where they are known), numbers, one above the other."""

    is_categorical: bool
    is_numeric: bool
    is_ordered: bool = True
    is_ratio: bool = False
    labels: Sequence[object] | None = None

    @classmethod
    def of(
        cls,
        columns: Sequence[Ratings],
        labels: Sequence[object] | None = None,
        ordered: bool = True,
    ) -> RatingProperties:
        """What the ratings themselves say. Raises ValueError where they are neither categories nor numbers.

        >>> RatingProperties.of([[1, 2.5], [2, None]]).is_categorical, RatingProperties.of([["a"], ["b"]]).is_numeric
        (False, False)
        """
        categorical = labels is not None or categories_or_none(chain(*columns)) is not None
        numbers = numbers_or_none(chain(*columns))
        if not categorical and numbers is None:
            raise ValueError("ratings are numbers, or texts and whole numbers; these are neither")
        distinct = set(numbers or ())
        ratio = min(distinct, default=0.0) >= 0 and len(distinct) <= MAX_RATIO_VALUES
        return cls(categorical, numbers is not None, ordered, ratio, labels)

    def pair_statistics(self) -> dict[str, ColumnStatistic]:
        """The statistics of two raters, by name."""
        wanted: dict[str, ColumnStatistic] = {}
        if self.is_categorical:
            wanted |= {
                "accuracy": partial(accuracy, labels=self.labels),
                "kappa": partial(kappa, labels=self.labels),
            }
        if self.is_categorical and self.is_ordered and (self.is_numeric or self.labels is not None):
            wanted["weighted_kappa"] = partial(weighted_kappa, labels=self.labels)
            wanted["weighted_kappa_linear"] = partial(
                weighted_kappa, weights="linear", labels=self.labels
            )
        return wanted | (self.correlations() if self.is_ordered else {})

    def joint_statistics(self) -> dict[str, ColumnStatistic]:
        """The statistics of two raters or more together, by name."""
        nominal, places = (
            partial(alpha, labels=self.labels),
            partial(alpha, level="ordinal", labels=self.labels),
        )
        wanted: dict[str, ColumnStatistic] = (
            {"alpha_nominal": nominal} if self.is_categorical else {}
        )
        if self.is_ordered and (self.is_numeric or self.labels is not None):
            wanted["alpha_ordinal"] = places
        if self.is_ordered and self.is_numeric:
            wanted["alpha_interval"] = partial(alpha, level="interval")
            wanted |= {"alpha_ratio": partial(alpha, level="ratio")} if self.is_ratio else {}
        return wanted | (
            {"fleiss": partial(fleiss, labels=self.labels)} if self.is_categorical else {}
        )

    def correlations(self) -> dict[str, ColumnStatistic]:
        """What says whether numbers rise together, whatever their scales are."""
        return dict(_CORRELATIONS) if self.is_numeric else {}


def agreement_table(
    columns: Mapping[str, Ratings],
    *,
    labels: Sequence[object] | None = None,
    ordered: bool = True,
    clusters: Clusters | None = None,
    level: ValidationLevel = "pooled",
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Every agreement that the columns allow, of each two and of all together, with the rows and the 95 % bounds.

    >>> for row in agreement_table({"judge": [1, 0, 1, 1, 0, 0], "ann": [1, 0, 1, 0, 0, None]})[:2]:
    ...     print(row["raters"], row["statistic"], row["n"], round(row["value"], 3))
    judge, ann accuracy 5 0.8
    judge, ann kappa 5 0.615

    Rows of `AGREEMENT_COLUMNS`; `n` counts the rows that a statistic rests on, or at another `level` (see
    `estimates_at`) the groups; None is undefined, and `why` says why. Categories have accuracy and kappa, and together
    nominal alpha and Fleiss' kappa; numbers have the correlations and the other levels of alpha (`ratio` without values
    below 0, of at most 1,000 distinct ones); numbers that are categories have the weighted kappas too. `labels`, the
    labels of the scale in order, makes any ratings ordered categories; `ordered=False` makes numbers plain codes. At
    `system` there are the correlations alone. Fewer than two columns are a `ValueError`, and so are a rating that is
    neither number nor text, and a column of texts beside one of numbers.
    """
    if len(columns) < 2:
        raise ValueError("agreement is between two columns or more")
    check_same_kind([*columns.values()], [*columns])
    jobs = [(names, True) for names in combinations(columns, 2)] + [(tuple(columns), False)]
    found: list[dict[str, Any]] = []
    for names, pair in jobs:
        together = [columns[name] for name in names]
        wanted = statistics_at_level(
            level, RatingProperties.of(together, labels, ordered), pair=pair
        )
        estimates = estimates_at_level(level, wanted, as_rows(together), clusters, seed=seed)
        for name, each in estimates.items():
            about = {"raters": ", ".join(names), "statistic": name}
            found.append({**about, **each._asdict(), "why": use_column_names(each.why, names)})
    return found


def statistics_at_level(
    level: ValidationLevel, kinds: RatingProperties, *, pair: bool
) -> dict[str, ColumnStatistic]:
    """The statistics that make sense at a level: means of groups are numbers that only rise and fall together."""
    if level == "system":
        return kinds.correlations() if pair else {}
    return kinds.pair_statistics() if pair else kinds.joint_statistics()
