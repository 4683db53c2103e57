"""Rankings in a run: rows that wait for each other, and the questions about all of them together.

A group is complete once every row of the run has taken its seat in one, has no score to be ranked by, or turned out
not to need the ranking. From then on it is asked about like a row: through the same desks, and as far as it can go.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from rmg_dsl.ir.scoring import ByJudge, ByPairs, ByScore
from rmg_dsl.judge import (
    Enquiry,
    Key,
    Listing,
    PairAsker,
    Standing,
    Tournament,
    fewest_and_most,
    shares_of,
    standing_of,
)
from rmg_dsl.messages import Question
from rmg_dsl.plan import Rank
from rmg_dsl.results import Outcome, Place, Score, Status, Unscored
from rmg_dsl.runtime.candidates import shared_values
from rmg_dsl.runtime.evaluate import Evaluator, name_of_step, rendered
from rmg_dsl.runtime.row_state import Row, RowState, Waiting, caught

Session: TypeAlias = Listing | Tournament

# A group can have many questions: those of so many groups wait at the desks, not those of all.
MOST_AT_ONCE = 64


@dataclass(eq=False, slots=True)
class Group:
    """Rows that are ranked among themselves, or one row whose list is; `session` knows what is asked about them."""

    rank: Rank
    members: Sequence[RowState]
    session: Session | None = None
    asked: dict[Key, Enquiry] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The place of the first row."""
        return self.members[0].index

    @property
    def key(self) -> str:
        return self.members[0].seats[self.rank.number].group

    @property
    def candidates(self) -> list[object]:
        """What is ranked: something of each row, or the items of the one row's list."""
        found = [member.seats[self.rank.number].candidate for member in self.members]
        return list(found[0]) if self.rank.scoring.group is None else found

    def take(self, enquiry: Enquiry, answer: Outcome) -> None:
        """Hand an answer back; what it comes to, the next `advance` finds out."""
        if self.session is not None:
            self.session.take(enquiry.key, answer)


class Groups:
    """The groups of a run, from its first row to the last rank; `seed` decides how candidates are shuffled.

    `at_once` is how many of them are asked about at a time.
    """

    def __init__(self, evaluator: Evaluator, seed: int = 0, at_once: int = MOST_AT_ONCE) -> None:
        self._ranks = evaluator.plan.ranks
        self._seed, self._at_once = seed, at_once
        self._pairs = {
            rank.number: PairAsker(name_of_step(rank), rank.scoring.way.compared)
            for rank in self._ranks
            if isinstance(rank.scoring.way, ByPairs)
        }
        self._settled: dict[int, set[int]] = {rank.number: set() for rank in self._ranks}
        self._seated: dict[int, list[RowState]] = {rank.number: [] for rank in self._ranks}
        self._ready: deque[Group] = deque()
        self._open: dict[Group, None] = {}
        self._rows: int | None = None

    @property
    def gather(self) -> bool:
        """Does some ranking need all the rows before the first of them is done?"""
        return any(rank.scoring.group is not None for rank in self._ranks)

    @property
    def open(self) -> Sequence[Group]:
        """The groups that are asked about."""
        return tuple(self._open)

    # ── rows come in ──

    def arrive(self, state: RowState) -> Sequence[Group]:
        """Note how far a row has come; returns the groups that can begin because of it."""
        for rank in self._ranks:
            self._note(rank, state)
        return self._begin() if self._ranks else ()

    def close(self, rows: int) -> Sequence[Group]:
        """There are so many rows and no more: the groups can be complete. Returns those that begin."""
        self._rows = rows
        for rank in self._ranks:
            self._form(rank)
        return self._begin()

    def _note(self, rank: Rank, state: RowState) -> None:
        number, settled = rank.number, self._settled[rank.number]
        known = state.done or number in state.seats or number in state.outcomes
        if not known or state.index in settled:
            return
        settled.add(state.index)
        if number in state.seats:
            self._seated[number].append(state)
        self._form(rank)

    def _form(self, rank: Rank) -> None:
        """Make groups of the rows that have their seats, once all of them have; of lists, at once."""
        if rank.scoring.group is None or len(self._settled[rank.number]) == self._rows:
            self._ready += grouped(rank, self._seated[rank.number])
            self._seated[rank.number].clear()

    def _begin(self) -> list[Group]:
        begun: list[Group] = []
        while self._ready and len(self._open) < self._at_once:
            begun.append(self._ready.popleft())
            self._open[begun[-1]] = None
        return begun

    # ── groups go on ──

    def begin(self, group: Group) -> list[Enquiry]:
        """The enquiries that a group begins with, whatever the others do: to look at, or to be counted."""
        self._open[group] = None
        return self.advance(group)

    def advance(self, group: Group) -> list[Enquiry]:
        """Go on with a group; returns the enquiries that are new. Where nothing is left to ask, its rows are ranked."""
        before = len(group.asked)
        with caught(partial(self._end, group)):
            self._go_on(group)
        return list(group.asked.values())[before:] if group in self._open else []

    def _go_on(self, group: Group) -> None:
        way = group.rank.scoring.way
        if isinstance(way, ByScore):
            seats = [member.seats[group.rank.number] for member in group.members]
            self._end(group, standing_of([seat.candidate for seat in seats], lower=way.lower))
            return
        session = group.session = group.session or self._session(group, way)
        wanted = session.wanted()
        for key in wanted:
            if key not in group.asked:
                question = rendered(partial(session.question, key))
                group.asked[key] = Enquiry(group.rank.number, key, question, *session.whom(key))
        if not wanted:
            self._end(group, session.outcome())

    def _session(self, group: Group, way: ByJudge | ByPairs) -> Session:
        number = group.rank.number
        values = shared_values([member.seats[number] for member in group.members])
        if isinstance(way, ByPairs):
            return Tournament(self._pairs[number], group.candidates, values)
        return Listing(
            name_of_step(group.rank), way, group.candidates, values, f"{self._seed} {group.key}"
        )

    def freed_by(self, group: Group) -> Sequence[RowState | Group]:
        """What can go on because of a group: its own rows, and the groups that waited for its place."""
        return () if group in self._open else (*group.members, *self._begin())

    def untied(self) -> list[RowState]:
        """Rows that wait for a ranking which waits for others that wait for theirs: none of them has a rank.

        To be asked where nothing else is on its way, since only then nothing will ever come.
        """
        if self._open:
            return []
        tied = [(rank, state) for rank in self._ranks for state in self._seated[rank.number]]
        for rank, state in tied:
            why = f"the rows of {' and '.join(f'`{name_of_step(each)}`' for each in self._ranks)} wait for each other"
            state.outcomes[rank.number] = Unscored(Status.ERROR, why)
            self._seated[rank.number].clear()
        return [state for _, state in tied]

    def settle(self) -> None:
        """The run ends: groups whose answers are all there have their ranks."""
        for group in list(self._open):
            if group.session is not None and not group.session.wanted():
                self._end(group, group.session.outcome())

    def _end(self, group: Group, found: Standing | Unscored) -> None:
        self._open.pop(group, None)
        number = group.rank.number
        for place, member in enumerate(group.members):
            member.outcomes[number] = (
                found if isinstance(found, Unscored) else _score(group, found, place)
            )


def grouped(rank: Rank, states: Iterable[RowState]) -> list[Group]:
    """The groups of rows that have their seats, in the order of their first rows; a list is a group by itself."""
    found: dict[object, list[RowState]] = {}
    for state in sorted(states, key=lambda state: state.index):
        key = state.index if rank.scoring.group is None else state.seats[rank.number].group
        found.setdefault(key, []).append(state)
    return [Group(rank, members) for members in found.values()]


def calls_for(rank: Rank, candidates: int) -> int:
    """The most calls that ranking so many candidates takes."""
    match rank.scoring.way:
        case ByScore():
            return 0
        case ByJudge():
            return int(candidates > 1)
        case ByPairs(compared=compared):
            return fewest_and_most(candidates)[1] * compared.most_draws


def ask_group(
    evaluator: Evaluator, rank: Rank, row: int, rows: Iterable[Row]
) -> Question | Unscored:
    """The first question about the group of a row, or why nobody is asked about it."""
    states = [RowState(index, values) for index, values in enumerate(rows)]
    for state in states:
        with contextlib.suppress(Waiting):
            evaluator.outcome(rank.number, state)
    if rank.number not in states[row].seats:
        found = states[row].outcomes.get(rank.number)
        return (
            found
            if isinstance(found, Unscored)
            else Unscored(Status.SKIPPED, "it waits for another")
        )
    seated = (state for state in states if rank.number in state.seats)
    group = next(group for group in grouped(rank, seated) if states[row] in group.members)
    first = Groups(evaluator).begin(group)
    found = states[row].outcomes.get(rank.number)
    if first:
        return first[0].question
    return (
        found
        if isinstance(found, Unscored)
        else Unscored(Status.SKIPPED, "there is nothing to compare it with")
    )


def _score(group: Group, found: Standing, place: int) -> Score:
    """What a row gets of the standing: its own place, or those of all items of its list."""
    shares = shares_of(found.ranks)
    if group.rank.scoring.group is None:
        return Score(
            list(shares), found.reason(), None, found.attempts, beside=Place(list(found.ranks))
        )
    return Score(
        shares[place], found.reason(place), None, found.attempts, beside=Place(found.ranks[place])
    )
