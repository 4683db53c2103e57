"""What is told of a `validate`: its rows, and a table of the grader, people and a baseline beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rmg_dsl.ir.suite import ValidationLevel
from rmg_dsl.report.summary import align_columns

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
PEOPLE, BASELINE = "people", "local/lexical"


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """A finished `validate`: `rows` have `VALIDATION_COLUMNS`, `n` rows were compared, `notes` say what was left out.

    `str()` is a table: a line for each statistic, beside each other the grader with people, people with each other
    (the ceiling: what no judge is expected to exceed) and the baseline with people.
    """

    grader: str
    against: tuple[str, ...]
    level: ValidationLevel
    n: int
    unscored: int
    rows: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        lost = f", {self.unscored:,} without a score" if self.unscored else ""
        how = {
            "pooled": "",
            "per_group": ", mean of the groups",
            "system": ", means of the groups",
        }[self.level]
        return (
            f"validate {self.grader} against {', '.join(self.against)}: {self.n:,} rows{lost}{how}"
        )

    @property
    def head(self) -> tuple[str, ...]:
        """The names above the table's columns, the first one empty."""
        roles = dict.fromkeys((row["role"], row["rater"]) for row in self._overall_rows())
        return ("", *(f"{rater}{_ROLE_SUFFIXES[role]}" for role, rater in roles))

    def table(self) -> list[tuple[str, ...]]:
        """The table's lines: a statistic, then a value with its bounds for each column."""
        cells: dict[str, list[str]] = {}
        for row in self._overall_rows():
            cells.setdefault(row["statistic"], []).append(_value_with_bounds(row))
        return [(name, *shown) for name, shown in cells.items()]

    def _overall_rows(self) -> Iterator[Mapping[str, Any]]:
        """The rows about all people together, or about the only one."""
        all_of_them = PEOPLE if len(self.against) > 1 else self.against[0]
        return (row for row in self.rows if row["against"] == all_of_them and row["statistic"])

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and why the table has no number or no bounds where it has none."""
        return (
            *self.notes,
            *self._missing_remarks("", "value"),
            *self._missing_remarks("bounds of ", "low"),
        )

    def _missing_remarks(self, what: str, name: str) -> Iterator[str]:
        """For each reason a line: what there is none of, and whose it is."""
        whys: dict[tuple[str, str], list[str]] = {}
        for row in self._overall_rows():
            if row[name] is None and (name == "value" or row["value"] is not None):
                whys.setdefault((row["why"], row["rater"]), []).append(row["statistic"])
        alike: dict[tuple[str, str], list[str]] = {}
        for (why, rater), statistics in whys.items():
            alike.setdefault((why, ", ".join(statistics)), []).append(rater)
        return (
            f"no {what}{statistics} of {', '.join(raters)}: {why}"
            for (why, statistics), raters in alike.items()
        )

    def __str__(self) -> str:
        shown = align_columns([self.head, *self.table()]) if len(self.head) > 1 else ""
        return "\n".join(part for part in (self.title, shown, *self.remarks) if part)


def _value_with_bounds(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    bounds = "" if row["low"] is None else f" ({row['low']:.3f} – {row['high']:.3f})"
    return f"{row['value']:.3f}{bounds}"
