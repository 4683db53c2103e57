"""What the statistics over rows know about their own options."""

from __future__ import annotations

KAPPA_WEIGHTS = ("quadratic", "linear")
MEASUREMENT_LEVELS = ("nominal", "ordinal", "interval", "ratio")
NOMINAL_STATISTICS = ("accuracy", "kappa", "fleiss")
