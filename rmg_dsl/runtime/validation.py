"""`validate`: verdicts of a grader and of people, collected row by row, and those of a baseline that costs nothing."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from rmg_dsl.ir.expr import ScoreRef, Term
from rmg_dsl.ir.suite import Validation
from rmg_dsl.judge import read_reply
from rmg_dsl.messages import Model, Request
from rmg_dsl.plan import Plan, needed_by
from rmg_dsl.results import Score
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import RowResult
from rmg_dsl.runtime.requirements import Failure, as_rating, finished_state, read_value
from rmg_dsl.runtime.row_state import RowState, Waiting
from rmg_dsl.runtime.value_columns import CompactColumn


@dataclass(slots=True)
class ValidationColumns:
    """The rows that the grader and at least one person have judged, by column; what is not there is None.

    `unscored` counts the rows with a verdict of a person and none of the grader, which should have one; `unread` what
    stands in a person's column and is no verdict. `baseline` is None where there is nobody to compare with.
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
        """Nothing seen so far."""
        people = tuple(CompactColumn() for _ in validation.against)
        groups = None if validation.group is None else CompactColumn()
        return cls(
            validation, CompactColumn(), people, groups, CompactColumn() if with_baseline else None
        )


class ValidationCollector:
    """Collects what the validations of a plan compare. They force nothing: a row that skipped the grader is left out.

    `baseline` is asked what the judges were asked, for the validations of the scorings in `asked`; it must cost
    nothing, and its refusals leave gaps.
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

    def _read_rating(self, term: Term, state: RowState) -> Any:
        return read_value(self._evaluator, term, state, as_rating)

    def _group_of_row(self, validation: Validation, state: RowState) -> float | str | None:
        """The group of a row: a number or a text as it is, anything else by its JSON."""
        assert validation.group is not None
        group = read_value(
            self._evaluator, validation.group, state, lambda value, _: _validation_group_key(value)
        )
        return None if isinstance(group, Failure) else group

    async def _baseline_verdict(self, scoring: int, state: RowState) -> float | str | None:
        """What the grader would say if the baseline were its judge; code that needs no judge is not run again."""
        outcomes = {number: state.outcomes[number] for number in self._judge_free_steps}
        fresh = RowState(state.index, state.row, outcomes)
        while True:
            try:
                outcome = self._evaluator.outcome(scoring, fresh)
                return (
                    as_rating(outcome.value, ScoreRef(scoring))
                    if isinstance(outcome, Score)
                    else None
                )
            except Waiting:
                await self._answer_with_baseline(fresh)

    async def _answer_with_baseline(self, state: RowState) -> None:
        open_ones = [
            e for e in state.enquiries.values() if not self._evaluator.has_answer(state, e)
        ]
        for enquiry in open_ones:
            # A baseline says a verdict and has no probabilities.
            question = replace(enquiry.question, answer_options=())
            reply = await self._baseline.complete(Request(question, row=state.index))
            self._evaluator.add_answer(state, enquiry, read_reply(reply, question))


def _validation_group_key(value: Any) -> float | str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and abs(value) < 2**53:
        return value
    return json.dumps(value, sort_keys=True, default=str)
