"""The summary of a run: for each grader and aggregate how many rows it scored, why others have none, and the mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from unicodedata import combining, east_asian_width

from rmg_dsl.ir.suite import Output
from rmg_dsl.messages import Usage
from rmg_dsl.report.numbers import MAX_COUNTED_VALUES, Numbers
from rmg_dsl.results import LOST_STATUSES, Habit, Outcome, Preference, Score, Status
from rmg_dsl.stats.intervals import Interval, share_interval
from rmg_dsl.stats.shares_and_means import mean, mean_interval

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
    """What has been seen of one output so far."""

    output: Output
    judge: str = ""
    statuses: Counter[Status] = field(default_factory=Counter)
    values: Numbers = field(default_factory=Numbers)
    labels: Counter[str] = field(default_factory=Counter)
    habits: Counter[Habit] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
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
        # Texts from the data may all be different, and no picture shows so many.
        if label is not None and (label in self.labels or len(self.labels) < MAX_COUNTED_VALUES):
            self.labels[label] += 1

    @property
    def unscored_count(self) -> int:
        """Rows that needed a score and have none; a skipped row did not need one."""
        return sum(self.statuses[status] for status in LOST_STATUSES)

    @property
    def low(self) -> float:
        """What no mean is below. Of points a row may be below 0, the mean of all is cut there."""
        kind = self.output.type
        return kind.low if kind.scale is None else kind.scale.mean_floor

    @property
    def mean(self) -> float | None:
        found = mean(self.values)
        return None if found is None else max(found, self.low)

    @property
    def is_clamped(self) -> bool:
        """Would the mean be below 0 without the cut?"""
        return self.mean != mean(self.values)

    def habit_rate(self, habit: Habit) -> float | None:
        """In how many of the comparisons in both orders the judge did this; none where there were none."""
        asked = self.habits.total()
        return self.habits[habit] / asked if asked else None

    def interval(self) -> Interval | None:
        """The 95 % bounds of the mean; no mean lies off the scale, so neither do they."""
        if self.output.type.kind == "bool":
            return share_interval(int(sum(self.values)), len(self.values))
        found = mean_interval(self.values)
        if found is None:
            return None
        low, high = self.low, self.output.type.high
        return Interval(min(max(found.low, low), high), max(min(found.high, high), low))


def summary_rows(
    columns: Iterable[OutputSummary], usage: Mapping[str, Usage], cost: Mapping[str, float | None]
) -> list[dict[str, Any]]:
    """The summary as rows, one for each output: mean and 95 % bounds over the scored rows, the counts beside them."""
    return [
        _summary_row(column, usage.get(column.output.name, Usage()), cost.get(column.output.name))
        for column in columns
    ]


def _summary_row(column: OutputSummary, usage: Usage, cost: float | None) -> dict[str, Any]:
    interval = column.interval()
    scale = column.output.type.scale
    return {
        "name": column.output.name,
        "kind": column.output.kind,
        "scale": str(scale) if scale else _type_text(column.output),
        "judge": column.judge or None,
        "n": column.statuses[Status.OK],
        "mean": _round_for_summary(column.mean),
        "low": _round_for_summary(interval.low) if interval else None,
        "high": _round_for_summary(interval.high) if interval else None,
        "unscored": column.unscored_count,
        "skipped": column.statuses[Status.SKIPPED],
        **{str(status): column.statuses[status] for status in LOST_STATUSES},
        "calls": usage.calls,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "cost": cost,
        **{
            name: _round_for_summary(column.habit_rate(habit))
            for name, habit in _HABIT_COLUMNS.items()
        },
    }


def _type_text(output: Output) -> str:
    kind = output.type
    if output.kind == "refine":
        return f"{kind} rounds"
    if kind.kind == "bool":
        return "bool"
    return str(kind) if kind.kind == "number" and kind.is_bounded else kind.kind


def _round_for_summary(value: float | None) -> float | None:
    """The 15 digits that a float holds for sure: what lies beyond them is a trace of the arithmetic."""
    return None if value is None else float(f"{value:.15g}")


# ── as text ──────────────────────────────────────────────────────────────────────────────────────────────────────


def summary_text(rows: Sequence[Mapping[str, Any]], columns: Iterable[OutputSummary] = ()) -> str:
    """The summary as an aligned table for a terminal: the count of unscored rows stands beside every mean."""
    seen = {column.output.name: column for column in columns}
    head = ("", "scale", "mean", "95 %", "scored", "unscored", "")
    body = [_summary_line(row, seen.get(row["name"])) for row in rows]
    return align_columns([head, *body], right={2, 4, 5})


def _summary_line(row: Mapping[str, Any], column: OutputSummary | None) -> tuple[str, ...]:
    bounds = (
        f"{_summary_number(row['low'])} – {_summary_number(row['high'])}"
        if row["low"] is not None
        else ""
    )
    why = ", ".join(f"{row[status]} {status}" for status in map(str, LOST_STATUSES) if row[status])
    skipped = f"{row['skipped']} skipped" if row["skipped"] else ""
    shown = ", ".join(f"{label} {n}" for label, n in column.labels.most_common(4)) if column else ""
    cut = "a mean below 0, cut to 0" if column and column.is_clamped else ""
    remarks = "; ".join(part for part in (why, skipped, shown, cut, habit_rates_text(row)) if part)
    return (
        row["name"],
        row["scale"],
        _summary_number(row["mean"]),
        bounds,
        str(row["n"]),
        str(row["unscored"]),
        remarks,
    )


def habit_rates_text(row: Mapping[str, Any]) -> str:
    """How far a judge's comparisons can be trusted: does it say the same in both orders, or prefer a place?"""
    rates = ((name.replace("_", "-"), row[name]) for name in _HABIT_COLUMNS)
    return ", ".join(f"{name} {100 * rate:.0f} %" for name, rate in rates if rate is not None)


def _summary_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def align_columns(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Rows as columns of text, two blanks between them.

    >>> print(align_columns([("a", "n"), ("bb", "10")], right={1}))
    a    n
    bb  10
    """
    on_the_right = set(right)
    widths = [max(map(_terminal_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        gaps = [
            " " * (width - _terminal_width(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        cells = [
            gap + cell if i in on_the_right else cell + gap
            for i, (cell, gap) in enumerate(zip(row, gaps, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _terminal_width(text: str) -> int:
    """The columns that a text takes on a terminal: two for a wide character, none for an accent of its own."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
