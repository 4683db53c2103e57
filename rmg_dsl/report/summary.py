"""The summary of a run: for each output its mean, its scored rows, and why others have no score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from unicodedata import combining, east_asian_width

from rmg_dsl.ir.suite import Output
from rmg_dsl.messages import Usage
from rmg_dsl.report.numbers import MAX_COUNTED_VALUES, Numbers
from rmg_dsl.results import LOST_STATUSES, Habit, Outcome, Preference, Score, Status
from rmg_dsl.stats.intervals import Interval, share_interval
from rmg_dsl.stats.shares_and_means import mean, mean_interval

# A line of the summary: the names are `SUMMARY_COLUMNS`, so the types of the values differ.
SummaryRow: TypeAlias = Mapping[str, Any]
_MAX_LABEL_COUNTS = 4
SUMMARY_COLUMNS = (
    "name",
    "kind",
    "scale",
    "judge",
    "n",
    "mean",
    "low",
    "high",
    "unscored",
    "skipped",
    *map(str, LOST_STATUSES),
    "calls",
    "tokens_in",
    "tokens_out",
    "cost",
    "consistency",
    "first_preference",
    "second_preference",
)
_HABIT_COLUMNS: Mapping[str, Habit] = {
    "consistency": "consistent",
    "first_preference": "first",
    "second_preference": "second",
}
_KINDS: Mapping[str, Literal["text", "number"]] = {
    "name": "text",
    "kind": "text",
    "scale": "text",
    "judge": "text",
    "mean": "number",
    "low": "number",
    "high": "number",
    "cost": "number",
    **dict.fromkeys(_HABIT_COLUMNS, "number"),
}
SUMMARY_KINDS: Mapping[str, Literal["text", "number", "integer"]] = {
    name: _KINDS.get(name, "integer") for name in SUMMARY_COLUMNS
}


@dataclass(slots=True)
class OutputSummary:
    """The outcomes of one output so far, counted."""

    output: Output
    judge: str = ""
    statuses: Counter[Status] = field(default_factory=Counter)
    values: Numbers = field(default_factory=Numbers)
    labels: Counter[str] = field(default_factory=Counter)
    habits: Counter[Habit] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of one row."""
        self.statuses[outcome.status] += 1
        if not isinstance(outcome, Score) or isinstance(outcome.value, list):
            return
        if isinstance(outcome.details, Preference) and outcome.details.habit is not None:
            self.habits[outcome.details.habit] += 1
        label = outcome.label
        if isinstance(outcome.value, str):
            label = outcome.value
        else:
            self.values.append(outcome.value)
        # Texts from the data may all be different: counting each would need memory without bound.
        if label is not None and (label in self.labels or len(self.labels) < MAX_COUNTED_VALUES):
            self.labels[label] += 1

    @property
    def unscored_count(self) -> int:
        """Rows that needed a score and have none; a skipped row did not need one."""
        return sum(self.statuses[status] for status in LOST_STATUSES)

    @property
    def low(self) -> float:
        """The least possible mean. Points of a row may be below 0, their mean is cut at 0."""
        kind = self.output.type
        return kind.low if kind.scale is None else kind.scale.mean_floor

    @property
    def mean(self) -> float | None:
        """The mean of the scores, never below `low`; None without scores."""
        average = mean(self.values)
        if average is None:
            return None
        return max(average, self.low)

    @property
    def is_clamped(self) -> bool:
        """Would the mean be below 0 without the cut?"""
        return self.mean != mean(self.values)

    def habit_rate(self, habit: Habit) -> float | None:
        """The share of the comparisons in both orders with this habit, from 0 to 1."""
        comparisons = self.habits.total()
        if not comparisons:
            return None
        return self.habits[habit] / comparisons

    def interval(self) -> Interval | None:
        """The 95 % confidence interval of the mean, cut at the ends of the scale."""
        if self.output.type.kind == "bool":
            return share_interval(int(sum(self.values)), len(self.values))
        interval = mean_interval(self.values)
        if interval is None:
            return None
        low, high = self.low, self.output.type.high
        # Both ends are cut at both bounds: the interval may lie outside of the scale as a whole.
        return Interval(min(max(interval.low, low), high), max(min(interval.high, high), low))


def summary_rows(
    columns: Iterable[OutputSummary], usage: Mapping[str, Usage], cost: Mapping[str, float | None]
) -> list[dict[str, Any]]:
    """One row for each output, with `SUMMARY_COLUMNS`; the mean is over the scored rows."""
    return [
        _summary_row(column, usage.get(column.output.name, Usage()), cost.get(column.output.name))
        for column in columns
    ]


def _summary_row(column: OutputSummary, usage: Usage, cost: float | None) -> dict[str, Any]:
    low, high = column.interval() or (None, None)
    scale = column.output.type.scale
    return {
        "name": column.output.name,
        "kind": column.output.kind,
        "scale": str(scale) if scale else _type_text(column.output),
        "judge": column.judge or None,
        "n": column.statuses[Status.OK],
        "mean": _round_for_summary(column.mean),
        "low": _round_for_summary(low),
        "high": _round_for_summary(high),
        "unscored": column.unscored_count,
        "skipped": column.statuses[Status.SKIPPED],
        **{str(status): column.statuses[status] for status in LOST_STATUSES},
        "calls": usage.calls,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "cost": cost,
        **_habit_rates(column),
    }


def _habit_rates(column: OutputSummary) -> dict[str, float | None]:
    return {
        name: _round_for_summary(column.habit_rate(habit)) for name, habit in _HABIT_COLUMNS.items()
    }


def _type_text(output: Output) -> str:
    kind = output.type
    if output.kind == "refine":
        return f"{kind} rounds"
    if kind.kind == "bool":
        return "bool"
    if kind.kind == "number" and kind.is_bounded:
        return str(kind)
    return kind.kind


def _round_for_summary(value: float | None) -> float | None:
    """The 15 digits that a float always holds; further digits depend on the order of the sum."""
    if value is None:
        return None
    return float(f"{value:.15g}")


# ── as text ───────────────────────────────────────────────────────────────────────────────────────


def summary_text(rows: Sequence[SummaryRow], columns: Iterable[OutputSummary] = ()) -> str:
    """The summary as an aligned table: the count of unscored rows stands beside every mean."""
    by_name = {column.output.name: column for column in columns}
    head = ("", "scale", "mean", "95 %", "scored", "unscored", "")
    body = [_summary_line(row, by_name.get(row["name"])) for row in rows]
    return align_columns([head, *body], right={2, 4, 5})


def _summary_line(row: SummaryRow, column: OutputSummary | None) -> tuple[str, ...]:
    interval = ""
    if row["low"] is not None:
        interval = f"{_summary_number(row['low'])} – {_summary_number(row['high'])}"
    return (
        row["name"],
        row["scale"],
        _summary_number(row["mean"]),
        interval,
        str(row["n"]),
        str(row["unscored"]),
        "; ".join(part for part in _remarks(row, column) if part),
    )


def _remarks(row: SummaryRow, column: OutputSummary | None) -> Iterator[str]:
    """The parts of the last cell; some may be empty."""
    yield ", ".join(f"{row[status]} {status}" for status in map(str, LOST_STATUSES) if row[status])
    if row["skipped"]:
        yield f"{row['skipped']} skipped"
    if column is not None:
        most_common = column.labels.most_common(_MAX_LABEL_COUNTS)
        yield ", ".join(f"{label} {count}" for label, count in most_common)
        if column.is_clamped:
            yield "a mean below 0, cut to 0"
    yield habit_rates_text(row)


def habit_rates_text(row: SummaryRow) -> str:
    """How often a judge of pairs agrees with itself in both orders, or prefers a position."""
    rates = ((name.replace("_", "-"), row[name]) for name in _HABIT_COLUMNS)
    return ", ".join(f"{name} {100 * rate:.0f} %" for name, rate in rates if rate is not None)


def _summary_number(value: float | None) -> str:
    if value is None:
        return "–"
    # Three digits of a large number would need an exponent.
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def align_columns(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Rows as columns of text, two blanks between them; `right` has the right-aligned ones.

    >>> print(align_columns([("a", "n"), ("bb", "10")], right={1}))
    a    n
    bb  10
    """
    widths = [max(map(_terminal_width, column)) for column in zip(*rows, strict=True)]
    right_aligned = set(right)
    lines = []
    for row in rows:
        cells = [
            _pad_cell(cell, width, is_right=place in right_aligned)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _pad_cell(cell: str, width: int, *, is_right: bool) -> str:
    # Not `str.ljust`: it counts characters, and wide ones take two columns.
    gap = " " * (width - _terminal_width(cell))
    if is_right:
        return gap + cell
    return cell + gap


def _terminal_width(text: str) -> int:
    """The columns of a text on a terminal: a wide character takes two, an accent none."""
    if text.isascii():
        return len(text)
    visible = [char for char in text if not combining(char)]
    return len(visible) + sum(east_asian_width(char) in "WF" for char in visible)
