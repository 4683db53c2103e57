"""From the outcomes of a run to its summary and its displays: pure functions."""

from rmg_dsl.report.run_summary import GradedRow, RefinedRow, RunSummary
from rmg_dsl.report.summary import (
    SUMMARY_COLUMNS,
    SUMMARY_KINDS,
    OutputSummary,
    align_columns,
    summary_rows,
    summary_text,
)
from rmg_dsl.report.validation_table import VALIDATION_COLUMNS, VALIDATION_KINDS, ValidationResult
from rmg_dsl.stats.over_rows import estimate_of

__all__ = [
    "SUMMARY_COLUMNS",
    "SUMMARY_KINDS",
    "VALIDATION_COLUMNS",
    "VALIDATION_KINDS",
    "GradedRow",
    "OutputSummary",
    "RefinedRow",
    "RunSummary",
    "ValidationResult",
    "align_columns",
    "estimate_of",
    "summary_rows",
    "summary_text",
]
