"""`validate`: collect the ratings of a grader, of people and of a free baseline, row by row."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace

from rmg_dsl.ir.expr import ScoreRef, Term
from rmg_dsl.ir.suite import Validation
from rmg_dsl.judge import read_reply
from rmg_dsl.messages import Model, Request
from rmg_dsl.plan import Plan, needed_by
from rmg_dsl.results import Score
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import RowResult
from rmg_dsl.runtime.requirements import (
    Failure,
    RowReading,
    as_rating,
    finished_state,
    read_value,
)
from rmg_dsl.runtime.row_state import Data, RowState, Waiting
from rmg_dsl.runtime.value_columns import CompactColumn


@dataclass(slots=True)
class ValidationColumns:
    """The ratings of the rows that the grader and at least one person have rated, by column.

    A missing rating is None. `unscored_count` counts the rows that a person has rated and on which
    the grader failed. `unread` counts the values of people that are no ratings. `baseline` is None
    where the grader asks no judge: then there is nothing to compare a baseline with.
    """

    validation: Validation
    judge: CompactColumn
    people: tuple[CompactColumn, ...]
    groups: CompactColumn | None
    baseline: CompactColumn | None
    unscored_count: int = 0
    unread: int = 0

    @classmethod
    def empty(cls, validation: Validation, *, with_baseline: bool) -> ValidationColumns:
        """Columns without a row."""
        people = tuple(CompactColumn() for _ in validation.against)
        groups = None if validation.group is None else CompactColumn()
        baseline = CompactColumn() if with_baseline else None
        return cls(validation, CompactColumn(), people, groups, baseline)


class ValidationCollector:
    """Collects what the validations of a plan compare. A row that skipped the grader is left out.

    `baseline` answers the questions of the judges again, for the scorings in `asked`. It must cost
    nothing. Where it has no verdict its column has a gap.
    """

    def __init__(
        self,
        plan: Plan,
        evaluator: Evaluator,
        baseline: Model,
        judged_scorings: Collection[int] = (),
    ) -> None:
        self._evaluator = evaluator
        self._baseline = baseline
        asks = {step.number for step in plan.asks}
        # Steps that need no judge have the same outcomes for the baseline: they do not run again.
        self._judge_free_steps = [
            step.number for step in plan.steps if not asks & needed_by(plan, step.number)
        ]
        self.validation_columns = [
            ValidationColumns.empty(validation, with_baseline=validation.scoring in judged_scorings)
            for validation in plan.validations
        ]

    async def add(self, result: RowResult) -> None:
        """Take in a finished row."""
        if not self.validation_columns:
            return
        state = finished_state(result, self._evaluator)
        for columns in self.validation_columns:
            await self._collect_verdicts(columns, state)

    async def _collect_verdicts(self, columns: ValidationColumns, state: RowState) -> None:
        people = [self._read_rating(term, state) for _, term in columns.validation.against]
        columns.unread += sum(isinstance(verdict, Failure) for verdict in people)
        verdicts = [None if isinstance(verdict, Failure) else verdict for verdict in people]
        judge = self._read_rating(ScoreRef(columns.validation.scoring), state)
        # A row without a rating by a person, or that skipped the grader, has nothing to compare.
        if judge is None or all(verdict is None for verdict in verdicts):
            return
        if isinstance(judge, Failure):
            columns.unscored_count += 1
            return
        columns.judge.append(judge)
        for column, verdict in zip(columns.people, verdicts, strict=True):
            column.append(verdict)
        if columns.groups is not None:
            columns.groups.append(self._group_of_row(columns.validation, state))
        if columns.baseline is not None:
            columns.baseline.append(await self._baseline_verdict(columns.validation.scoring, state))

    def _read_rating(self, term: Term, state: RowState) -> RowReading:
        return read_value(self._evaluator, term, state, as_rating)

    def _group_of_row(self, validation: Validation, state: RowState) -> float | str | None:
        """The group of a row: a number or a text as it is, anything else as JSON."""
        assert validation.group is not None
        group = read_value(
            self._evaluator, validation.group, state, lambda value, _: _validation_group_key(value)
        )
        if isinstance(group, Failure):
            return None
        return group

    async def _baseline_verdict(self, scoring: int, state: RowState) -> float | str | None:
        """The rating of the grader with the baseline as its judge."""
        outcomes = {number: state.outcomes[number] for number in self._judge_free_steps}
        fresh = RowState(state.index, state.row, outcomes)
        while True:
            try:
                outcome = self._evaluator.outcome(scoring, fresh)
            except Waiting:
                await self._answer_with_baseline(fresh)
                continue
            if not isinstance(outcome, Score):
                return None
            return as_rating(outcome.value, ScoreRef(scoring))

    async def _answer_with_baseline(self, state: RowState) -> None:
        open_ones = [
            e for e in state.enquiries.values() if not self._evaluator.has_answer(state, e)
        ]
        for enquiry in open_ones:
            # A baseline gives a verdict and not the probabilities of words.
            question = replace(enquiry.question, answer_options=())
            reply = await self._baseline.complete(Request(question, row=state.index))
            self._evaluator.add_answer(state, enquiry, read_reply(reply, question))


def _validation_group_key(value: Data) -> float | str:
    """The key of a group: the value itself where a column can hold it, else its JSON."""
    if isinstance(value, str):
        return value
    # A larger integer is not exact as a float: two groups could become one.
    if isinstance(value, int | float) and abs(value) < 2**53:
        return value
    return json.dumps(value, sort_keys=True, default=str)
