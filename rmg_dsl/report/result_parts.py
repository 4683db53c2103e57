"""The parts that the HTML and the text display of a finished run share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rmg_dsl.ir.suite import Output
from rmg_dsl.report.markup import format_money
from rmg_dsl.report.run_summary import FailureCount, Failures, RunSummary
from rmg_dsl.report.summary import SummaryRow
from rmg_dsl.report.validation_table import ValidationResult


class RequirementOutcome(Protocol):
    """The result of one `require`; `str()` states it in words."""

    @property
    def holds(self) -> bool:
        """Does the requirement hold?"""


class UsageCounts(Protocol):
    """The calls, tokens and cost of a run."""

    @property
    def calls(self) -> int:
        """Calls that were sent and answered."""

    @property
    def cached(self) -> int:
        """Replies that came from the cache."""

    @property
    def retried(self) -> int:
        """Attempts after the first one of a call."""

    @property
    def tokens_in(self) -> int:
        """Tokens of all prompts."""

    @property
    def tokens_out(self) -> int:
        """Tokens of all replies."""

    @property
    def cost(self) -> float | None:
        """US dollars; None where a price is not known."""

    @property
    def estimates(self) -> int:
        """Replies whose tokens are estimates."""


class ReportedRun(Protocol):
    """The part of a finished run that displays read; `api.Result` has it."""

    @property
    def summary_rows(self) -> Sequence[SummaryRow]:
        """One row for each output, with `SUMMARY_COLUMNS`."""

    @property
    def digest(self) -> RunSummary:
        """The counts and the kept rows of the run."""

    @property
    def gates(self) -> Sequence[RequirementOutcome]:
        """The results of the requirements."""

    @property
    def validations(self) -> Sequence[ValidationResult]:
        """The results of the validations."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks on the whole run."""

    @property
    def usage(self) -> UsageCounts:
        """Calls, tokens and cost."""

    @property
    def stopped(self) -> str:
        """Why the run ended early; empty for a full run."""


def worst_title(measure: Output | None) -> str:
    """The heading above the worst rows; without a measure these are only the first rows."""
    if measure is None:
        return "The first rows"
    # Without a direction nobody knows whether low is bad.
    adjective = "worst" if measure.type.direction else "lowest"
    return f"The {adjective} rows by {measure.name}"


def usage_parts(used: UsageCounts) -> list[str]:
    """The calls, the tokens and the cost of a run in words; a part that is not known is left out.

    The time is no part: it would make two equal runs look different.
    """
    parts = [_calls_text(used)]
    about = "about " if used.estimates else ""
    if used.tokens_in or used.tokens_out:
        parts.append(f"{about}{used.tokens_in:,} tokens in, {used.tokens_out:,} out")
    if used.cost is not None:
        parts.append(f"{about}{format_money(used.cost)} USD")
    if used.estimates:
        calls = pluralize_count(used.estimates, "call")
        parts.append(f"an estimate: {calls} came back without a count of tokens")
    return parts


def _calls_text(used: UsageCounts) -> str:
    details = []
    if used.cached:
        details.append(f"{used.cached:,} cached")
    if used.retried:
        details.append(f"{used.retried:,} retried")
    calls = pluralize_count(used.calls, "call")
    if details:
        calls += f" ({', '.join(details)})"
    return calls


def more_failures_text(failures: Failures, shown: Iterable[tuple[object, FailureCount]]) -> str:
    """How many missing scores are of kinds that are not shown; empty where all are."""
    rest = failures.count - sum(alike.count for _, alike in shown)
    if not rest:
        return ""
    return f"and {rest:,} more, of other kinds: see `failures`"


def pluralize_count(count: int, word: str) -> str:
    """A number with its word, in the singular or the plural.

    >>> pluralize_count(1, "call"), pluralize_count(1200, "call")
    ('1 call', '1,200 calls')
    """
    return f"{count:,} {word}{'s' * (count != 1)}"
