"""The result of a `validate`: its rows, and its table of grader, people and baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from rmg_dsl.ir.suite import ValidationLevel
from rmg_dsl.report.summary import align_columns

# A line of the result: the names are `VALIDATION_COLUMNS`, so the types of the values differ.
ValidationRow: TypeAlias = Mapping[str, Any]
VALIDATION_COLUMNS = (
    "grader",
    "level",
    "role",
    "rater",
    "against",
    "statistic",
    "n",
    "unscored",
    "value",
    "low",
    "high",
    "why",
)
_KINDS: Mapping[str, Literal["number", "integer"]] = {
    "n": "integer",
    "unscored": "integer",
    "value": "number",
    "low": "number",
    "high": "number",
}
VALIDATION_KINDS: Mapping[str, Literal["text", "number", "integer"]] = {
    name: _KINDS.get(name, "text") for name in VALIDATION_COLUMNS
}
_ROLE_SUFFIXES = {"judge": "", "people": " (ceiling)", "baseline": " (baseline)"}
_LEVEL_SUFFIXES: Mapping[ValidationLevel, str] = {
    "pooled": "",
    "per_group": ", mean of the groups",
    "system": ", means of the groups",
}
PEOPLE, BASELINE = "people", "local/lexical"


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """A finished `validate`: its rows with `VALIDATION_COLUMNS`, from `n` compared rows.

    `notes` say what was left out. `str()` is a table with a line for each statistic and columns for
    the grader with people, people with each other, and the baseline with people. The agreement of
    people is the ceiling: no judge is expected to exceed it.
    """

    grader: str
    against: tuple[str, ...]
    level: ValidationLevel
    n: int
    unscored: int
    rows: tuple[ValidationRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The heading: who is compared with whom, on how many rows, at which level."""
        title = f"validate {self.grader} against {', '.join(self.against)}: {self.n:,} rows"
        if self.unscored:
            title += f", {self.unscored:,} without a score"
        return title + _LEVEL_SUFFIXES[self.level]

    @property
    def head(self) -> tuple[str, ...]:
        """The titles of the table's columns; the first one is empty."""
        roles = dict.fromkeys((row["role"], row["rater"]) for row in self._overall_rows())
        return ("", *(f"{rater}{_ROLE_SUFFIXES[role]}" for role, rater in roles))

    def table(self) -> list[tuple[str, ...]]:
        """The lines of the table: a statistic, then for each column a value with its interval."""
        cells: dict[str, list[str]] = {}
        for row in self._overall_rows():
            cells.setdefault(row["statistic"], []).append(_value_with_interval(row))
        return [(name, *texts) for name, texts in cells.items()]

    def _overall_rows(self) -> Iterator[ValidationRow]:
        """The rows about all people together, or about the only one."""
        # A row without a statistic says why nothing could be compared: it is no line of the table.
        against = PEOPLE if len(self.against) > 1 else self.against[0]
        return (row for row in self.rows if row["against"] == against and row["statistic"])

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and why a value or an interval is missing in the table."""
        return (
            *self.notes,
            *self._missing_remarks("", "value"),
            *self._missing_remarks("bounds of ", "low"),
        )

    def _missing_remarks(self, what: str, name: str) -> Iterator[str]:
        """A line for each reason: which statistics are missing, and for which raters.

        `name` is the column that is missing. Without a value the interval needs no line.
        """
        # First the statistics of a rater that share a reason, then the raters that share both.
        by_rater: dict[tuple[str, str], list[str]] = {}
        for row in self._overall_rows():
            if row[name] is None and (name == "value" or row["value"] is not None):
                by_rater.setdefault((row["why"], row["rater"]), []).append(row["statistic"])
        by_reason: dict[tuple[str, str], list[str]] = {}
        for (why, rater), statistics in by_rater.items():
            by_reason.setdefault((why, ", ".join(statistics)), []).append(rater)
        return (
            f"no {what}{statistics} of {', '.join(raters)}: {why}"
            for (why, statistics), raters in by_reason.items()
        )

    def __str__(self) -> str:
        parts = [self.title]
        # Without a rater beside the statistics there is no table.
        if len(self.head) > 1:
            parts.append(align_columns([self.head, *self.table()]))
        return "\n".join([*parts, *self.remarks])


def _value_with_interval(row: ValidationRow) -> str:
    if row["value"] is None:
        return "–"
    value = f"{row['value']:.3f}"
    if row["low"] is None:
        return value
    return f"{value} ({row['low']:.3f} – {row['high']:.3f})"
