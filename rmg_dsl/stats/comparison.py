"""Raters side by side: an agreement table of every pair of them and of all together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations

from rmg_dsl.ir.suite import ValidationLevel
from rmg_dsl.stats.definition import (
    ColumnStatistic,
    RaterSet,
    RatingNeed,
    StatisticDefinition,
    TableEntry,
)
from rmg_dsl.stats.grouping import estimates_at_level
from rmg_dsl.stats.jackknife import Clusters
from rmg_dsl.stats.label_scale import check_same_kind
from rmg_dsl.stats.ratings import Ratings, as_rows, categories_or_none, numbers_or_none
from rmg_dsl.stats.registry import STATISTICS
from rmg_dsl.stats.undefined import use_column_names

AGREEMENT_COLUMNS = ("raters", "statistic", "n", "value", "low", "high", "why")
MAX_RATIO_VALUES = 1000  # distinct values: `ratio` takes the square of their number

TableRow = dict[str, str | int | float | None]
NamedColumnStatistics = dict[str, ColumnStatistic]


@dataclass(frozen=True, slots=True)
class RatingProperties:
    """What some ratings are: categories, numbers, in an order, and on a ratio scale.

    `labels` are the labels of the scale in order, where they are known.
    """

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
        """What the ratings show. Raises ValueError where they are neither categories nor numbers.

        >>> RatingProperties.of([[1, 2.5], [2, None]]).is_categorical
        False
        >>> RatingProperties.of([["a"], ["b"]]).is_numeric
        False
        """
        categorical = labels is not None or categories_or_none(chain(*columns)) is not None
        numbers = numbers_or_none(chain(*columns))
        if not categorical and numbers is None:
            raise ValueError("ratings are numbers, or texts and whole numbers; these are neither")
        distinct = set(numbers or ())
        # The ratio metric needs values from 0 on.
        least = min(distinct, default=0.0)
        is_ratio = least >= 0 and len(distinct) <= MAX_RATIO_VALUES
        return cls(categorical, numbers is not None, ordered, is_ratio, labels)

    def satisfies(self, need: RatingNeed) -> bool:
        """May a statistic with this need be computed of the ratings?

        >>> RatingProperties(is_categorical=True, is_numeric=False).satisfies("number")
        False
        """
        is_number = self.is_ordered and self.is_numeric
        # Labels of a scale give texts an order.
        has_order = is_number or (self.is_ordered and self.labels is not None)
        match need:
            case "category":
                return self.is_categorical
            case "ordered_category":
                return self.is_categorical and has_order
            case "order":
                return has_order
            case "number":
                return is_number
            case "ratio":
                return is_number and self.is_ratio

    def pair_statistics(self) -> NamedColumnStatistics:
        """The statistics of two raters, by name."""
        return self._statistics_for("pair")

    def joint_statistics(self) -> NamedColumnStatistics:
        """The statistics of two raters or more together, by name."""
        return self._statistics_for("all")

    def correlations(self) -> NamedColumnStatistics:
        """The statistics that compare numbers on any scales, by name; none for texts."""
        if not self.is_numeric:
            return {}
        return {
            entry.label: definition.compute
            for definition, entry in _table_entries("pair")
            if entry.needs == "number"
        }

    def _statistics_for(self, raters: RaterSet) -> NamedColumnStatistics:
        return {
            entry.label: self._with_options(definition, entry)
            for definition, entry in _table_entries(raters)
            if self.satisfies(entry.needs)
        }

    def _with_options(self, definition: StatisticDefinition, entry: TableEntry) -> ColumnStatistic:
        if entry.takes_labels:
            return partial(definition.compute, **entry.options, labels=self.labels)
        return partial(definition.compute, **entry.options)


def _table_entries(
    raters: RaterSet,
) -> Iterator[tuple[StatisticDefinition, TableEntry]]:
    # The order of the registry is the order of the table.
    for definition in STATISTICS.values():
        for entry in definition.table_entries:
            if entry.of == raters:
                yield definition, entry


def agreement_table(
    columns: Mapping[str, Ratings],
    *,
    labels: Sequence[object] | None = None,
    ordered: bool = True,
    clusters: Clusters | None = None,
    level: ValidationLevel = "pooled",
    seed: int = 0,
) -> list[TableRow]:
    """Every agreement that the columns allow, of each two and of all together, with 95 % bounds.

    >>> verdicts = {"judge": [1, 0, 1, 1, 0, 0], "ann": [1, 0, 1, 0, 0, None]}
    >>> for row in agreement_table(verdicts)[:2]:
    ...     print(row["raters"], row["statistic"], row["n"], round(row["value"], 3))
    judge, ann accuracy 5 0.8
    judge, ann kappa 5 0.615

    Each row has `AGREEMENT_COLUMNS`. `n` counts the rows that a statistic rests on; at another
    `level` (see `estimates_at_level`) it counts groups. A value of None is undefined, and `why`
    says why.

    Categories have accuracy and kappa, and together nominal alpha and Fleiss' kappa. Numbers have
    the correlations and the other levels of alpha; `ratio` needs values from 0 on, at most 1,000
    distinct ones. Numbers that are categories have the weighted kappas too. At `system` there are
    the correlations alone.

    `labels`, the labels of the scale in order, makes any ratings ordered categories.
    `ordered=False` makes numbers plain codes. Raises ValueError for fewer than two columns, for a
    rating that is neither number nor text, and for a column of texts beside one of numbers.
    """
    if len(columns) < 2:
        raise ValueError("agreement is between two columns or more")
    # Checked for all columns first: a single pair would report only its own two.
    check_same_kind([*columns.values()], [*columns])
    table: list[TableRow] = []
    for names, is_pair in _rater_sets([*columns]):
        ratings = [columns[name] for name in names]
        properties = RatingProperties.of(ratings, labels, ordered)
        named = statistics_at_level(level, properties, pair=is_pair)
        estimates = estimates_at_level(level, named, as_rows(ratings), clusters, seed=seed)
        for name, estimate in estimates.items():
            row: TableRow = {"raters": ", ".join(names), "statistic": name}
            row |= estimate._asdict()
            # The reason of the estimate speaks of a first and a second column.
            row["why"] = use_column_names(estimate.why, names)
            table.append(row)
    return table


def _rater_sets(names: Sequence[str]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each pair of raters, then all together; and whether it is a pair."""
    for pair in combinations(names, 2):
        yield pair, True
    yield tuple(names), False


def statistics_at_level(
    level: ValidationLevel, properties: RatingProperties, *, pair: bool
) -> NamedColumnStatistics:
    """The statistics that make sense at a level: the means of groups have correlations alone."""
    if level == "system":
        # Means of groups are no verdicts, so only their order and spread can be compared.
        return properties.correlations() if pair else {}
    if pair:
        return properties.pair_statistics()
    return properties.joint_statistics()
