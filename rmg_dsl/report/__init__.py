"""From outcomes to tables: summaries and statistics. Pure."""

from rmg_dsl.report.digest import Digest, GradedRow, RefinedRow
from rmg_dsl.report.statistics import OVER_ROWS
from rmg_dsl.report.summary import SUMMARY_COLUMNS, SUMMARY_KINDS, Column, aligned, summary_rows, summary_text

__all__ = [
    "OVER_ROWS",
    "SUMMARY_COLUMNS",
    "SUMMARY_KINDS",
    "Column",
    "Digest",
    "GradedRow",
    "RefinedRow",
    "aligned",
    "summary_rows",
    "summary_text",
]
