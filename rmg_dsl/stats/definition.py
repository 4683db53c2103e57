"""What a statistic is made of. Each family module lists its own; `registry` joins them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rmg_dsl.ir.types import Type
from rmg_dsl.results import Estimate
from rmg_dsl.stats.cells import CellTable, Estimator, Group, Options, Sample
from rmg_dsl.stats.intervals import Interval

ColumnStatistic = Callable[..., float | None]
"""A statistic as a function: a column of ratings for each argument, None among them is a gap."""

OnePassEstimate = Callable[[Sequence[float], Type], Estimate]
ClosedForm = Callable[[Sample], Interval | None]
ResampledInterval = Callable[[Sample, Sequence[Group]], Interval | None]
UndefinedReason = Callable[[CellTable, Options], str]

RatingNeed = Literal["category", "ordered_category", "order", "number", "ratio"]
RaterSet = Literal["pair", "all"]


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A line of an agreement table: a statistic with some options, for ratings that it `needs`.

    `label` names the line. `of` says whether it is computed for each pair of raters or for all
    together.
    """

    label: str
    needs: RatingNeed
    of: RaterSet = "pair"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_labels(self) -> bool:
        """Does it count places on a scale, so that the labels of the scale matter?"""
        return self.needs not in ("number", "ratio")


def same_verdicts_reason(_table: CellTable, _options: Options) -> str:
    """The usual reason why an agreement is undefined: with one verdict, chance always agrees."""
    return "all verdicts are the same"


@dataclass(frozen=True, slots=True, eq=False)
class StatisticDefinition:
    """A statistic: how to compute it, its interval, and why it is undefined.

    - `compute` gives the value for whole columns; its keyword arguments are the options.
    - `estimator` makes the same statistic for counted cells, from the same options.
    - `closed_form` is the interval of rows without clusters. Where it is None, and with clusters,
      `interval` is used; where that is None too, a bootstrap.
    - `undefined_reason` explains a missing value for two rows or more.
    - `table_entries` are its lines in an agreement table.
    - `lowest` is the least bound of a mean over groups.
    - `one_pass` gives the value and the interval of a column without gaps, from its values and
      their type. It needs no cells, however many rows a run has. Only `shares_and_means` has it.
    """

    name: str
    compute: ColumnStatistic
    estimator: Callable[..., Estimator]
    closed_form: ClosedForm | None = None
    interval: ResampledInterval | None = None
    undefined_reason: UndefinedReason = same_verdicts_reason
    table_entries: tuple[TableEntry, ...] = ()
    lowest: float = -math.inf
    one_pass: OnePassEstimate | None = None


def check_option_word(option: str, word: str, words: Sequence[str]) -> None:
    """Raise ValueError where an option is not one of its words."""
    if word not in words:
        raise ValueError(f"`{option}` is one of {', '.join(words)}, not {word!r}")
