"""Columns to estimates: statistics, their intervals, and why one is undefined. Pure."""

from rmg_dsl.stats.over_rows import estimate_of

__all__ = ["estimate_of"]
