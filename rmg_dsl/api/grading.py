"""Grading: run a prepared job over its rows. Every surface calls this module."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import fields
from typing import TypeVar, Unpack, cast

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
    step_cost,
    steps_usage,
    total_cost,
    with_log,
)
from rmg_dsl.api.sources import Spec
from rmg_dsl.api.validating import validation_results, validations_of
from rmg_dsl.plan import result_columns
from rmg_dsl.report import GradedRow, RunSummary
from rmg_dsl.runtime import (
    INTERRUPTED,
    RequirementChecker,
    RowResult,
    ValidationCollector,
    bridge,
    bridge_for_caller,
    call_on_loop,
)
from rmg_dsl.stats import estimate_of

# After a hurried interrupt, calls in flight have this long to bring their replies to the cache.
LINGER_SECONDS = 10.0

_Finished = TypeVar("_Finished", bound=FinishedRun)


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
    functions: Mapping[str, Callable[..., object]] = {}
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
    cache: bool | Literal['refresh', 'failed'] = True
        True reads and writes the reply cache, False does neither.
        "refresh" ignores cached replies and overwrites them.
        "failed" does so with those that gave no score.
    log: str | os.PathLike[str] | None = None
        File for every request and raw reply, one JSON object per line.
    allow_python: Sequence[str] = ()
        Modules whose functions `python("module:function")` may import.
    allow_hosts: Sequence[str] = ()
        Hosts that a `base_url` of the spec may name: they get the rows and the key.
        The variable RMG_ALLOW_HOSTS adds to them.
    allow_env: Sequence[str] = ()
        Environment variables that the spec may name, beyond the usual ones of providers.
        The variable RMG_ALLOW_ENV adds to them.
    allow_files: Sequence[str] = ()
        Folders, beyond that of the spec, whose files the spec may import.
        The variable RMG_ALLOW_FILES adds to them.
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
    """Run a prepared job in the background loop, and draw its progress in this thread.

    The first Ctrl-C ends the run early with the finished rows, the second one is raised. Without
    `stop_on_interrupt` the first one is raised, for a caller that handles it with `stop_handler`.
    """
    return _run_on_bridge(job, grade_job(job), stop_on_interrupt)


def run_stream(job: GradingJob, paths: Sequence[str], by: str | None = None) -> FinishedRun:
    """Run a prepared job and write each finished row to every path, in the format of its ending.

    All files appear at the end, or none; reports too (`tables.is_report`). Memory does not grow
    with the number of rows. Ctrl-C is raised, for a caller that uses `stop_handler`.
    """
    columns = [name for output in job.plan.outputs for name in result_columns(output)]
    files = [path for path in paths if not tables.is_report(path)]
    with tables.open_writer(
        files, [*job.table.columns, *columns], new_column_kinds(job.plan.outputs)
    ) as writer:

        def write_row(graded: GradedRow) -> None:
            writer.add({**graded.row, **graded.cells})

        summary = RunSummary(job.plan.outputs, by, tables.FloatsOnDisk)
        finished = _run_on_bridge(job, stream_job(job, summary, write_row), stop_on_interrupt=False)
    for path in paths:
        if tables.is_report(path):
            save_page(path, finished)
    return finished


def _run_on_bridge(
    job: GradingJob, work: Coroutine[object, object, _Finished], stop_on_interrupt: bool
) -> _Finished:
    progress = progress_display(
        job.options.progress, job.table.count, lambda tally: cost_of(job.plan, job.options, tally)
    )
    ending = "failed"
    try:
        with bridge_for_caller() as runner:
            result = runner.run(
                work,
                on_tick=lambda: progress.draw(job.run.tally),
                on_interrupt=job.run.interrupt if stop_on_interrupt else None,
                # The loop may wait for a function of the caller that hangs.
                unblock=job.functions.stop,
            )
        ending = ending_line(result)
    finally:
        progress.end(ending)
    return result


def stop_handler(job: GradingJob, *, hurried: bool = False) -> Callable[[], None]:
    """A function for a signal handler: from any thread it ends a job that `run_job` runs.

    Finished rows stay. A hurried stop ends at once: calls in flight go on in the background for at
    most ten seconds, and their replies are in the cache for the next run.
    """
    loop = bridge().loop()

    def stop() -> None:
        # First: the loop may wait for a function of the caller that hangs.
        job.functions.stop()
        loop.call_soon_threadsafe(lambda: job.run.interrupt(hurried=hurried))

    return stop


async def grade_job(job: GradingJob) -> Result:
    """Run a prepared job in the caller's event loop."""
    # A file is read again for the results: the hashes show whether it is still the same.
    ledger = Ledger(job.plan.outputs, row_hashes=[] if job.is_streamed else None)
    finished = await stream_job(job, RunSummary(job.plan.outputs), ledger.add)
    values = {entry.name: getattr(finished, entry.name) for entry in fields(finished)}
    return Result(**values, table=verified_table(job.table, ledger), ledger=ledger)


async def stream_job(
    job: GradingJob, summary: RunSummary, on_graded: Callable[[GradedRow], object]
) -> FinishedRun:
    """Run a prepared job and pass on each finished row, in order, without storing the rows."""
    started = time.monotonic()
    requirements = RequirementChecker(job.plan, job.evaluator, estimate_of)
    validations = validations_of(job)
    files = ExitStack()
    outputs = [(output, named_columns(output)) for output in job.plan.outputs]
    job.resources.share_calls_in_flight()
    try:
        job.run.run_models = with_log(job.run_models, job.options.log, files)
        rows = cast("AsyncGenerator[RowResult]", job.run.results(job.table.cell_rows()))
        # Closed here and not by the garbage collector: after an `on_row` that raises, no
        # worker may go on calling models.
        async with aclosing(rows) as results:
            async for result in results:
                requirement_failures = requirements.add(result)
                await validations.add(result)
                row = graded_row(result, outputs, requirement_failures)
                summary.add(row)
                on_graded(row)
                if job.options.on_row is not None:
                    call_on_loop(job.options.on_row, {**row.row, **row.cells})
    finally:
        closing = _close_run(job, files)
        if job.run.unfinished_calls:
            bridge().run_in_background(closing)
        else:
            await closing
    return _finish_run(job, summary, requirements, validations, time.monotonic() - started)


async def _close_run(job: GradingJob, files: ExitStack) -> None:
    """Close the log, the cache and the connections after the last call of the run."""
    try:
        await job.run.wait_for_unfinished(LINGER_SECONDS)
    finally:
        job.functions.close()
        with files:
            await job.resources.close()


def _finish_run(
    job: GradingJob,
    summary: RunSummary,
    requirements: RequirementChecker,
    validations: ValidationCollector,
    seconds: float,
) -> FinishedRun:
    tally = job.run.tally
    _name_judges(job, summary)
    model_steps = {step.number for step in job.plan.model_steps}
    steps_of = {
        output.name: charged_steps(output, job.plan)
        for output in summary.outputs
        if output.scoring in model_steps
    }
    return FinishedRun(
        digest=summary,
        usage=_run_usage(job, seconds),
        gates=requirements.requirement_results(),
        validations=validation_results(validations),
        notes=_notes(job),
        stopped=tally.stop_reason,
        interrupted=tally.stop_reason == INTERRUPTED,
        by_grader={name: steps_usage(steps, tally) for name, steps in steps_of.items()},
        costs={
            name: total_cost([step_cost(step, job.options, tally) for step in steps])
            for name, steps in steps_of.items()
        },
    )


def _name_judges(job: GradingJob, summary: RunSummary) -> None:
    """Enter the names of the models that scored each output."""
    steps = {step.number: step for step in job.plan.model_steps}
    for output in summary.output_summaries:
        if step := steps.get(output.output.scoring):
            names = (job.run_models[use].model.name for use in step.models)
            # A panel may ask one model several times; name it once.
            output.judge = " + ".join(dict.fromkeys(names))


def _notes(job: GradingJob) -> tuple[str, ...]:
    """Warnings about the spec and notes of the models, which a reader needs beside the numbers."""
    warnings = (
        f"warning[{d.code}]: line {d.line}: {d.message}"
        for d in job.suite.diagnostics
        if d.severity == "warning"
    )
    notes = [
        *warnings,
        *_left_out_notes(job),
        *panel_notes(job.plan, job.run_models),
        *_model_notes(job),
        *job.resources.notes,
    ]
    if job.run.unfinished_calls:
        notes.append("calls in flight go on into the cache, and into no count here")
    return tuple(dict.fromkeys(notes))


def _left_out_notes(job: GradingJob) -> Iterator[str]:
    """A note for the requirements and validations of the spec that this run does not check."""
    whole, plan = job.suite.suite, job.plan
    texts = [f"require {r.text}" for r in whole.requirements if r not in plan.requirements]
    texts += [f"validate {v.text}" for v in whole.validations if v not in plan.validations]
    if texts:
        listed = ", ".join(f"`{text}`" for text in texts)
        yield f"not checked, because this run leaves out what it reads: {listed}"


def _model_notes(job: GradingJob) -> Iterable[str]:
    # With the log, whose note is one of the model.
    for run_model in job.run.run_models.values():
        if run_model.model.note:
            yield run_model.model.note


def _run_usage(job: GradingJob, seconds: float) -> RunUsage:
    """The calls, tokens and cost of the run; the cost only where every model has a price."""
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
        usage.unreported,
    )
