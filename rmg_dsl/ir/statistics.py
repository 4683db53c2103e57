"""What the statistics over rows know about their own options."""

from __future__ import annotations

WEIGHTS = ("quadratic", "linear")
LEVELS = ("nominal", "ordinal", "interval", "ratio")
NOMINAL = ("accuracy", "kappa", "fleiss")
