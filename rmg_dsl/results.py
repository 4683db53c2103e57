"""What a row can have from one grader: a score, or the reason why there is none. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

from rmg_dsl.scales import Value


class Status(StrEnum):
    """Why a row has a score or has none.

    >>> Status.OK == "ok", Status("off_scale").name
    (True, 'OFF_SCALE')
    >>> [str(status) for status in Status if status.was_stopped]
    ['over_budget', 'cancelled']

    The properties are the groups of statuses. `STATUS_FACTS` says which status is in which group.
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

    @property
    def is_scored(self) -> bool:
        """There is a score."""
        return "scored" in STATUS_FACTS[self].groups

    @property
    def is_lost(self) -> bool:
        """The row needed a score and has none; a skipped row did not need one."""
        return "lost" in STATUS_FACTS[self].groups

    @property
    def is_failure(self) -> bool:
        """The score was tried for, and that failed: there was input, and nothing stopped the
        run.
        """
        return "failure" in STATUS_FACTS[self].groups

    @property
    def lacks_verdict(self) -> bool:
        """The model was asked and gave no verdict that counts."""
        return "no_verdict" in STATUS_FACTS[self].groups

    @property
    def is_unusable_reply(self) -> bool:
        """The reply holds no usable verdict, so that it makes sense to ask once more."""
        return "unusable_reply" in STATUS_FACTS[self].groups

    @property
    def was_stopped(self) -> bool:
        """The run ended before the score was there."""
        return "stopped" in STATUS_FACTS[self].groups

    @property
    def was_not_run(self) -> bool:
        """Nothing was tried: there is neither a score nor a failure to conclude from."""
        return "not_run" in STATUS_FACTS[self].groups

    @property
    def phrase(self) -> str:
        """What a message says of a grader with this status: "`relevance` has no input"."""
        return STATUS_FACTS[self].phrase


StatusGroup = Literal[
    "scored", "lost", "failure", "no_verdict", "unusable_reply", "stopped", "not_run"
]


class StatusFacts(NamedTuple):
    """What there is to know of one status: a phrase for messages, and its groups."""

    phrase: str
    groups: frozenset[StatusGroup]


def _facts(phrase: str, *groups: StatusGroup) -> StatusFacts:
    return StatusFacts(phrase, frozenset(groups))


STATUS_FACTS: Mapping[Status, StatusFacts] = {
    Status.OK: _facts("has a score", "scored"),
    Status.SKIPPED: _facts("was skipped", "not_run"),
    Status.MISSING_INPUT: _facts("has no input", "lost"),
    Status.UNPARSED: _facts("has no verdict", "lost", "failure", "no_verdict", "unusable_reply"),
    Status.OFF_SCALE: _facts("is off its scale", "lost", "failure", "no_verdict", "unusable_reply"),
    Status.REFUSED: _facts("was refused", "lost", "failure", "no_verdict"),
    Status.ERROR: _facts("failed", "lost", "failure"),
    Status.OVER_BUDGET: _facts("was over the budget", "lost", "stopped", "not_run"),
    Status.CANCELLED: _facts("was cancelled", "lost", "stopped", "not_run"),
}
"""The one table of statuses. To add a status, add a member and a row here."""

LOST_STATUSES = tuple(status for status in Status if status.is_lost)
"""The statuses of rows that needed a score and have none, in the order of the enum."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """What stands behind a score that several draws or the probabilities of verdicts made.

    `spread` is the highest less the lowest draw, none where there was one draw or no order;
    `confidence` the share or probability of the verdict. `votes` are the draws as they came, each
    with the name of the judge that made it; `chances` the probabilities of what was offered, which
    add up to 1.
    """

    spread: float | None = None
    confidence: float | None = None
    votes: tuple[tuple[str, Outcome], ...] = ()
    probabilities: tuple[tuple[Value, float], ...] = ()


Habit: TypeAlias = Literal["consistent", "first", "second", "undecided"]
"""Whether both orders of a comparison say the same, or prefer what they show first, or second; else
one is a tie.
"""


@dataclass(frozen=True, slots=True)
class Preference:
    """What stands behind a comparison of two: `p` is the mean probability of the first, where there
    is one.

    `flagged` says whether the orders disagree; it and `habit` are none where only one order is
    known.
    """

    p: float | None = None
    flagged: bool | None = None
    habit: Habit | None = None


@dataclass(frozen=True, slots=True)
class RankPosition:
    """Where a row stands in its group, or each item in its list: 1 is the best, equal ones share
    theirs.
    """

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

    `cause` names the step whose failure this is, where it was handed on by an aggregate; `trace` is
    for `--log`.
    """

    status: Status
    message: str = ""
    attempts: int = 0
    trace: str | None = field(default=None, compare=False, repr=False)


Outcome: TypeAlias = Score | Unscored


@dataclass(frozen=True, slots=True)
class Draft:
    """One version of a text that a loop refines, with what each of its graders said of it;
    `refused` by a guard.
    """

    text: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    is_rejected: bool = False


@dataclass(frozen=True, slots=True)
class RefinePath:
    """How a row's text was refined: its drafts in order, the place of the one that is returned, and
    why it ended.

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
    """A statistic, the rows that it rests on, its 95 % bounds; what cannot be had is None, and
    `why` says why.
    """

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""
