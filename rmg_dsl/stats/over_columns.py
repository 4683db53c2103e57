"""The functions of a `require` that look at whole columns: agreement, correlation, and the spread of one column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rmg_dsl.ir.expr import Statistic
from rmg_dsl.results import Estimate
from rmg_dsl.stats import agreement, statistics
from rmg_dsl.stats.intervals import ColumnStatistic, compute_estimates
from rmg_dsl.stats.label_scale import (
    check_same_kind,
    first_off_scale,
    format_rating,
    labels_of,
    words_to_values,
)
from rmg_dsl.stats.ratings import as_rows
from rmg_dsl.stats.undefined import use_column_names

Columns = Sequence[Sequence[Any]]

_NUMERIC_STATISTICS = ("pearson", "spearman", "kendall")


def estimate_of_columns(term: Statistic, columns: Columns) -> Estimate:
    """The statistic of these columns with its bounds; raises ValueError where they cannot be compared."""
    given = (
        columns
        if len(columns) == 1 or term.function in _NUMERIC_STATISTICS
        else _ratings_on_scale(term, columns)
    )
    found = compute_estimates({"it": _statistic_function(term)}, as_rows(given))["it"]
    return found._replace(why=use_column_names(found.why, term.names))


def _ratings_on_scale(term: Statistic, columns: Columns) -> Columns:
    """The ratings of all on one scale; raises ValueError for what can never agree."""
    scored = [words_to_values(column, term.type.scale) for column in columns]
    check_same_kind(scored, term.names)
    for name, column in zip(term.names, scored, strict=True):
        if (off := first_off_scale(column, term.type)) is not None:
            raise ValueError(
                f"`{name}` holds {format_rating(off)}, which is not on {term.type.scale or term.type}"
            )
    return scored


def _statistic_function(term: Statistic) -> ColumnStatistic:
    options: dict[str, Any] = dict(term.options)
    if term.function == "median":
        return statistics.median
    if (
        term.function in ("accuracy", "kappa", "weighted_kappa", "fleiss")
        or options.get("level") == "nominal"
    ):
        options["labels"] = labels_of(term.type.scale) or term.type.labels or None
    return partial(_STATISTICS[term.function], **options)


_STATISTICS: Mapping[str, ColumnStatistic] = {each.__name__: each for each in agreement.ESTIMATORS}
