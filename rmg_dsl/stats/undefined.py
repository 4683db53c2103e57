"""Why a statistic cannot be computed, or has no bounds, in words: a number is never made up in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rmg_dsl.stats import agreement
from rmg_dsl.stats.estimators import CellTable

_CORRELATIONS = (agreement.pearson, agreement.spearman, agreement.kendall)


def why_undefined(statistic: Callable[..., Any], table: CellTable) -> str:
    """What the rows lack for a statistic that they do not define.

    >>> from rmg_dsl.stats import estimators
    >>> rows = estimators.DistinctRows.of([(1, 5), (2, 5)])
    >>> why_undefined(agreement.pearson, estimators.tabulate_cells(estimators.pearson_estimator(), rows))
    'the second one does not vary'
    """
    if not table.n:
        return "no row has a value for it"
    if table.n == 1:
        return "one row is too few"
    if statistic is agreement.alpha and any(
        isinstance(v, float) and v < 0 for cell in table.cells for v in cell
    ):
        return "a ratio scale has no values below 0"
    if statistic in _CORRELATIONS and all(len(cell) == len(_SIDES) for cell in table.cells):
        flat = [
            word
            for word, side in zip(_SIDES, zip(*table.cells, strict=True), strict=True)
            if len(set(side)) == 1
        ]
        return f"{flat[0]} does not vary" if len(flat) == 1 else "nothing varies"
    return "all verdicts are the same"


_SIDES = ("the first one", "the second one")


def use_column_names(why: str, names: Sequence[str]) -> str:
    """A reason that speaks of two columns, in their names.

    >>> use_column_names("the second one does not vary", ["judge", "human"])
    '`human` does not vary'
    """
    for side, name in zip(_SIDES, names, strict=False):
        why = why.replace(side, f"`{name}`")
    return why


def why_unbounded(drawn: int, fewest: int, unit: str) -> str:
    """Why there is a value and no bounds.

    >>> why_unbounded(3, 5, "row")
    'bounds need 5 rows, and there are 3'
    """
    if drawn < fewest:
        return f"bounds need {fewest} {unit}s, and there {'is' if drawn == 1 else 'are'} {drawn}"
    return "the rows say too little for bounds"
