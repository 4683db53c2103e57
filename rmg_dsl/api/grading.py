"""Grading: where a suite meets its rows. One call does everything; every surface is a thin shell over it."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import fields
from typing import Any, TypeVar, Unpack, cast

from rmg_dsl import tables
from rmg_dsl.api.judge_notes import panel_notes
from rmg_dsl.api.options import GradeOptions, Options, document_options
from rmg_dsl.api.preparing import GradingJob, prepare
from rmg_dsl.api.progress import ending_line, progress_display
from rmg_dsl.api.results import (
    FinishedRun,
    Ledger,
    Result,
    RunUsage,
    graded_row,
    named_columns,
    new_column_kinds,
    save_page,
    verified_table,
)
from rmg_dsl.api.run_models import (
    charged_steps,
    cost_of,
    logging_crews,
    step_cost,
    steps_usage,
    total_cost,
)
from rmg_dsl.api.sources import Spec
from rmg_dsl.api.validating import validation_results, validations_of
from rmg_dsl.plan import result_columns
from rmg_dsl.report import GradedRow, RunSummary
from rmg_dsl.runtime import INTERRUPTED, RequirementChecker, RowResult, ValidationCollector, bridge
from rmg_dsl.stats import estimate_of

LINGER_SECONDS = 10.0

_Ended = TypeVar("_Ended", bound=FinishedRun)


def grade(spec: Spec, data: object, **options: Unpack[GradeOptions]) -> Result:
    """Grade every row of `data` by `spec` and return the rows with their scores.

    >>> import rmg_dsl as rmg
    >>> model = rmg.ScriptedModel({"kind": 5})
    >>> spec = 'grader kind -> 1..5 = "How kind is this? {{ response }}"'
    >>> rmg.grade(spec, [{"response": "You are welcome"}], model=model).df["kind"].tolist()
    [5]

    `spec` is a suite, a text or the path of a `.rmg` file. `data` is a frame, a list of dicts or
    the path of a file. All rows come back in their order; a row without a score has a status.

    Raises SpecError for mistakes in the spec and for columns that the data lacks, DataError for
    data that cannot be read, ModelError for a model that cannot be called, and UsageError for
    options that make no sense; all of them before the first call to a model.

    Options:

    model: str | Model | Mapping[str, str | Model] | None = None
        Model to ask: "provider/name", or an object with `complete`.
        A dict replaces declared models by name; the key "" is the default model.
    params: Mapping[str, ParamValue] = {}
        Values for the params of the spec, by name.
    functions: Mapping[str, Callable[..., Any]] = {}
        Python functions that the spec may call, by name.
    limit: int | None = None
        Take only the first `limit` rows.
    sample: int | None = None
        Take only `sample` rows, drawn at random and kept in their order.
    seed: int = 0
        Seed of `sample`, and of the order in which a ranking shows its candidates.
    only: Sequence[str] = ()
        Names of the graders and aggregates to compute, with what they need. Empty means all.
    prefix: str = ''
        Text before the name of every new column.
    concurrency: int | None = None
        Calls in flight at once, for each model. None adapts to the endpoint.
    budget: float | None = None
        Most to spend, in USD. Every model needs a `price`.
        Rows that the budget does not reach get the status `over_budget`.
    cache: bool | Literal['refresh'] = True
        True reads and writes the reply cache, False does neither.
        "refresh" ignores cached replies and overwrites them.
    log: str | os.PathLike[str] | None = None
        File for every request and raw reply, one JSON object per line.
    allow_python: Sequence[str] = ()
        Modules whose functions `python("module:function")` may import.
    progress: bool | None = None
        Show the progress of the run. None shows it on a terminal and in a notebook.
    on_row: Callable[[Row], object] | None = None
        Function that is called with each finished row, a dict, in the order of the rows.
    """
    return run_job(prepare(spec, data, Options.of(options)))


@document_options
async def agrade(spec: Spec, data: object, **options: Unpack[GradeOptions]) -> Result:
    """Do what `grade` does in the caller's event loop: await instead of block."""
    return await grade_job(prepare(spec, data, Options.of(options)))


def run_job(job: GradingJob, *, stop_on_interrupt: bool = True) -> Result:
    """Run a prepared job on the bridge; a first Ctrl-C ends it early with what is finished, a second one is raised.

    This thread draws the progress, at each tick. Without `stop_on_interrupt` the first Ctrl-C is raised: for a caller
    that handles the signal by itself (`stop_handler`).
    """
    return _run_on_bridge(job, grade_job(job), stop_on_interrupt)


def run_stream(job: GradingJob, paths: Sequence[str], by: str | None = None) -> FinishedRun:
    """Run a prepared job, and write each row to every path when it is finished, by the paths' endings.

    The files are there when all is done, or not at all; so are reports (`tables.is_report`). Memory does not
    grow with the rows. Ctrl-C is raised, for a caller that handles the signal by itself (`stop_handler`).
    """
    columns = [name for output in job.plan.outputs for name in result_columns(output)]
    files = [path for path in paths if not tables.is_report(path)]
    with tables.open_writer(
        files, [*job.table.columns, *columns], new_column_kinds(job.plan.outputs)
    ) as writer:

        def take(graded: GradedRow) -> None:
            writer.add({**graded.row, **graded.cells})

        digest = RunSummary(job.plan.outputs, by, tables.FloatsOnDisk)
        finished = _run_on_bridge(job, stream_job(job, digest, take), stop_on_interrupt=False)
    for path in paths:
        if tables.is_report(path):
            save_page(path, finished)
    return finished


def _run_on_bridge(
    job: GradingJob, work: Coroutine[Any, Any, _Ended], stop_on_interrupt: bool
) -> _Ended:
    progress = progress_display(
        job.options.progress, job.table.count, lambda tally: cost_of(job.plan, job.options, tally)
    )
    ending = "failed"
    try:
        result = bridge().run(
            _join_inflight_calls(job, work),
            on_tick=lambda: progress.draw(job.run.tally),
            on_interrupt=job.run.interrupt if stop_on_interrupt else None,
        )
        ending = ending_line(result)
    finally:
        progress.end(ending)
    return result


def stop_handler(job: GradingJob, *, hurried: bool = False) -> Callable[[], None]:
    """What a signal handler may call, from any thread, to end a job that `run_job` runs with what is finished.

    In a hurry it ends at once, and calls in flight go on in the background, for ten seconds at most: what they bring
    is in the cache for the next run.
    """
    loop = bridge().loop()
    return lambda: _interrupt_on(loop, job, hurried)


def _interrupt_on(loop: asyncio.AbstractEventLoop, job: GradingJob, hurried: bool) -> None:
    loop.call_soon_threadsafe(lambda: job.run.interrupt(hurried=hurried))


async def _join_inflight_calls(job: GradingJob, work: Coroutine[Any, Any, _Ended]) -> _Ended:
    """On the bridge, what one run is asking no other one asks too."""
    job.resources.endpoints.in_flight.share_with(bridge().in_flight)
    return await work


async def grade_job(job: GradingJob) -> Result:
    """The result of a prepared job, for who waits in a way of their own."""
    ledger = Ledger(job.plan.outputs, row_hashes=[] if job.is_streamed else None)
    found = await stream_job(job, RunSummary(job.plan.outputs), ledger.add)
    told = {each.name: getattr(found, each.name) for each in fields(found)}
    return Result(**told, table=verified_table(job.table, ledger), ledger=ledger)


async def stream_job(
    job: GradingJob, digest: RunSummary, take: Callable[[GradedRow], object]
) -> FinishedRun:
    """Run a prepared job and hand on each finished row, in order; the rows themselves are not kept."""
    started = time.monotonic()
    gates = RequirementChecker(job.plan, job.evaluator, estimate_of)
    validations = validations_of(job)
    files = ExitStack()
    outputs = [(output, named_columns(output)) for output in job.plan.outputs]
    try:
        with _frozen_heap():
            job.run.run_models = logging_crews(job.run_models, job.options.log, files)
            # Closed here and not by the garbage collector: an `on_row` that fails must leave no worker asking.
            running = cast("AsyncGenerator[RowResult]", job.run.results(iter(job.table)))
            async with aclosing(running) as results:
                async for result in results:
                    requirement_failures = gates.add(result)
                    await validations.add(result)
                    row = graded_row(result, outputs, requirement_failures)
                    digest.add(row)
                    take(row)
                    if job.options.on_row is not None:
                        job.options.on_row({**row.row, **row.cells})
    finally:
        closing = _close_run(job, files)
        if job.run.unfinished_calls:
            bridge().run_in_background(closing)
        else:
            await closing
    return _finish_run(job, digest, gates, validations, time.monotonic() - started)


async def _close_run(job: GradingJob, files: ExitStack) -> None:
    """What the run used is closed after its last call, one that was left behind included."""
    try:
        await job.run.wait_for_unfinished(LINGER_SECONDS)
    finally:
        with files:
            await job.resources.close()


def _finish_run(
    job: GradingJob,
    digest: RunSummary,
    gates: RequirementChecker,
    validations: ValidationCollector,
    seconds: float,
) -> FinishedRun:
    tally = job.run.tally
    calling = {step.number: step for step in job.plan.model_steps}
    for seen in digest.output_summaries:
        if step := calling.get(seen.output.scoring):
            seen.judge = " + ".join(
                dict.fromkeys(job.run_models[use].model.name for use in step.models)
            )
    outputs = [output for output in digest.outputs if output.scoring in calling]
    paid = {output.name: charged_steps(output, job.plan) for output in outputs}
    return FinishedRun(
        digest=digest,
        usage=_run_usage(job, seconds),
        gates=gates.requirement_results(),
        validations=validation_results(validations),
        notes=_notes(job),
        stopped=tally.stop_reason,
        interrupted=tally.stop_reason == INTERRUPTED,
        by_grader={name: steps_usage(steps, tally) for name, steps in paid.items()},
        costs={
            name: total_cost([step_cost(step, job.options, tally) for step in steps])
            for name, steps in paid.items()
        },
    )


def _notes(job: GradingJob) -> tuple[str, ...]:
    """What must stand beside the numbers: doubts about the spec, and what the models say of themselves."""
    doubts = (
        f"warning[{d.code}]: line {d.line}: {d.message}"
        for d in job.suite.diagnostics
        if d.severity == "warning"
    )
    models = (crew.model.note for crew in job.run_models.values() if crew.model.note)
    return tuple(
        dict.fromkeys(
            [
                *doubts,
                *panel_notes(job.plan, job.run_models),
                *models,
                *job.resources.notes,
                *_background_call_notes(job),
            ]
        )
    )


def _background_call_notes(job: GradingJob) -> list[str]:
    return (
        ["calls in flight go on into the cache, and into no count here"]
        if job.run.unfinished_calls
        else []
    )


def _run_usage(job: GradingJob, seconds: float) -> RunUsage:
    """The bill; what it comes to is known only where the price of every judge is."""
    usage = job.run.tally.usage
    return RunUsage(
        usage.calls,
        usage.cached,
        usage.retried,
        usage.tokens_in,
        usage.tokens_out,
        usage.tokens_cached,
        cost_of(job.plan, job.options, job.run.tally),
        seconds,
    )


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """What was imported is not looked through for garbage again and again while a run makes its many small objects.

    The switch is one for the whole process: whoever has set it already keeps it.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
