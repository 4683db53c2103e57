"""The functions of a `require` over the rows of a run: from the columns of their arguments to an estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rmg_dsl.report import agreement, statistics
from rmg_dsl.report.bounds import Statistic, estimates
from rmg_dsl.report.offered import as_scored, check_alike, first_off, labels_of
from rmg_dsl.report.ratings import as_rows
from rmg_dsl.report.reasons import by_name
from rmg_dsl.report.statistics import Interval
from rmg_dsl.results import Estimate
from rmg_dsl.semantics.terms import OverRows
from rmg_dsl.semantics.types import Type

Columns = Sequence[Sequence[Any]]

_NO_ROW = "no row has a value for it"
_OF_NUMBERS = ("pearson", "spearman", "kendall")


def estimate_of(term: OverRows, columns: Columns) -> Estimate:
    """What a function says of these columns: one for each argument, None where a row has no value of it.

    >>> from rmg_dsl.semantics.terms import Column
    >>> estimate_of(OverRows("kappa", (Column("a"), Column("b")), ("a", "b")), [["x", "y"], ["x", "x"]]).value
    0.0

    Raises ValueError where the ratings cannot be compared: words beside numbers, one that is not on the scale.
    """
    if term.function in _DIRECT:
        return _DIRECT[term.function](columns[0], term.type)
    given = columns if len(columns) == 1 or term.function in _OF_NUMBERS else _comparable(term, columns)
    found = estimates({"it": _statistic(term)}, as_rows(given))["it"]
    return found._replace(why=by_name(found.why, term.names))


def _comparable(term: OverRows, columns: Columns) -> Columns:
    """The ratings of all on one scale; raises ValueError for what can never agree."""
    scored = [as_scored(column, term.type.scale) for column in columns]
    check_alike(scored, term.names)
    for name, column in zip(term.names, scored, strict=True):
        if (off := first_off(column, term.type)) is not None:
            shown = f"{off:g}" if isinstance(off, int | float) else f'"{off}"'
            raise ValueError(f"`{name}` holds {shown}, which is not on {term.type.scale or term.type}")
    return scored


def _statistic(term: OverRows) -> Statistic:
    options: dict[str, Any] = dict(term.options)
    if term.function == "median":
        return statistics.median
    if term.function in ("accuracy", "kappa", "weighted_kappa", "fleiss") or options.get("level") == "nominal":
        options["labels"] = labels_of(term.type.scale) or term.type.labels or None
    return partial(_STATISTICS[term.function], **options)


_STATISTICS: Mapping[str, Statistic] = {each.__name__: each for each in agreement.RECIPES}


# ── of one column, in one pass ───────────────────────────────────────────────────────────────────────────────────


def _mean(values: Sequence[float], kind: Type) -> Estimate:
    """A mean never lies off the scale, so neither do its bounds."""
    found = statistics.mean_interval(values)
    inside = Interval(max(found.low, kind.low), min(found.high, kind.high)) if found else None
    return _one(statistics.mean(values), inside, len(values))


def _share(flags: Sequence[float], _: Type) -> Estimate:
    hits, n = int(sum(flags)), len(flags)
    return _one(statistics.share(flags), statistics.share_interval(hits, n), n)  # type: ignore[arg-type] # 1.0 is true


def _count(flags: Sequence[float], _: Type) -> Estimate:
    hits, n = int(sum(flags)), len(flags)
    share = statistics.share_interval(hits, n)
    return _one(hits if n else None, Interval(share.low * n, share.high * n) if share else None, n)


def _one(value: float | None, found: Interval | None, n: int) -> Estimate:
    if value is None:
        return Estimate(n, None, why=_NO_ROW)
    if found is None:
        return Estimate(n, value, why="bounds need 2 rows, and there is 1" if n == 1 else "its bounds are too large")
    return Estimate(n, value, min(found.low, value), max(found.high, value))


_DIRECT: Mapping[str, Callable[[Sequence[Any], Type], Estimate]] = {
    "mean": _mean,
    "share": _share,
    "count": _count,
    "unscored": _share,
}
