"""What calls cost: the price in a model's settings, applied to the usage of replies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rmg_dsl.messages import Usage


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model in USD per million tokens: in, out, and in from the provider's cache.

    >>> from rmg_dsl.messages import Usage
    >>> Price.of("0.10/0.40").cost(Usage(tokens_in=1_000_000, tokens_out=500_000))
    0.3
    """

    tokens_in: float
    tokens_out: float
    tokens_cached: float

    @classmethod
    def of(cls, text: str) -> Price:
        """The price in "in/out" or "in/out/cached"; without a third number it is that of `in`.

        Raises ValueError for anything else.

        >>> Price.of("1/2/0.5")
        Price(tokens_in=1.0, tokens_out=2.0, tokens_cached=0.5)
        """
        parts = [float(part) for part in text.split("/")]
        if len(parts) not in (2, 3) or not all(math.isfinite(part) and part >= 0 for part in parts):
            raise ValueError(text)
        tokens_cached = parts[2] if len(parts) == 3 else parts[0]
        return cls(parts[0], parts[1], tokens_cached)

    def cost(self, usage: Usage) -> float:
        """The cost of this usage in USD."""
        # `tokens_cached` are part of `tokens_in`.
        cached = min(usage.tokens_cached, usage.tokens_in)
        plain = usage.tokens_in - cached
        return (
            plain * self.tokens_in
            + cached * self.tokens_cached
            + usage.tokens_out * self.tokens_out
        ) / 1e6
