"""Why a statistic has no value, or no bounds, in words: no number stands in its place."""

from __future__ import annotations

from collections.abc import Sequence

from rmg_dsl.stats.cells import CellTable, Options
from rmg_dsl.stats.definition import StatisticDefinition

NO_ROW = "no row has a value for it"
COLUMN_WORDS = ("the first one", "the second one")


def why_undefined(definition: StatisticDefinition, table: CellTable, options: Options) -> str:
    """Why a statistic is undefined for these rows.

    >>> from rmg_dsl.stats.cells import DistinctRows, tabulate_cells
    >>> from rmg_dsl.stats.registry import STATISTICS
    >>> pearson = STATISTICS["pearson"]
    >>> table = tabulate_cells(pearson.estimator(), DistinctRows.of([(1, 5), (2, 5)]))
    >>> why_undefined(pearson, table, {})
    'the second one does not vary'
    """
    if not table.n:
        return NO_ROW
    if table.n == 1:
        return "one row is too few"
    return definition.undefined_reason(table, options)


def use_column_names(why: str, names: Sequence[str]) -> str:
    """Replace the words for two columns in a reason by the names of the columns.

    >>> use_column_names("the second one does not vary", ["judge", "human"])
    '`human` does not vary'
    """
    for words, name in zip(COLUMN_WORDS, names, strict=False):
        why = why.replace(words, f"`{name}`")
    return why


def why_unbounded(drawn: int, fewest: int, unit: str) -> str:
    """Why there is a value without bounds, given the number of rows or groups that were drawn.

    >>> why_unbounded(3, 5, "row")
    'bounds need 5 rows, and there are 3'
    """
    if drawn >= fewest:
        return "the rows say too little for bounds"
    verb = "is" if drawn == 1 else "are"
    return f"bounds need {fewest} {unit}s, and there {verb} {drawn}"


def why_equal(n: int, fewest: int) -> str:
    """Why so few equal values have no bounds.

    >>> why_equal(2, 20)
    'all 2 values are the same, which needs 20 rows for bounds'
    """
    return f"all {n} values are the same, which needs {fewest} rows for bounds"
