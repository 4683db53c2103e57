"""What a notebook and a report show of a `validate`: the grader, people and the baseline beside each other."""

from __future__ import annotations

from rmg_dsl.report.markup import aside, dim, escape_text, table
from rmg_dsl.report.validation_table import ValidationResult


def validation_html(found: ValidationResult) -> str:
    """A table with a line for each statistic, and what could not be computed in words.

    >>> row = {"role": "judge", "rater": "kind", "against": "<b>", "statistic": "kappa"}
    >>> row |= {"value": 0.5, "low": 0, "high": 1}
    >>> shown = validation_html(ValidationResult("kind", ("<b>",), "pooled", 9, 0, (row,)))
    >>> "kappa" in shown, "0.500" in shown, "<b>" in shown
    (True, True, False)
    """
    cells = [[escape_text(name), *map(_validation_cell, values)] for name, *values in found.table()]
    drawn = table(found.head, cells, ["k", *["n"] * (len(found.head) - 1)]) if cells else ""
    return f"<h4>{escape_text(found.title)}</h4>{drawn}{''.join(map(aside, found.remarks))}"


def _validation_cell(shown: str) -> str:
    """The value, and in passing its bounds."""
    value, _, bounds = shown.partition(" ")
    return escape_text(value) + (f" {dim(escape_text(bounds))}" if bounds else "")
