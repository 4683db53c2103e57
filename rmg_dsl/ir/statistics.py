"""What the language declares of each statistic: what it reads, and its options.

A statistic is declared in `std/functions.rmg` and nowhere else. The type of its parameters is one
of `STATISTIC_INPUTS` and says what it reads; the result type `numbers` says that the result stays
on the scale of the values. The checker makes a `StatisticSpec` of the declaration, and the IR
carries it. How a statistic is computed stands in `rmg_dsl.stats`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from rmg_dsl.ir.types import NUMBER, Type, number_type

KappaWeights = Literal["quadratic", "linear"]
MeasurementLevel = Literal["nominal", "ordinal", "interval", "ratio"]

KAPPA_WEIGHTS: tuple[KappaWeights, ...] = get_args(KappaWeights)
MEASUREMENT_LEVELS: tuple[MeasurementLevel, ...] = get_args(MeasurementLevel)

OPTION_WORDS: Mapping[str, tuple[str, ...]] = {
    "weights": KAPPA_WEIGHTS,
    "level": MEASUREMENT_LEVELS,
}
"""The options that are one of a few words. Every other option is a share from 0 to 1."""

Reading = Literal["number", "condition", "rating", "unscored", "statistic"]
ScaleNeed = Literal["number", "condition", "grader", "category", "order", "ordered_category"]


class StatisticInput(NamedTuple):
    """What a statistic takes for each of its columns.

    `reading` is how a run reads a value of a row: as a number, as a condition, as the rating of a
    rater, or only for whether it is missing. `needs` is what the values must be. With `allows_gaps`
    two values of a row suffice; without it a row needs all of them.
    """

    reading: Reading
    needs: ScaleNeed
    allows_gaps: bool = False


STATISTIC_INPUTS: Mapping[str, StatisticInput] = {
    "numbers": StatisticInput("number", "number"),
    "conditions": StatisticInput("condition", "condition"),
    "graded": StatisticInput("unscored", "grader"),
    "categories": StatisticInput("rating", "category"),
    "ordered_categories": StatisticInput("rating", "ordered_category"),
    "ratings": StatisticInput("rating", "category", allows_gaps=True),
    "statistic": StatisticInput("statistic", "number"),
}
"""The parameter types of `std/functions.rmg` that make a function a statistic."""


class StatisticSpec(NamedTuple):
    """A statistic as it is declared.

    `arity` is the number of columns, None for two or more. `options` are the names of its options.
    `result` is the type of its value, unless it `keeps_scale`: then that is the type of the values.
    """

    name: str
    input: StatisticInput
    arity: int | None = 1
    options: tuple[str, ...] = ()
    result: Type = NUMBER
    keeps_scale: bool = False

    @property
    def is_bound(self) -> bool:
        """Is it `low` or `high`, which read another statistic and no rows?"""
        return self.input.reading == "statistic"

    @property
    def compares_columns(self) -> bool:
        """Does it read several columns? Only these take columns of the data beside scores."""
        return self.arity != 1

    @property
    def compares_ratings(self) -> bool:
        """Does it compare raters, who must use one scale? Correlations do not need one."""
        return self.input.reading == "rating"

    def needs(self, level: str = "") -> ScaleNeed:
        """What the values must be, given the word of the option `level`, if it has one.

        >>> StatisticSpec("alpha", STATISTIC_INPUTS["ratings"], arity=None).needs("ordinal")
        'order'
        """
        if not level:
            return self.input.needs
        return "category" if level == "nominal" else "order"

    def min_present(self, columns: int) -> int:
        """How many of so many values a row must have to count."""
        # Two ratings of a row make a pair; a single one says nothing of agreement.
        return min(2, columns) if self.input.allows_gaps else columns

    def result_type(self, values: Type) -> Type:
        """The type of the statistic of such values.

        >>> from rmg_dsl.ir.types import BOOL
        >>> mean = StatisticSpec("mean", STATISTIC_INPUTS["numbers"], keeps_scale=True)
        >>> str(mean.result_type(BOOL))
        '0..1'
        """
        if not self.keeps_scale:
            return self.result
        # A column of the data has no known bounds.
        if values.kind not in ("number", "bool"):
            return NUMBER
        return number_type(values.low, values.high, values.direction)
