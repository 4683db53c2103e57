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

from rmg_dsl.ir.scoring import ListwiseRanking, PairwiseRanking, ScoreRanking
from rmg_dsl.judge import (
    Enquiry,
    EnquiryKey,
    GroupRanking,
    ListwiseSession,
    PairAsker,
    PairwiseSession,
    comparison_count_range,
    ranking_from_scores,
    shares_of,
)
from rmg_dsl.messages import Question
from rmg_dsl.plan import RankStep
from rmg_dsl.results import Outcome, RankPosition, Score, Status, Unscored
from rmg_dsl.runtime.candidates import shared_values
from rmg_dsl.runtime.evaluate import Evaluator, name_of_step, render_question
from rmg_dsl.runtime.row_state import Row, RowState, Waiting, attempt

RankingSession: TypeAlias = ListwiseSession | PairwiseSession

# A group can have many questions: those of so many groups wait at the desks, not those of all.
MAX_OPEN_GROUPS = 64


@dataclass(eq=False, slots=True)
class RankingGroup:
    """Rows that are ranked among themselves, or one row whose list is; `session` knows what is asked about them."""

    rank: RankStep
    members: Sequence[RowState]
    session: RankingSession | None = None
    enquiries: dict[EnquiryKey, Enquiry] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The place of the first row."""
        return self.members[0].index

    @property
    def key(self) -> str:
        return self.members[0].ranking_entries[self.rank.number].group

    @property
    def candidates(self) -> list[object]:
        """What is ranked: something of each row, or the items of the one row's list."""
        found = [member.ranking_entries[self.rank.number].candidate for member in self.members]
        return list(found[0]) if self.rank.scoring.group is None else found

    def add_answer(self, enquiry: Enquiry, answer: Outcome) -> None:
        """Hand an answer back; what it comes to, the next `advance` finds out."""
        if self.session is not None:
            self.session.add_answer(enquiry.key, answer)


class RankingGroups:
    """The groups of a run, from its first row to the last rank; `seed` decides how candidates are shuffled.

    `at_once` is how many of them are asked about at a time.
    """

    def __init__(self, evaluator: Evaluator, seed: int = 0, at_once: int = MAX_OPEN_GROUPS) -> None:
        self._ranks = evaluator.plan.ranks
        self._seed, self._max_open = seed, at_once
        self._pair_askers = {
            rank.number: PairAsker(name_of_step(rank), rank.scoring.method.comparison)
            for rank in self._ranks
            if isinstance(rank.scoring.method, PairwiseRanking)
        }
        self._decided_rows: dict[int, set[int]] = {rank.number: set() for rank in self._ranks}
        self._entered_rows: dict[int, list[RowState]] = {rank.number: [] for rank in self._ranks}
        self._ready_groups: deque[RankingGroup] = deque()
        self._open_groups: dict[RankingGroup, None] = {}
        self._row_count: int | None = None

    @property
    def needs_all_rows(self) -> bool:
        """Does some ranking need all the rows before the first of them is done?"""
        return any(rank.scoring.group is not None for rank in self._ranks)

    @property
    def open_groups(self) -> Sequence[RankingGroup]:
        """The groups that are asked about."""
        return tuple(self._open_groups)

    # ── rows come in ──

    def add_row(self, state: RowState) -> Sequence[RankingGroup]:
        """Note how far a row has come; returns the groups that can begin because of it."""
        for rank in self._ranks:
            self._note_row(rank, state)
        return self._open_ready_groups() if self._ranks else ()

    def close_rows(self, rows: int) -> Sequence[RankingGroup]:
        """There are so many rows and no more: the groups can be complete. Returns those that begin."""
        self._row_count = rows
        for rank in self._ranks:
            self._form_groups(rank)
        return self._open_ready_groups()

    def _note_row(self, rank: RankStep, state: RowState) -> None:
        number, settled = rank.number, self._decided_rows[rank.number]
        known = state.is_done or number in state.ranking_entries or number in state.outcomes
        if not known or state.index in settled:
            return
        settled.add(state.index)
        if number in state.ranking_entries:
            self._entered_rows[number].append(state)
        self._form_groups(rank)

    def _form_groups(self, rank: RankStep) -> None:
        """Make groups of the rows that have their seats, once all of them have; of lists, at once."""
        if rank.scoring.group is None or len(self._decided_rows[rank.number]) == self._row_count:
            self._ready_groups += form_groups(rank, self._entered_rows[rank.number])
            self._entered_rows[rank.number].clear()

    def _open_ready_groups(self) -> list[RankingGroup]:
        begun: list[RankingGroup] = []
        while self._ready_groups and len(self._open_groups) < self._max_open:
            begun.append(self._ready_groups.popleft())
            self._open_groups[begun[-1]] = None
        return begun

    # ── groups go on ──

    def open_group(self, group: RankingGroup) -> list[Enquiry]:
        """The enquiries that a group begins with, whatever the others do: to look at, or to be counted."""
        self._open_groups[group] = None
        return self.advance_group(group)

    def advance_group(self, group: RankingGroup) -> list[Enquiry]:
        """Go on with a group; returns the enquiries that are new. Where nothing is left to ask, its rows are ranked."""
        before = len(group.enquiries)
        failure = attempt(self._advance_session, group)
        if failure is not None:
            self._close_group(group, failure)
        return list(group.enquiries.values())[before:] if group in self._open_groups else []

    def _advance_session(self, group: RankingGroup) -> None:
        way = group.rank.scoring.method
        if isinstance(way, ScoreRanking):
            seats = [member.ranking_entries[group.rank.number] for member in group.members]
            self._close_group(
                group, ranking_from_scores([seat.candidate for seat in seats], lower=way.lower)
            )
            return
        session = group.session = group.session or self._new_session(group, way)
        wanted = session.pending_keys()
        for key in wanted:
            if key not in group.enquiries:
                question = render_question(partial(session.question, key))
                group.enquiries[key] = Enquiry(
                    group.rank.number, key, question, *session.model_for(key)
                )
        if not wanted:
            self._close_group(group, session.outcome())

    def _new_session(
        self, group: RankingGroup, way: ListwiseRanking | PairwiseRanking
    ) -> RankingSession:
        number = group.rank.number
        values = shared_values([member.ranking_entries[number] for member in group.members])
        if isinstance(way, PairwiseRanking):
            return PairwiseSession(self._pair_askers[number], group.candidates, values)
        return ListwiseSession(
            name_of_step(group.rank), way, group.candidates, values, f"{self._seed} {group.key}"
        )

    def unblocked_by(self, group: RankingGroup) -> Sequence[RowState | RankingGroup]:
        """What can go on because of a group: its own rows, and the groups that waited for its place."""
        return () if group in self._open_groups else (*group.members, *self._open_ready_groups())

    def break_deadlock(self) -> list[RowState]:
        """Rows that wait for a ranking which waits for others that wait for theirs: none of them has a rank.

        To be asked where nothing else is on its way, since only then nothing will ever come.
        """
        if self._open_groups:
            return []
        tied = [(rank, state) for rank in self._ranks for state in self._entered_rows[rank.number]]
        for rank, state in tied:
            why = f"the rows of {' and '.join(f'`{name_of_step(each)}`' for each in self._ranks)} wait for each other"
            state.outcomes[rank.number] = Unscored(Status.ERROR, why)
            self._entered_rows[rank.number].clear()
        return [state for _, state in tied]

    def close_answered_groups(self) -> None:
        """The run ends: groups whose answers are all there have their ranks."""
        for group in list(self._open_groups):
            if group.session is not None and not group.session.pending_keys():
                self._close_group(group, group.session.outcome())

    def _close_group(self, group: RankingGroup, found: GroupRanking | Unscored) -> None:
        self._open_groups.pop(group, None)
        number = group.rank.number
        for place, member in enumerate(group.members):
            member.outcomes[number] = (
                found if isinstance(found, Unscored) else _ranking_score(group, found, place)
            )


def form_groups(rank: RankStep, states: Iterable[RowState]) -> list[RankingGroup]:
    """The groups of rows that have their seats, in the order of their first rows; a list is a group by itself."""
    found: dict[object, list[RowState]] = {}
    for state in sorted(states, key=lambda state: state.index):
        key = (
            state.index if rank.scoring.group is None else state.ranking_entries[rank.number].group
        )
        found.setdefault(key, []).append(state)
    return [RankingGroup(rank, members) for members in found.values()]


def max_ranking_calls(rank: RankStep, candidates: int) -> int:
    """The most calls that ranking so many candidates takes."""
    match rank.scoring.method:
        case ScoreRanking():
            return 0
        case ListwiseRanking():
            return int(candidates > 1)
        case PairwiseRanking(comparison=compared):
            return comparison_count_range(candidates)[1] * compared.max_draws


def preview_group_question(
    evaluator: Evaluator, rank: RankStep, row: int, rows: Iterable[Row]
) -> Question | Unscored:
    """The first question about the group of a row, or why nobody is asked about it."""
    states = [RowState(index, values) for index, values in enumerate(rows)]
    for state in states:
        with contextlib.suppress(Waiting):
            evaluator.outcome(rank.number, state)
    if rank.number not in states[row].ranking_entries:
        found = states[row].outcomes.get(rank.number)
        return (
            found
            if isinstance(found, Unscored)
            else Unscored(Status.SKIPPED, "it waits for another")
        )
    seated = (state for state in states if rank.number in state.ranking_entries)
    group = next(group for group in form_groups(rank, seated) if states[row] in group.members)
    first = RankingGroups(evaluator).open_group(group)
    found = states[row].outcomes.get(rank.number)
    if first:
        return first[0].question
    return (
        found
        if isinstance(found, Unscored)
        else Unscored(Status.SKIPPED, "there is nothing to compare it with")
    )


def _ranking_score(group: RankingGroup, found: GroupRanking, place: int) -> Score:
    """What a row gets of the standing: its own place, or those of all items of its list."""
    shares = shares_of(found.ranks)
    if group.rank.scoring.group is None:
        return Score(
            list(shares),
            found.reason(),
            None,
            found.attempts,
            details=RankPosition(list(found.ranks)),
        )
    return Score(
        shares[place],
        found.reason(place),
        None,
        found.attempts,
        details=RankPosition(found.ranks[place]),
    )
