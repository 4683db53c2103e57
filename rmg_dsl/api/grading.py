"""Grading: where a suite meets its rows. One call does everything; every surface is a thin shell over it."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from rmg_dsl import std
from rmg_dsl.api.asking import logging_crews, open_crews
from rmg_dsl.api.options import Options
from rmg_dsl.api.progress import Progress
from rmg_dsl.api.results import Bill, Ledger, Result
from rmg_dsl.api.suites import Suite, checked, raise_errors, recheck, source_of, suite_of
from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic, Source, diagnose, in_order
from rmg_dsl.errors import UsageError
from rmg_dsl.messages import Usage
from rmg_dsl.models import Endpoints, Price
from rmg_dsl.plan import Ask, CallPython, Plan, bind, make_plan, prefixed
from rmg_dsl.report import OVER_ROWS
from rmg_dsl.results import Status, Unscored
from rmg_dsl.runtime import Bill as Estimate
from rmg_dsl.runtime import Crew, Evaluator, Gates, Run, bridge
from rmg_dsl.runtime import estimate as estimate_rows
from rmg_dsl.semantics.terms import ModelUse
from rmg_dsl.tables import Table, limit_rows, open_table, sample_rows

Spec = Suite | str | os.PathLike[str]


def grade(spec: Spec, data: Any, **options: Any) -> Result:
    """Grade every row of `data` (a frame, a list of dicts, or a path) by a suite, a text or a `.rmg` file.

    >>> import rmg_dsl as rmg
    >>> model = rmg.ScriptedModel({"kind": 5})
    >>> spec = 'grader kind -> 1..5 = "How kind is this? {{ response }}"'
    >>> rmg.grade(spec, [{"response": "You are welcome"}], model=model).df["kind"].tolist()
    [5]

    Keyword arguments: see `Options`. All rows come back in their order, failures as statuses. Raises SpecError for
    mistakes in the spec and columns that the data lacks, DataError for data that cannot be read, ModelError for a
    judge that cannot be asked, UsageError for a call that makes no sense; all before the first call to a model.
    """
    job = prepare(spec, data, Options(**options))
    return run_job(job)


async def agrade(spec: Spec, data: Any, **options: Any) -> Result:
    """`grade` for programs with an event loop of their own: awaits instead of blocking."""
    return await _run(prepare(spec, data, Options(**options)))


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan that prints itself and, where there was data, its bill."""

    plan: Plan
    bill: Estimate | None = None

    def __str__(self) -> str:
        return str(self.plan) + (f"\n{self.bill}" if self.bill else "")

    __repr__ = __str__

    def as_json(self) -> dict[str, Any]:
        """The counts as plain data: calls a row, and calls in all where there was data."""
        found: dict[str, Any] = {"steps": len(self.plan.steps), "calls_per_row": asdict(self.plan.calls)}
        return found | (asdict(self.bill) if self.bill else {})


def plan(spec: Spec, data: Any = None, **options: Any) -> PlanView:
    """The steps for a row and, with data, how many calls its rows cost. Calls nobody and needs no model.

    >>> print(plan("grader brief = words(response) <= 120", [{"response": "a"}]))
    1 step, 0 model calls a row
      1  code   brief
    1 rows, 0 model calls, about 0 tokens in
    """
    chosen = Options(**options)
    if data is None:
        return PlanView(make_plan(_suite(spec).checked, chosen.only))
    table = _table(data, chosen)
    suite, planned = _planned(spec, table, chosen)
    _refuse_unready(suite, chosen)
    evaluator = Evaluator(planned, _functions(chosen))
    return PlanView(planned, estimate_rows(evaluator, table))


def messages_of(
    spec: Spec, data: Any, row: int, grader: str | None = None, params: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The messages that one row (counted from 0) would send, for each grader that asks a model, or for one of them."""
    options = Options(params=params or {}, only=(grader,) if grader else ())
    table = _table(data, options)
    _, planned = _planned(spec, table, options)
    found = next(islice(iter(table), row, None), None) if row >= 0 else None
    if found is None:
        raise UsageError(f"there is no row {row}: the data has {table.count} rows, counted from 0")
    evaluator = Evaluator(planned, _functions(options))
    return [_asked(evaluator, step, row, found) for step in planned.asks]


def _asked(evaluator: Evaluator, step: Ask, row: int, values: Mapping[str, Any]) -> dict[str, Any]:
    question = evaluator.ask(step.number, row, values)
    name = " = ".join(step.names)
    if isinstance(question, Unscored):
        return {"grader": name, "status": str(question.status), "message": question.message, "messages": []}
    return {"grader": name, "status": "ok", "message": "", "messages": [asdict(m) for m in question.messages]}


# ── preparing ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a run needs, checked: nothing has been asked yet."""

    suite: Suite
    plan: Plan
    table: Table
    options: Options
    settings: Settings
    python: Mapping[str, Callable[..., Any]]
    crews: Mapping[ModelUse, Crew]
    endpoints: Endpoints
    run: Run
    evaluator: Evaluator

    def bill(self) -> PlanView:
        """What the run would cost: the plan over the rows, nobody asked."""
        return PlanView(self.plan, estimate_rows(self.evaluator, self.table))


def prepare(spec: Spec, data: Any, options: Options, *, leave_out: tuple[str, ...] = ()) -> Job:
    """Check spec, data and models against each other, before any call."""
    settings = Settings.of()
    table = _table(data, options)
    suite, planned = _planned(spec, table, options)
    _refuse_unready(suite, options, leave_out)
    python = _python_functions(planned, options)
    endpoints = Endpoints()
    crews = open_crews((step.scoring.model for step in planned.asks), options, settings, endpoints)
    evaluator = Evaluator(planned, _functions(options), python)
    return Job(suite, planned, table, options, settings, python, crews, endpoints, Run(evaluator, crews), evaluator)


def _table(data: Any, options: Options) -> Table:
    table = limit_rows(open_table(data), options.limit)
    return sample_rows(table, options.sample, options.seed)


def _suite(spec: Spec) -> Suite:
    return spec if isinstance(spec, Suite) else suite_of(source_of(spec))


def _planned(spec: Spec, table: Table, options: Options) -> tuple[Suite, Plan]:
    source = spec.source if isinstance(spec, Suite) else source_of(spec)
    suite = recheck(_unchecked(source), _params(source, options), table.columns, options.functions)
    planned = prefixed(make_plan(suite.checked, options.only), options.prefix)
    raise_errors([*suite.diagnostics, *bind(suite.checked, planned, table.columns)])
    return suite, planned


def _unchecked(source: Source) -> Suite:
    return Suite(checked(source).checked)


def _params(source: Source, options: Options) -> Mapping[str, float | int | bool | str]:
    """The caller's params, each known to the spec and of the type of its default."""
    declared = dict(checked(source).checked.params)
    given: dict[str, float | int | bool | str] = {}
    for name, value in options.params.items():
        if name not in declared:
            known = ", ".join(f"`{n}`" for n in declared) or "none"
            raise UsageError(f"the spec has no param `{name}`: it declares {known}")
        given[name] = _of_type(name, value, declared[name])
    return given


def _of_type(name: str, value: object, default: float | int | bool | str) -> float | int | bool | str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool), "True or False"
    elif isinstance(default, str):
        fits, wanted = isinstance(value, str), "a text"
    else:
        fits, wanted = number, "a number"
    if not fits or not isinstance(value, float | int | bool | str):
        raise UsageError(f"param `{name}` is {wanted}, as its default {default!r} is, and {value!r} is none")
    return value


def _refuse_unready(suite: Suite, options: Options, leave_out: tuple[str, ...] = ()) -> None:
    """What this version cannot run yet is an error before the run, not a hole in the results."""
    parts = [part for part in suite.checked.unready if part.what not in leave_out and not options.only]
    message = "{} is checked, and cannot be run by this version yet"
    raise_errors(
        diagnose(
            "RMG601",
            message.format(p.what),
            p.source,
            p.span,
            help="take it out of the spec, or use `--only`",
            severity="error",
        )
        for p in parts
    )


def _functions(options: Options) -> dict[str, Callable[..., Any]]:
    return {**std.implementations(), **options.functions}


def _python_functions(planned: Plan, options: Options) -> dict[str, Callable[..., Any]]:
    """The functions of `python("module:name")`: given by the caller, or imported from a module that the caller allows."""
    targets = [step.scoring.target for step in planned.steps if isinstance(step, CallPython)]
    refused = [t for t in targets if t not in options.functions and not _is_allowed(t, options)]
    if refused:
        module = refused[0].partition(":")[0]
        raise UsageError(
            f'`python("{refused[0]}")` is not allowed: a spec runs Python only where the caller says so, '
            f"by --allow-python {module}, allow_python=[{module!r}] or functions={{{refused[0]!r}: …}}"
        )
    return {target: options.functions.get(target) or _imported(target) for target in targets}


def _is_allowed(target: str, options: Options) -> bool:
    module = target.partition(":")[0]
    return any(module == allowed or module.startswith(f"{allowed}.") for allowed in options.allow_python)


def _imported(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f'`python("{target}")` cannot be imported: {error}') from None
    return found


def bound_diagnostics(source: Source, data: Any) -> tuple[Diagnostic, ...]:
    """Every diagnostic of a spec together with its data."""
    table = open_table(data)
    found = checked(source, columns=frozenset(table.columns))
    planned = make_plan(found.checked)
    return in_order([*found.diagnostics, *bind(found.checked, planned, table.columns)])


# ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────


def run_job(job: Job) -> Result:
    """Run a prepared job on the bridge; a first interrupt ends it early with what is finished."""
    progress = Progress.on_terminal(job.options.progress, job.table.count)

    def interrupt() -> None:
        job.run.stop(Status.CANCELLED, "interrupted")

    try:
        return bridge().run(_run(job), on_tick=lambda: progress.draw(job.run.tally), on_interrupt=interrupt)
    finally:
        progress.close(job.run.tally)


async def _run(job: Job) -> Result:
    started = time.monotonic()
    gates = Gates(job.plan, job.evaluator, OVER_ROWS)  # type: ignore[arg-type] # a table of statistics by name
    ledger = Ledger(job.plan.outputs)
    with ExitStack() as stack:
        crews = logging_crews(job.crews, job.options.log, stack)
        job.run.crews = crews
        try:
            async for result in job.run.results(iter(job.table)):
                gates.add(result)
                cells = ledger.add(result)
                if job.options.on_row is not None:
                    job.options.on_row({**result.row, **cells})
        finally:
            await job.endpoints.close()
    return _result(job, ledger, gates, time.monotonic() - started)


def _result(job: Job, ledger: Ledger, gates: Gates, seconds: float) -> Result:
    tally = job.run.tally
    by_grader = {name: tally.by_step.get(step.number, Usage()) for step in job.plan.asks for name in step.names}
    prices = {step: _cost(step, tally.by_step.get(step.number, Usage())) for step in job.plan.asks}
    known = [cost for cost in prices.values() if cost is not None]
    for seen in ledger.seen:
        step = next((s for s in job.plan.asks if s.number == seen.output.scoring), None)
        seen.judge = job.crews[step.scoring.model].model.name if step else ""
    usage = tally.usage
    bill = Bill(
        usage.calls,
        0,
        usage.retried,
        usage.tokens_in,
        usage.tokens_out,
        usage.tokens_cached,
        round(sum(known), 12) if known else None,
        seconds,
    )
    notes = tuple(dict.fromkeys(crew.model.note for crew in job.crews.values() if crew.model.note))
    return Result(
        job.table,
        ledger,
        bill,
        gates.verdicts(),
        notes,
        tally.stopped,
        tally.stopped == "interrupted",
        by_grader,
        {name: prices[step] for step in job.plan.asks for name in step.names},
    )


def _cost(step: Ask, usage: Usage) -> float | None:
    price = dict(step.scoring.model.settings).get("price")
    return Price.of(str(price)).cost(usage) if price else None
