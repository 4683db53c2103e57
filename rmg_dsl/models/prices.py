"""What a call costs: the price that a model's settings name, and the money that a reply came to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rmg_dsl.messages import Usage


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in USD per million tokens: read, written, and read from the provider's own cache.

    >>> from rmg_dsl.messages import Usage
    >>> Price.of("0.10/0.40").cost(Usage(tokens_in=1_000_000, tokens_out=500_000))
    0.3
    """

    tokens_in: float
    tokens_out: float
    tokens_cached: float

    @classmethod
    def of(cls, text: str) -> Price:
        """Reads "in/out" or "in/out/cached"; without a third number cached tokens cost as much as others.

        Raises ValueError for anything else.

        >>> Price.of("1/2/0.5")
        Price(tokens_in=1.0, tokens_out=2.0, tokens_cached=0.5)
        """
        parts = [float(part) for part in text.split("/")]
        if len(parts) not in (2, 3) or not all(math.isfinite(part) and part >= 0 for part in parts):
            raise ValueError(text)
        return cls(parts[0], parts[1], parts[-1] if len(parts) == 3 else parts[0])

    def cost(self, usage: Usage) -> float:
        """In USD. A provider counts its cached tokens among those it read."""
        cached = min(usage.tokens_cached, usage.tokens_in)
        plain = usage.tokens_in - cached
        return (
            plain * self.tokens_in
            + cached * self.tokens_cached
            + usage.tokens_out * self.tokens_out
        ) / 1e6
