"""The state of one row in a run, its two signals, and the one place where exceptions are caught."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias, TypeVar

from rmg_dsl.errors import ArgumentError, CallError
from rmg_dsl.judge import DraftPlace, Enquiry, EnquiryKey
from rmg_dsl.results import Outcome, RefinePath, Status, Unscored
from rmg_dsl.runtime.refine_rules import DraftGrade

Data: TypeAlias = Any
"""A value of the data or of an expression: JSON-like, but a user's function may give anything."""

Row: TypeAlias = Mapping[Any, Data]
"""The data of a row by column; words that no column can have stand under keys that are no texts."""

_Subject = TypeVar("_Subject")
_Found = TypeVar("_Found")


class Waiting(Exception):
    """A question of this row has no answer yet; evaluation starts again when it has one."""


class NoScore(Exception):
    """There is no value, and `unscored` says why; `step` is set where a step has no value."""

    def __init__(self, unscored: Unscored, step: int | None = None) -> None:
        super().__init__(unscored.message)
        self.unscored = unscored
        self.step = step


@dataclass(frozen=True, slots=True)
class RankingEntry:
    """A row in a ranking: its group, its candidate, and the other values of the question."""

    group: str
    candidate: Data
    values: Mapping[str, Data]


@dataclass(slots=True)
class RowState:
    """What is known of one row: outcomes by step, the enquiries sent, the answers to them.

    Only a step with several enquiries collects `answers`; of one enquiry the answer is the outcome.
    `drafts` are the loops that refine the row, by step. A draft is a `RowState` of its own, which
    shares the enquiries of its row; `draft` says which draft it is. `ranking_entries` are the
    groups in which the row waits for a rank. `is_waiting` is true while an answer is out that is
    about this row alone.
    """

    index: int
    row: Row
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    enquiries: dict[tuple[DraftPlace | None, int, EnquiryKey], Enquiry] = field(
        default_factory=dict
    )
    answers: dict[int, dict[EnquiryKey, Outcome]] = field(default_factory=dict)
    drafts: dict[int, Drafts] = field(default_factory=dict)
    draft: DraftPlace | None = None
    ranking_entries: dict[int, RankingEntry] = field(default_factory=dict)
    is_waiting: bool = False
    is_done: bool = False


@dataclass(slots=True)
class Version:
    """A text for a field: `state` is the row with this text, or the row itself."""

    text: str
    state: RowState
    is_original: bool = False


@dataclass(slots=True)
class Drafts:
    """The progress of the loop of a row: its versions, their grades, and how it ended."""

    versions: list[Version] = field(default_factory=list)
    grades: list[DraftGrade] = field(default_factory=list)
    ending: str = ""
    failure: Unscored | None = None
    path: RefinePath | None = None


def state_of_enquiry(state: RowState, enquiry: Enquiry) -> RowState:
    """The state that an enquiry is about: the row itself, or a draft of it."""
    if enquiry.draft is None:
        return state
    loop, place = enquiry.draft
    return state.drafts[loop].versions[place].state


def paths_of(state: RowState) -> dict[int, RefinePath]:
    """The paths of the loops of a row that have ended, by step."""
    return {number: drafts.path for number, drafts in state.drafts.items() if drafts.path}


def attempt(work: Callable[[_Subject], _Found], subject: _Subject) -> _Found | Unscored:
    """The one blanket handler: any exception of `work` becomes an `Unscored` with its trace.

    The caller gets the failure as a value and must handle it. `Waiting` is no failure and passes.
    """
    try:
        return work(subject)
    except Waiting:
        raise
    except (Exception, SystemExit) as error:  # a failing row never takes the others with it
        return _unscored_from_error(error)


async def attempt_call(call: Awaitable[_Found]) -> _Found | Unscored:
    """`attempt` for something to await; a cancellation passes."""
    try:
        return await call
    except (Exception, SystemExit) as error:  # the failure of one call never ends its worker
        return _unscored_from_error(error)


def _unscored_from_error(error: Exception | SystemExit) -> Unscored:
    match error:
        case NoScore():
            return error.unscored
        case CallError():
            status = Status.REFUSED if error.refused else Status.ERROR
            code = f"HTTP {error.status_code}: " if error.status_code else ""
            return Unscored(status, f"{code}{error}", error.attempts)
        case ArgumentError():
            return Unscored(Status.ERROR, str(error)[:500])
        case _:
            # A message can hold a whole document; the cell of a table cannot.
            message = f"{type(error).__name__}: {error}".strip().rstrip(":")
            return Unscored(
                Status.ERROR, message[:500], trace="".join(traceback.format_exception(error))
            )


def fail(status: Status, message: str) -> NoReturn:
    """End the evaluation of a term: there is no value, for this reason."""
    raise NoScore(Unscored(status, message))
