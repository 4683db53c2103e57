"""One row on its way: what is known of it, what it waits for, and the one place where whatever goes wrong is caught."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias, TypeVar

from rmg_dsl.errors import CallError
from rmg_dsl.judge import DraftPlace, Enquiry, EnquiryKey
from rmg_dsl.results import Outcome, RefinePath, Status, Unscored
from rmg_dsl.runtime.refine_rules import DraftGrade

Row: TypeAlias = Mapping[Any, Any]
_Subject = TypeVar("_Subject")
_Found = TypeVar("_Found")


class Waiting(Exception):
    """A question of this row has no answer yet."""


class NoScore(Exception):
    """There is no value, and this is why; `step` is the one that has none, where it is a step's and not a column's."""

    def __init__(self, unscored: Unscored, step: int | None = None) -> None:
        super().__init__(unscored.message)
        self.unscored = unscored
        self.step = step


@dataclass(frozen=True, slots=True)
class RankingEntry:
    """Where a row is ranked: its group, what is ranked there, and what else the question about all of them names."""

    group: str
    candidate: Any
    values: Mapping[str, Any]


@dataclass(slots=True)
class RowState:
    """What is known of one row: outcomes by step, the enquiries that went out, the answers of steps with several.

    `drafts` are the loops that refine it, by step. A draft is a row of its own, which shares what was asked with the
    row that it is a draft of; `draft` says which one it is.
    `seats` are the groups in which it waits to be ranked; it is `waiting` while an answer of its own is out.
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
    """A text in the place of a field: `state` is the row with this text in it; of the first one the row as it came."""

    text: str
    state: RowState
    is_original: bool = False


@dataclass(slots=True)
class Drafts:
    """How far the loop of a row has come: its versions, what was found of each, and how it ended."""

    versions: list[Version] = field(default_factory=list)
    grades: list[DraftGrade] = field(default_factory=list)
    ending: str = ""
    failure: Unscored | None = None
    path: RefinePath | None = None


def state_of_enquiry(state: RowState, enquiry: Enquiry) -> RowState:
    """What an enquiry is about: the row itself, or a draft of it."""
    if enquiry.draft is None:
        return state
    loop, place = enquiry.draft
    return state.drafts[loop].versions[place].state


def paths_of(state: RowState) -> dict[int, RefinePath]:
    """How the loops of a row went, by step."""
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
        case _:
            message = f"{type(error).__name__}: {error}".strip().rstrip(":")
            return Unscored(
                Status.ERROR, message[:500], trace="".join(traceback.format_exception(error))
            )


def fail(status: Status, message: str) -> NoReturn:
    """There is no value on this row, and this is why."""
    raise NoScore(Unscored(status, message))
