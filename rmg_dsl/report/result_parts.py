"""What the displays of a finished run share, as HTML and as text: what they read of it, and the words of its bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rmg_dsl.ir.suite import Output
from rmg_dsl.report.markup import format_money
from rmg_dsl.report.run_summary import RunSummary
from rmg_dsl.report.validation_table import ValidationResult


class RequirementOutcome(Protocol):
    """What became of a `require`; `str()` says it in words."""

    @property
    def holds(self) -> bool: ...


class UsageCounts(Protocol):
    """What the run used."""

    @property
    def calls(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def retried(self) -> int: ...
    @property
    def tokens_in(self) -> int: ...
    @property
    def tokens_out(self) -> int: ...
    @property
    def cost(self) -> float | None: ...


class ReportedRun(Protocol):
    """A finished run, as far as it is shown; `api.Result` is one."""

    @property
    def summary_rows(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def digest(self) -> RunSummary: ...
    @property
    def gates(self) -> Sequence[RequirementOutcome]: ...
    @property
    def validations(self) -> Sequence[ValidationResult]: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def usage(self) -> UsageCounts: ...
    @property
    def stopped(self) -> str: ...


def worst_title(measure: Output | None) -> str:
    """By what the rows are the worst; without a measure they are only the first ones."""
    if measure is None:
        return "The first rows"
    return f"The {'worst' if measure.type.direction else 'lowest'} rows by {measure.name}"


def usage_parts(used: UsageCounts) -> list[str]:
    """What the run used, in parts: the calls, the tokens, the money. No time: that is different each time."""
    calls = [f"{used.cached:,} cached"] * bool(used.cached) + [f"{used.retried:,} retried"] * bool(
        used.retried
    )
    parts = [
        pluralize_count(used.calls, "call") + (f" ({', '.join(calls)})" if calls else ""),
        f"{used.tokens_in:,} tokens in, {used.tokens_out:,} out"
        if used.tokens_in or used.tokens_out
        else "",
        "" if used.cost is None else f"{format_money(used.cost)} USD",
    ]
    return [part for part in parts if part]


def pluralize_count(count: int, word: str) -> str:
    """A number with its word, in the singular or the plural.

    >>> pluralize_count(1, "call"), pluralize_count(1200, "call")
    ('1 call', '1,200 calls')
    """
    return f"{count:,} {word}{'s' * (count != 1)}"
