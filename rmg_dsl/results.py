"""The outcome of a grader on a row: a score, or a status without one. Plain data."""

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
        """Something failed: the row had its input, and nothing stopped the run."""
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


# A skipped row is not lost: it did not need a score. `missing_input` is lost and no failure: the
# data lacks something, and nothing was tried.
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
    """The draws or the probabilities that a score was made of.

    `spread` is the highest draw less the lowest one, None where there is one draw or the verdicts
    have no order. `confidence` is the share of draws for the verdict, or its probability. `votes`
    are the draws in their order, each with the name of its judge. `probabilities` are those of the
    offered verdicts and add up to 1.
    """

    spread: float | None = None
    confidence: float | None = None
    votes: tuple[tuple[str, Outcome], ...] = ()
    probabilities: tuple[tuple[Value, float], ...] = ()


Habit: TypeAlias = Literal["consistent", "first", "second", "undecided"]
"""Do both orders agree, or prefer the first or the second place? Else one of them is a tie."""


@dataclass(frozen=True, slots=True)
class Preference:
    """The details of a comparison: `p` is the mean probability of the first, if there is one.

    `flagged` says if the two orders disagree. It and `habit` are None where one order is missing.
    """

    p: float | None = None
    flagged: bool | None = None
    habit: Habit | None = None


@dataclass(frozen=True, slots=True)
class RankPosition:
    """The rank of a row in its group, or of each item of a list: 1 is the best, ties share one."""

    rank: int | list[int]


@dataclass(frozen=True, slots=True)
class Score:
    """A value on its scale, with the reason of the judge.

    >>> Score(4, "clear").status
    <Status.OK: 'ok'>

    `label` is the chosen word where labels have values. `attempts` counts the calls. The value of a
    ranked list is a list, with one score for each item.
    """

    value: Value | list[float]
    reason: str | None = None
    label: str | None = None
    attempts: int = 0
    ballot: Ballot | None = field(default=None, repr=False)
    details: Preference | RankPosition | None = field(default=None, repr=False)

    @property
    def status(self) -> Status:
        """Always `ok`, so that every outcome has a status."""
        return Status.OK

    @property
    def scalar_value(self) -> Value:
        """The value of everything but a ranked list, which has a list of them."""
        assert not isinstance(self.value, list)
        return self.value


@dataclass(frozen=True, slots=True)
class Unscored:
    """No score: the `status` says which kind of failure it is, the `message` says why.

    >>> Unscored(Status.REFUSED, "the model declined").status.is_lost
    True

    A failure never is a number. `attempts` counts the calls; `trace` is the traceback for `--log`.
    """

    status: Status
    message: str = ""
    attempts: int = 0
    trace: str | None = field(default=None, compare=False, repr=False)


Outcome: TypeAlias = Score | Unscored


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft of a refined text, with the outcome of each grader; rejected where a guard fell."""

    text: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    is_rejected: bool = False


@dataclass(frozen=True, slots=True)
class RefinePath:
    """How a loop refined the text of a row: its drafts in order, the returned one, and the ending.

    `returned_index` is None where there is no draft, or where the first one has no grade.
    """

    drafts: tuple[Draft, ...]
    returned_index: int | None
    ending: str

    @property
    def text(self) -> str | None:
        """The text that is returned."""
        if self.returned_index is None:
            return None
        return self.drafts[self.returned_index].text

    @property
    def rounds(self) -> int | None:
        """The number of drafts after the first; None where nothing is returned."""
        if self.returned_index is None:
            return None
        return max(0, len(self.drafts) - 1)


class Estimate(NamedTuple):
    """A statistic of `n` rows with 95 % bounds; what is undefined is None, and `why` says why."""

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""
