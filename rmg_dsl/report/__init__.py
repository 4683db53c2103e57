"""From outcomes to tables: summaries and statistics. Pure."""

from rmg_dsl.report.run_summary import Digest, GradedRow, RefinedRow
from rmg_dsl.report.summary import (
    SUMMARY_COLUMNS,
    SUMMARY_KINDS,
    Column,
    aligned,
    summary_rows,
    summary_text,
)
from rmg_dsl.report.validation_table import VALIDATION_COLUMNS, VALIDATION_KINDS, Validated
from rmg_dsl.stats.over_rows import estimate_of

__all__ = [
    "SUMMARY_COLUMNS",
    "SUMMARY_KINDS",
    "VALIDATION_COLUMNS",
    "VALIDATION_KINDS",
    "Column",
    "Digest",
    "GradedRow",
    "RefinedRow",
    "Validated",
    "aligned",
    "estimate_of",
    "summary_rows",
    "summary_text",
]
