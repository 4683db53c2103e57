"""Rankings in a run: rows that wait for each other, and the questions about a group of them.

The groups of a ranking are complete when each row of the run has entered one, has nothing to be
ranked by, or turned out not to need the ranking. From then on a group is treated like a row: it
sends enquiries to the same worker pools, and goes on as far as the answers allow.
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

# A group can have many questions: the queues hold those of so many groups, not those of all.
MAX_OPEN_GROUPS = 64


@dataclass(eq=False, slots=True)
class RankingGroup:
    """Rows that are ranked among themselves, or one row whose list is ranked.

    `session` knows which questions to ask, once the group has begun.
    """

    rank: RankStep
    members: Sequence[RowState]
    session: RankingSession | None = None
    enquiries: dict[EnquiryKey, Enquiry] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The index of the first row."""
        return self.members[0].index

    @property
    def key(self) -> str:
        """The value that the rows of the group share, as text."""
        return self.members[0].ranking_entries[self.rank.number].group

    @property
    def candidates(self) -> list[object]:
        """What is ranked: one value of each row, or the items of the list of the only row."""
        candidates = [member.ranking_entries[self.rank.number].candidate for member in self.members]
        if self.rank.scoring.group is None:
            return list(candidates[0])
        return candidates

    def add_answer(self, enquiry: Enquiry, answer: Outcome) -> None:
        """Store the answer to an enquiry; the next `advance_group` uses it."""
        if self.session is not None:
            self.session.add_answer(enquiry.key, answer)


class RankingGroups:
    """The groups of a run, from its first row to its last rank.

    `seed` decides how candidates are shuffled, `at_once` is the most groups open at a time.
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
        """Does a ranking need all rows before the first of them is done?"""
        return any(rank.scoring.group is not None for rank in self._ranks)

    @property
    def open_groups(self) -> Sequence[RankingGroup]:
        """The groups that have begun and have no ranks yet."""
        return tuple(self._open_groups)

    # ── rows come in ──

    def add_row(self, state: RowState) -> Sequence[RankingGroup]:
        """Note the progress of a row; returns the groups that can begin because of it."""
        for rank in self._ranks:
            self._note_row(rank, state)
        return self._open_ready_groups() if self._ranks else ()

    def close_rows(self, rows: int) -> Sequence[RankingGroup]:
        """Note that there are so many rows and no more; returns the groups that can begin."""
        self._row_count = rows
        for rank in self._ranks:
            self._form_groups(rank)
        return self._open_ready_groups()

    def _note_row(self, rank: RankStep, state: RowState) -> None:
        number, decided = rank.number, self._decided_rows[rank.number]
        is_decided = state.is_done or number in state.ranking_entries or number in state.outcomes
        # A row comes here after each of its answers; it must be counted once.
        if not is_decided or state.index in decided:
            return
        decided.add(state.index)
        if number in state.ranking_entries:
            self._entered_rows[number].append(state)
        self._form_groups(rank)

    def _form_groups(self, rank: RankStep) -> None:
        """Make groups of the entered rows once every row is decided; a list needs no other row."""
        if rank.scoring.group is None or len(self._decided_rows[rank.number]) == self._row_count:
            self._ready_groups += form_groups(rank, self._entered_rows[rank.number])
            self._entered_rows[rank.number].clear()

    def _open_ready_groups(self) -> list[RankingGroup]:
        opened: list[RankingGroup] = []
        while self._ready_groups and len(self._open_groups) < self._max_open:
            opened.append(self._ready_groups.popleft())
            self._open_groups[opened[-1]] = None
        return opened

    # ── groups go on ──

    def open_group(self, group: RankingGroup) -> list[Enquiry]:
        """Begin a group at once and return its first enquiries, for a preview or an estimate."""
        self._open_groups[group] = None
        return self.advance_group(group)

    def advance_group(self, group: RankingGroup) -> list[Enquiry]:
        """Go on with a group: return its new enquiries, or rank its rows if it has all answers."""
        before = len(group.enquiries)
        failure = attempt(self._advance_session, group)
        if failure is not None:
            self._close_group(group, failure)
        if group not in self._open_groups:
            return []
        return list(group.enquiries.values())[before:]

    def _advance_session(self, group: RankingGroup) -> None:
        method = group.rank.scoring.method
        if isinstance(method, ScoreRanking):
            entries = [member.ranking_entries[group.rank.number] for member in group.members]
            self._close_group(
                group,
                ranking_from_scores([entry.candidate for entry in entries], lower=method.lower),
            )
            return
        session = group.session = group.session or self._new_session(group, method)
        pending_keys = session.pending_keys()
        for key in pending_keys:
            if key not in group.enquiries:
                question = render_question(partial(session.question, key))
                group.enquiries[key] = Enquiry(
                    group.rank.number, key, question, *session.model_for(key)
                )
        if not pending_keys:
            self._close_group(group, session.outcome())

    def _new_session(
        self, group: RankingGroup, method: ListwiseRanking | PairwiseRanking
    ) -> RankingSession:
        number = group.rank.number
        values = shared_values([member.ranking_entries[number] for member in group.members])
        if isinstance(method, PairwiseRanking):
            return PairwiseSession(self._pair_askers[number], group.candidates, values)
        # The key of the group is part of the seed: the order does not depend on other groups.
        seed = f"{self._seed} {group.key}"
        return ListwiseSession(name_of_step(group.rank), method, group.candidates, values, seed)

    def unblocked_by(self, group: RankingGroup) -> Sequence[RowState | RankingGroup]:
        """What can go on after a group: its rows, and the groups that waited for its slot."""
        if group in self._open_groups:
            return ()
        return (*group.members, *self._open_ready_groups())

    def break_deadlock(self) -> list[RowState]:
        """Fail rows that wait for rankings that wait for each other; returns these rows.

        Call it only when no answer is out: until then a rank may still come.
        """
        if self._open_groups:
            return []
        blocked = [
            (rank, state) for rank in self._ranks for state in self._entered_rows[rank.number]
        ]
        names = " and ".join(f"`{name_of_step(rank)}`" for rank in self._ranks)
        why = f"the rows of {names} wait for each other"
        for rank, state in blocked:
            state.outcomes[rank.number] = Unscored(Status.ERROR, why)
            self._entered_rows[rank.number].clear()
        return [state for _, state in blocked]

    def close_answered_groups(self) -> None:
        """Rank the groups that have all their answers: the run ends."""
        for group in list(self._open_groups):
            # A group with open questions has no rank: its rows get the status of the stop.
            if group.session is not None and not group.session.pending_keys():
                self._close_group(group, group.session.outcome())

    def _close_group(self, group: RankingGroup, ranking: GroupRanking | Unscored) -> None:
        self._open_groups.pop(group, None)
        number = group.rank.number
        if isinstance(ranking, Unscored):
            for member in group.members:
                member.outcomes[number] = ranking
            return
        # Once for all members: each share depends on all ranks.
        shares = shares_of(ranking.ranks)
        for place, member in enumerate(group.members):
            member.outcomes[number] = _ranking_score(group, ranking, shares, place)


def form_groups(rank: RankStep, states: Iterable[RowState]) -> list[RankingGroup]:
    """The groups of the entered rows, in the order of their first rows; a list is its own group."""
    members_by_key: dict[object, list[RowState]] = {}
    # Rows enter in the order of their answers; the ranking must not depend on that.
    for state in sorted(states, key=lambda state: state.index):
        key: object = state.index
        if rank.scoring.group is not None:
            key = state.ranking_entries[rank.number].group
        members_by_key.setdefault(key, []).append(state)
    return [RankingGroup(rank, members) for members in members_by_key.values()]


def max_ranking_calls(rank: RankStep, candidates: int) -> int:
    """The most calls that a ranking of so many candidates takes."""
    match rank.scoring.method:
        case ScoreRanking():
            return 0
        case ListwiseRanking():
            return int(candidates > 1)
        case PairwiseRanking(comparison=comparison):
            return comparison_count_range(candidates)[1] * comparison.max_draws


def preview_group_question(
    evaluator: Evaluator, rank: RankStep, row: int, rows: Iterable[Row]
) -> Question | Unscored:
    """The first question about the group of a row; or why there is no question."""
    states = [RowState(index, values) for index, values in enumerate(rows)]
    for state in states:
        with contextlib.suppress(Waiting):
            evaluator.outcome(rank.number, state)
    if rank.number not in states[row].ranking_entries:
        return _failure_of_step(rank, states[row], "it waits for another")
    entered = (state for state in states if rank.number in state.ranking_entries)
    group = next(group for group in form_groups(rank, entered) if states[row] in group.members)
    first = RankingGroups(evaluator).open_group(group)
    if first:
        return first[0].question
    return _failure_of_step(rank, states[row], "there is nothing to compare it with")


def _failure_of_step(rank: RankStep, state: RowState, otherwise: str) -> Unscored:
    """Why a row has no rank; where it has no failure it is skipped, for the reason `otherwise`."""
    outcome = state.outcomes.get(rank.number)
    if isinstance(outcome, Unscored):
        return outcome
    return Unscored(Status.SKIPPED, otherwise)


def _ranking_score(
    group: RankingGroup, ranking: GroupRanking, shares: Sequence[float], place: int
) -> Score:
    """The score of one row of a group: its own rank, or the ranks of all items of its list."""
    attempts = ranking.attempts
    if group.rank.scoring.group is None:
        positions = RankPosition(list(ranking.ranks))
        return Score(list(shares), ranking.reason(), None, attempts, details=positions)
    position = RankPosition(ranking.ranks[place])
    return Score(shares[place], ranking.reason(place), None, attempts, details=position)
