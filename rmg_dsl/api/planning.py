"""Plans and dry runs: the steps of a run, its cost, and the messages it would send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, NoReturn, TypedDict, Unpack

from rmg_dsl.api.destinations import ModelDestination, model_destinations
from rmg_dsl.api.options import GradeOptions, Options, ParamValue, document_options
from rmg_dsl.api.preparing import GradingJob, available_functions, check_and_plan, table_of
from rmg_dsl.api.pricing import open_price_quotes
from rmg_dsl.api.sources import Spec
from rmg_dsl.errors import UsageError
from rmg_dsl.messages import Question, Role
from rmg_dsl.plan import AskStep, CallPythonStep, Plan, RankStep, RefineStep
from rmg_dsl.results import Unscored
from rmg_dsl.runtime import CostEstimate as Estimate
from rmg_dsl.runtime import Evaluator
from rmg_dsl.runtime import estimate as estimate_rows
from rmg_dsl.runtime.rankings import preview_group_question
from rmg_dsl.runtime.row_state import Waiting
from rmg_dsl.tables import Row, Table


class MessageEntry(TypedDict):
    """One message of a chat, as plain data."""

    role: Role
    content: str


class QuestionEntry(TypedDict):
    """The messages of one grader about one row, as plain data.

    `status` is "ok", or why the row sends nothing; `message` then has the reason in words.
    `grader` is empty for a part of another grader.
    """

    grader: str
    status: str
    message: str
    messages: list[MessageEntry]


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan that prints itself, with an estimate of its calls and cost where there was data."""

    plan: Plan
    bill: Estimate | None = None
    destinations: tuple[ModelDestination, ...] = ()

    def __str__(self) -> str:
        return "\n".join([str(self.plan), *self._notes])

    @property
    def _notes(self) -> list[str]:
        """The bill and the destinations, in lines."""
        bill = [str(self.bill)] if self.bill else []
        return bill + [str(destination) for destination in self.destinations]

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from rmg_dsl.report.html import plan_html

        return plan_html(self.plan, "\n".join(self._notes))

    def as_json(self) -> dict[str, Any]:
        """The counts as plain data: calls per row and, where there was data, the estimate."""
        counts: dict[str, object] = {
            "steps": len(self.plan.steps),
            "calls_per_row": asdict(self.plan.calls),
        }
        counts["models"] = [asdict(destination) for destination in self.destinations]
        return counts | (asdict(self.bill) if self.bill else {})


@document_options
def plan_view(spec: Spec, data: object = None, **options: Unpack[GradeOptions]) -> PlanView:
    """Plan a run: the steps for one row and, with `data`, the calls, tokens and money for its rows.

    >>> spec = 'grader kind -> bool = "Is this kind? {{ x }}"'
    >>> print(str(plan_view(spec, [{"x": "a"}, {"x": "b"}, {"x": "b"}]).bill).splitlines()[0])
    3 rows, 3 model calls, of which 1 is a duplicate: 2 to make

    It calls no model and needs no key. Cached replies and duplicates are subtracted; the cache is
    read only for a model that has a name. The tokens and the cost are estimates. The cost needs a
    `price` in the settings of the model.
    """
    return plan_of(spec, data, Options.of(options))


def plan_of(spec: Spec, data: object, options: Options) -> PlanView:
    """Do what `plan_view` does, with options that are checked already."""
    table = None if data is None else table_of(data, options)
    _, planned = check_and_plan(spec, table, options)
    if table is None:
        return PlanView(planned, destinations=model_destinations(planned, options))
    return _with_estimate(planned, table, options)


def estimate_job(job: GradingJob) -> PlanView:
    """Estimate what a prepared run would cost. It calls no model."""
    return _with_estimate(job.plan, job.table, job.options)


def _with_estimate(planned: Plan, table: Table, options: Options) -> PlanView:
    uses = dict.fromkeys(use for step in planned.model_steps for use in step.models)
    with open_price_quotes(uses, options) as quotes:
        bill = estimate_rows(_dry_run_evaluator(planned, options), table.cell_rows(), quotes)
    return PlanView(planned, bill, model_destinations(planned, options))


def _dry_run_evaluator(planned: Plan, options: Options) -> Evaluator:
    """An evaluator that never runs the functions of `python("module:name")`.

    A dry run must not run code of the spec. What depends on such a function stays unknown.
    """
    targets = {step.scoring.target for step in planned.steps if isinstance(step, CallPythonStep)}
    return Evaluator(planned, available_functions(options), dict.fromkeys(targets, _raise_waiting))


def _raise_waiting(**_: object) -> NoReturn:
    raise Waiting


def messages_of(
    spec: Spec,
    data: object,
    row: int,
    grader: str | None = None,
    params: Mapping[str, ParamValue] | None = None,
    allow_files: Sequence[str] = (),
) -> list[QuestionEntry]:
    """The messages that one row would send, for each grader that asks a model.

    `row` counts from 0. `grader` limits them to one grader and to what it needs. No model is
    called. Raises UsageError where there is no such row.
    """
    only = (grader,) if grader else ()
    options = Options(params=params or {}, only=only, allow_files=allow_files)
    table = table_of(data, options)
    _, planned = check_and_plan(spec, table, options)
    values = next(islice(table.cell_rows(), row, None), None) if row >= 0 else None
    if values is None:
        last = f"the data has {table.count} rows, counted from 0"
        raise UsageError(f"there is no row {row}: {last}")
    evaluator = _dry_run_evaluator(planned, options)
    return [
        _question_entry(step, _question(evaluator, step, row, values, table))
        for step in planned.model_steps
        if not isinstance(step, RefineStep)
    ]


def _question(
    evaluator: Evaluator,
    step: AskStep | RankStep,
    row: int,
    values: Row,
    table: Table,
) -> Question | Unscored:
    return (
        evaluator.preview_question(step.number, row, values)
        if isinstance(step, AskStep)
        else preview_group_question(evaluator, step, row, table)
    )


def _question_entry(step: AskStep | RankStep, question: Question | Unscored) -> QuestionEntry:
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
        "messages": [{"role": m.role, "content": m.content} for m in question.messages],
    }
