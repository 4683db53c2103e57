"""What a run would do and cost, and what it would send: everything short of asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, NoReturn

from rmg_dsl.api.options import Options
from rmg_dsl.api.preparing import Job, functions_of, planned_for, table_of
from rmg_dsl.api.pricing import quoted
from rmg_dsl.api.sources import Spec
from rmg_dsl.errors import UsageError
from rmg_dsl.messages import Question
from rmg_dsl.plan import Ask, CallPython, Plan, Rank, Refine
from rmg_dsl.results import Unscored
from rmg_dsl.runtime import Bill as Estimate
from rmg_dsl.runtime import Evaluator
from rmg_dsl.runtime import estimate as estimate_rows
from rmg_dsl.runtime.rankings import ask_group
from rmg_dsl.runtime.row_state import Waiting
from rmg_dsl.tables import Table


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan that prints itself and, where there was data, its bill."""

    plan: Plan
    bill: Estimate | None = None

    def __str__(self) -> str:
        return str(self.plan) + (f"\n{self.bill}" if self.bill else "")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from rmg_dsl.report.html import plan_html

        return plan_html(self.plan, str(self.bill or ""))

    def as_json(self) -> dict[str, Any]:
        """The counts as plain data: calls a row, and calls in all where there was data."""
        found: dict[str, Any] = {
            "steps": len(self.plan.steps),
            "calls_per_row": asdict(self.plan.calls),
        }
        return found | (asdict(self.bill) if self.bill else {})


def plan(spec: Spec, data: Any = None, **options: Any) -> PlanView:
    """The steps for a row and, with data, what its rows cost: calls, tokens and money, after cache and duplicates.

    >>> spec = 'grader kind -> bool = "Is this kind? {{ x }}"'
    >>> print(str(plan(spec, [{"x": "a"}, {"x": "b"}, {"x": "b"}]).bill).splitlines()[0])
    3 rows, 3 model calls, of which 1 is a duplicate: 2 to make

    Calls nobody, and needs neither a key nor a model; with one that is named the replies in its cache are counted.
    Tokens are an estimate, and so is the money, which takes a `price` in the model's settings.
    """
    return plan_of(spec, data, Options.of(options))


def plan_of(spec: Spec, data: Any, options: Options) -> PlanView:
    """`plan` with its options in one."""
    table = None if data is None else table_of(data, options)
    _, planned = planned_for(spec, table, options)
    if table is None:
        return PlanView(planned)
    return _with_bill(planned, table, options)


def bill_of(job: Job) -> PlanView:
    """What a prepared run would cost: nobody is asked."""
    return _with_bill(job.plan, job.table, job.options)


def _with_bill(planned: Plan, table: Table, options: Options) -> PlanView:
    uses = dict.fromkeys(use for step in planned.calling for use in step.models)
    with quoted(uses, options) as quotes:
        return PlanView(planned, estimate_rows(_bystander(planned, options), table, quotes))


def _bystander(planned: Plan, options: Options) -> Evaluator:
    """An evaluator that runs no Python of the user's: what such a function will say, nobody knows yet."""
    targets = {step.scoring.target for step in planned.steps if isinstance(step, CallPython)}
    return Evaluator(planned, functions_of(options), dict.fromkeys(targets, _not_yet))


def _not_yet(**_: Any) -> NoReturn:
    raise Waiting


def messages_of(
    spec: Spec,
    data: Any,
    row: int,
    grader: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The messages that one row (counted from 0) would send, for each grader that asks a model, or for one of them."""
    options = Options(params=params or {}, only=(grader,) if grader else ())
    table = table_of(data, options)
    _, planned = planned_for(spec, table, options)
    found = next(islice(iter(table), row, None), None) if row >= 0 else None
    if found is None:
        last = f"the data has {table.count} rows, counted from 0"
        raise UsageError(f"there is no row {row}: {last}")
    evaluator = _bystander(planned, options)
    return [
        _shown(step, _question(evaluator, step, row, found, table))
        for step in planned.calling
        if not isinstance(step, Refine)
    ]


def _question(
    evaluator: Evaluator, step: Ask | Rank, row: int, values: Mapping[str, Any], table: Table
) -> Question | Unscored:
    return (
        evaluator.ask(step.number, row, values)
        if isinstance(step, Ask)
        else ask_group(evaluator, step, row, table)
    )


def _shown(step: Ask | Rank, question: Question | Unscored) -> dict[str, Any]:
    name = " = ".join(step.names)
    if isinstance(question, Unscored):
        return {
            "grader": name,
            "status": str(question.status),
            "message": question.message,
            "messages": [],
        }
    return {
        "grader": name,
        "status": "ok",
        "message": "",
        "messages": [asdict(m) for m in question.messages],
    }
