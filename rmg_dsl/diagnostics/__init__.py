"""Diagnostics as data: sources, spans, the table of codes, and their rendering."""

from rmg_dsl.diagnostics.diagnostic import (
    Code,
    Diagnostic,
    Fix,
    Severity,
    codes,
    diagnose,
    has_errors,
    sort_diagnostics,
)
from rmg_dsl.diagnostics.source import Position, Source, Span

__all__ = [
    "Code",
    "Diagnostic",
    "Fix",
    "Position",
    "Severity",
    "Source",
    "Span",
    "codes",
    "diagnose",
    "has_errors",
    "sort_diagnostics",
]
