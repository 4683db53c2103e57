"""Statistics of a `require`: from the columns of their arguments to an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from rmg_dsl.ir.expr import Statistic
from rmg_dsl.results import Estimate
from rmg_dsl.stats import shares_and_means
from rmg_dsl.stats.label_scale import (
    check_same_kind,
    first_off_scale,
    format_rating,
    labels_of,
    words_to_values,
)
from rmg_dsl.stats.ratings import Ratings, as_rows
from rmg_dsl.stats.undefined import use_column_names

Columns = Sequence[Sequence[Any]]  # the runtime reads the values as what the statistic takes


def estimate_of(term: Statistic, columns: Columns) -> Estimate:
    """The estimate of a statistic from its columns, one for each argument.

    >>> from rmg_dsl.ir.expr import ColumnRef
    >>> from rmg_dsl.ir.statistics import STATISTIC_INPUTS, StatisticSpec
    >>> kappa = StatisticSpec("kappa", STATISTIC_INPUTS["categories"], arity=2)
    >>> term = Statistic(kappa, (ColumnRef("a"), ColumnRef("b")), ("a", "b"))
    >>> estimate_of(term, [["x", "y"], ["x", "x"]]).value
    0.0

    None in a column is a gap. Raises ValueError where the ratings cannot be compared: words beside
    numbers, or a rating that is not on the scale.
    """
    one_pass = _ONE_PASS_ESTIMATES.get(term.function)
    if one_pass is not None:
        return one_pass(columns[0], term.type)
    # Most requirements are means and shares, and do not wait for the other families to load.
    from rmg_dsl.stats.estimates import compute_estimates
    from rmg_dsl.stats.registry import STATISTICS

    options: dict[str, object] = dict(term.options)
    # Correlations compare numbers on any scales; raters must use one.
    if term.spec.compares_ratings:
        columns = _ratings_on_scale(term, columns)
    # The labels of the scale make categories of any values, 0.5 and words with values too.
    if term.needs in ("category", "ordered_category"):
        labels = labels_of(term.type.scale) or term.type.labels
        options["labels"] = labels or None
    statistic = partial(STATISTICS[term.function].compute, **options)
    estimates = compute_estimates({"it": statistic}, as_rows(columns))
    estimate = estimates["it"]
    return estimate._replace(why=use_column_names(estimate.why, term.names))


_ONE_PASS_ESTIMATES = {
    definition.name: definition.one_pass for definition in shares_and_means.STATISTICS
}


def _ratings_on_scale(term: Statistic, columns: Columns) -> list[Ratings]:
    """The ratings of all raters on one scale. Raises ValueError where they can never agree."""
    scored = [words_to_values(column, term.type.scale) for column in columns]
    check_same_kind(scored, term.names)
    for name, column in zip(term.names, scored, strict=True):
        off = first_off_scale(column, term.type)
        if off is not None:
            scale = term.type.scale or term.type
            raise ValueError(f"`{name}` holds {format_rating(off)}, which is not on {scale}")
    return scored
