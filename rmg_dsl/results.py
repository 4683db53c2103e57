"""What a row can be for one grader: a score, or a reason why there is none. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

from rmg_dsl.scales import Value


class Status(StrEnum):
    """Why a row has or has not a score.

    >>> Status.OK == "ok", Status("off_scale").name
    (True, 'OFF_SCALE')
    """

    OK = "ok"
    SKIPPED = "skipped"
    MISSING_INPUT = "missing_input"
    UNPARSED = "unparsed"
    OFF_SCALE = "off_scale"
    REFUSED = "refused"
    ERROR = "error"
    OVER_BUDGET = "over_budget"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Ballot:
    """What stands behind a score that several draws or the probabilities of verdicts made.

    `spread` is the highest less the lowest draw, none where there was one draw or no order; `confidence` the share or
    probability of the verdict. `votes` are the draws as they came, each with the name of the judge that made it;
    `chances` the probabilities of what was offered, which add up to 1.
    """

    spread: float | None = None
    confidence: float | None = None
    votes: tuple[tuple[str, Outcome], ...] = ()
    probabilities: tuple[tuple[Value, float], ...] = ()


Habit: TypeAlias = Literal["consistent", "first", "second", "undecided"]
"""Whether both orders of a comparison say the same, or prefer what they show first, or second; else one is a tie."""


@dataclass(frozen=True, slots=True)
class Preference:
    """What stands behind a comparison of two: `p` is the mean probability of the first, where there is one.

    `flagged` says whether the orders disagree; it and `habit` are none where only one order is known.
    """

    p: float | None = None
    flagged: bool | None = None
    habit: Habit | None = None


@dataclass(frozen=True, slots=True)
class RankPosition:
    """Where a row stands in its group, or each item in its list: 1 is the best, equal ones share theirs."""

    rank: int | list[int]


@dataclass(frozen=True, slots=True)
class Score:
    """A value inside its scale; `label` is the word that was chosen where labels have values.

    Of a list that is ranked, the value is a list too, one score for each item.
    """

    value: Value | list[float]
    reason: str | None = None
    label: str | None = None
    attempts: int = 0
    ballot: Ballot | None = field(default=None, repr=False)
    details: Preference | RankPosition | None = field(default=None, repr=False)

    @property
    def status(self) -> Status:
        return Status.OK

    @property
    def scalar_value(self) -> Value:
        """The value where it is one, as of everything but a list that is ranked."""
        assert not isinstance(self.value, list)
        return self.value


@dataclass(frozen=True, slots=True)
class Unscored:
    """No score: the `status` says of which kind, the `message` says why in words. Never a number.

    `cause` names the step whose failure this is, where it was handed on by an aggregate; `trace` is for `--log`.
    """

    status: Status
    message: str = ""
    attempts: int = 0
    trace: str | None = field(default=None, compare=False, repr=False)


Outcome: TypeAlias = Score | Unscored


@dataclass(frozen=True, slots=True)
class Draft:
    """One version of a text that a loop refines, with what each of its graders said of it; `refused` by a guard."""

    text: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    is_rejected: bool = False


@dataclass(frozen=True, slots=True)
class RefinePath:
    """How a row's text was refined: its drafts in order, the place of the one that is returned, and why it ended.

    Without drafts, or where the first one could not be graded, nothing is returned: `kept` is none.
    """

    drafts: tuple[Draft, ...]
    returned_index: int | None
    ending: str

    @property
    def text(self) -> str | None:
        """The draft that is returned."""
        return None if self.returned_index is None else self.drafts[self.returned_index].text

    @property
    def rounds(self) -> int | None:
        """How many drafts were written after the first."""
        return max(0, len(self.drafts) - 1) if self.returned_index is not None else None


class Estimate(NamedTuple):
    """A statistic, the rows that it rests on, its 95 % bounds; what cannot be had is None, and `why` says why."""

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""
