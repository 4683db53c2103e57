"""HTML of a `validate`: the grader, people and the baseline beside each other."""

from __future__ import annotations

from rmg_dsl.report.markup import aside, dim, escape_text, table
from rmg_dsl.report.validation_table import ValidationResult


def validation_html(result: ValidationResult) -> str:
    """A table with a line for each statistic, then the remarks.

    >>> row = {"role": "judge", "rater": "kind", "against": "<b>", "statistic": "kappa"}
    >>> row |= {"value": 0.5, "low": 0, "high": 1}
    >>> shown = validation_html(ValidationResult("kind", ("<b>",), "pooled", 9, 0, (row,)))
    >>> "kappa" in shown, "0.500" in shown, "<b>" in shown
    (True, True, False)
    """
    cells = [
        [escape_text(name), *map(_validation_cell, values)] for name, *values in result.table()
    ]
    parts = [f"<h4>{escape_text(result.title)}</h4>"]
    if cells:
        numbers = ["n"] * (len(result.head) - 1)
        parts.append(table(result.head, cells, ["k", *numbers]))
    return "".join([*parts, *map(aside, result.remarks)])


def _validation_cell(shown: str) -> str:
    """A value, and its interval in a weaker colour."""
    # `ValidationResult.table` writes both into one text: `0.500 (0.2 – 0.7)`.
    value, _, interval = shown.partition(" ")
    if not interval:
        return escape_text(value)
    return f"{escape_text(value)} {dim(escape_text(interval))}"
