"""Grading: where a suite meets its rows. One call does everything; every surface is a thin shell over it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from typing import Any, cast

from rmg_dsl.api.asking import logging_crews, price_of
from rmg_dsl.api.options import Options
from rmg_dsl.api.preparing import Job, prepare
from rmg_dsl.api.progress import Progress
from rmg_dsl.api.results import Bill, Ledger, Result, as_graded
from rmg_dsl.api.suites import Spec
from rmg_dsl.messages import Usage
from rmg_dsl.plan import Ask
from rmg_dsl.report import OVER_ROWS
from rmg_dsl.results import Status
from rmg_dsl.runtime import Gates, RowResult, Tally, bridge


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
    return run_job(prepare(spec, data, Options.of(options)))


async def agrade(spec: Spec, data: Any, **options: Any) -> Result:
    """`grade` for programs with an event loop of their own: awaits instead of blocking."""
    return await _run(prepare(spec, data, Options.of(options)))


def run_job(job: Job, *, stop_on_interrupt: bool = True) -> Result:
    """Run a prepared job on the bridge; a first Ctrl-C ends it early with what is finished, a second one is raised.

    Without `stop_on_interrupt` the first one is raised: for a caller that handles the signal by itself (`stopper`).
    """
    progress = Progress.on_terminal(job.options.progress, job.table.count)

    def interrupt() -> None:
        job.run.stop(Status.CANCELLED, "interrupted")

    try:
        return bridge().run(
            _run(job),
            on_tick=lambda: progress.draw(job.run.tally),
            on_interrupt=interrupt if stop_on_interrupt else None,
        )
    finally:
        progress.close()


def stopper(job: Job) -> Callable[[], None]:
    """What a signal handler may call, from any thread, to end a job that `run_job` runs with what is finished."""
    loop: asyncio.AbstractEventLoop = bridge().loop()
    return lambda: _stop_on(loop, job)


def _stop_on(loop: asyncio.AbstractEventLoop, job: Job) -> None:
    loop.call_soon_threadsafe(job.run.stop, Status.CANCELLED, "interrupted")


async def _run(job: Job) -> Result:
    started = time.monotonic()
    gates = Gates(job.plan, job.evaluator, OVER_ROWS)  # type: ignore[arg-type] # a table of statistics by name
    ledger = Ledger(job.plan.outputs, marks=[] if job.streamed else None)
    with ExitStack() as stack:
        job.run.crews = logging_crews(job.crews, job.options.log, stack)
        try:
            # Closed here and not by the garbage collector: an `on_row` that fails must leave no worker asking.
            running = cast("AsyncGenerator[RowResult]", job.run.results(iter(job.table)))
            async with aclosing(running) as results:
                async for result in results:
                    gates.add(result)
                    cells = ledger.add(result)
                    if job.options.on_row is not None:
                        job.options.on_row({**result.row, **cells})
        finally:
            await job.endpoints.close()
    return _result(job, ledger, gates, time.monotonic() - started)


def _result(job: Job, ledger: Ledger, gates: Gates, seconds: float) -> Result:
    tally = job.run.tally
    asks = {step.number: step for step in job.plan.asks}
    for seen in ledger.seen:
        if step := asks.get(seen.output.scoring):
            seen.judge = job.crews[step.scoring.model].model.name
    costs = {number: _cost(job, step, tally) for number, step in asks.items()}
    paid = [cost for number, cost in costs.items() if tally.by_step.get(number, Usage()).calls]
    outputs = [output for output in ledger.outputs if output.scoring in asks]
    return Result(
        as_graded(job.table, ledger),
        ledger,
        _bill(tally.usage, paid, seconds),
        gates.verdicts(),
        tuple(dict.fromkeys(crew.model.note for crew in job.crews.values() if crew.model.note)),
        tally.stopped,
        tally.stopped == "interrupted",
        {output.name: tally.by_step.get(output.scoring, Usage()) for output in outputs},
        {output.name: costs[output.scoring] for output in outputs},
    )


def _bill(usage: Usage, costs: list[float | None], seconds: float) -> Bill:
    """The bill; what it comes to is known only where the cost of every judge is."""
    known = [cost for cost in costs if cost is not None]
    return Bill(
        usage.calls,
        0,
        usage.retried,
        usage.tokens_in,
        usage.tokens_out,
        usage.tokens_cached,
        round(sum(known), 12) if known and len(known) == len(costs) else None,
        seconds,
    )


def _cost(job: Job, step: Ask, tally: Tally) -> float | None:
    price = price_of(step.scoring.model, job.options)
    return price.cost(tally.by_step.get(step.number, Usage())) if price else None
