"""The functions of a `require` over the rows of a run: from the columns of their arguments to an estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rmg_dsl.ir.expr import Statistic
from rmg_dsl.ir.types import Type
from rmg_dsl.results import Estimate
from rmg_dsl.stats import statistics
from rmg_dsl.stats.statistics import Interval

Columns = Sequence[Sequence[Any]]

_NO_ROW = "no row has a value for it"


def estimate_of(term: Statistic, columns: Columns) -> Estimate:
    """What a function says of these columns: one for each argument, None where a row has no value of it.

    >>> from rmg_dsl.ir.expr import ColumnRef
    >>> estimate_of(Statistic("kappa", (ColumnRef("a"), ColumnRef("b")), ("a", "b")), [["x", "y"], ["x", "x"]]).value
    0.0

    Raises ValueError where the ratings cannot be compared: words beside numbers, one that is not on the scale.
    """
    if term.function in _ONE_PASS_STATISTICS:
        return _ONE_PASS_STATISTICS[term.function](columns[0], term.type)
    # What compares raters takes its time to be loaded, and most gates are means and shares.
    from rmg_dsl.stats.over_columns import estimate_of_columns

    return estimate_of_columns(term, columns)


# ── of one column, in one pass ───────────────────────────────────────────────────────────────────────────────────


def _estimate_mean(values: Sequence[float], kind: Type) -> Estimate:
    """A mean never lies off the scale, so neither do its bounds."""
    found = statistics.mean_interval(values)
    inside = Interval(max(found.low, kind.low), min(found.high, kind.high)) if found else None
    return _bounded_estimate(statistics.mean(values), inside, len(values))


def _estimate_share(flags: Sequence[float], _: Type) -> Estimate:
    hits, n = int(sum(flags)), len(flags)
    return _bounded_estimate(statistics.share(flags), statistics.share_interval(hits, n), n)  # type: ignore[arg-type] # 1.0 is true


def _estimate_count(flags: Sequence[float], _: Type) -> Estimate:
    hits, n = int(sum(flags)), len(flags)
    share = statistics.share_interval(hits, n)
    return _bounded_estimate(
        hits if n else None, Interval(share.low * n, share.high * n) if share else None, n
    )


def _bounded_estimate(value: float | None, found: Interval | None, n: int) -> Estimate:
    if value is None:
        return Estimate(n, None, why=_NO_ROW)
    if found is None:
        return Estimate(
            n,
            value,
            why="bounds need 2 rows, and there is 1" if n == 1 else "its bounds are too large",
        )
    return Estimate(n, value, min(found.low, value), max(found.high, value))


_ONE_PASS_STATISTICS: Mapping[str, Callable[[Sequence[Any], Type], Estimate]] = {
    "mean": _estimate_mean,
    "share": _estimate_share,
    "count": _estimate_count,
    "unscored": _estimate_share,
}
