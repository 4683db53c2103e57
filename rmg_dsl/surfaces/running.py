"""`rmg run` and `rmg demo`: what asks a judge. Each returns its exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from types import FrameType

from rmg_dsl import api
from rmg_dsl.api.grading import stop_handler
from rmg_dsl.api.planning import estimate_job
from rmg_dsl.api.preparing import GradingJob
from rmg_dsl.api.results import FinishedRun, check_summary_column
from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces.cli_options import options_from_arguments
from rmg_dsl.surfaces.terminal import (
    EXIT_CHECK_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUN_FAILED,
    write_stderr,
    write_stdout,
    write_visible,
)
from rmg_dsl.tables import REPORT_ENDINGS, check_writable


def run(chosen: Namespace) -> int:
    """Grade; write the rows and the summary."""
    job = _prepare_job(chosen)
    if chosen.dry_run:
        planned = estimate_job(job)
        write_stdout(
            json.dumps(planned.as_json(), ensure_ascii=False) if chosen.json else str(planned)
        )
        return EXIT_OK
    if job.table.count == 0:
        write_stderr(
            "rmg: warning: the data has no rows: there is nothing to grade (rmg explain RMG504)"
        )
    with first_interrupt_stops(job):
        result = api.run_stream(job, chosen.output, chosen.by)
    _print_result(result, chosen)
    return _exit_code(result)


def _prepare_job(chosen: Namespace) -> GradingJob:
    """The job, and everything that could go wrong after it tried before it."""
    for path in chosen.output:
        check_writable(path, also=REPORT_ENDINGS)
        if _same_file(path, chosen.data):
            raise UsageError(f"-o {path} would overwrite the data; give the results another name")
    if chosen.allow_python:
        sys.path.insert(0, os.getcwd())
    progress = False if chosen.quiet else None
    if chosen.no_cache and chosen.refresh:
        raise UsageError("`--no-cache` and `--refresh` ask for two things: leave one out")
    options = options_from_arguments(
        chosen,
        concurrency=chosen.concurrency,
        budget=chosen.budget,
        cache="refresh" if chosen.refresh else not chosen.no_cache,
        log=chosen.log,
        progress=progress,
    )
    job = api.prepare(Path(chosen.spec), chosen.data, options)
    if chosen.by:
        check_summary_column(job.table, chosen.by)
    return job


def _same_file(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


@contextmanager
def first_interrupt_stops(job: GradingJob) -> Iterator[None]:
    """The first Ctrl-C ends the job, and what is finished is still written; the second one leaves at once."""
    stop = stop_handler(job)

    def on_first_interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Past Python's own buffer, which the interrupted line may be writing to.
        os.write(
            sys.stderr.fileno(),
            b"\nrmg: stopping with what is finished; Ctrl-C again leaves at once\n",
        )
        stop()

    before = signal.getsignal(signal.SIGINT)
    # A shell starts what runs in the background with interrupts ignored: so it stays.
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, on_first_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _exit_code(result: FinishedRun) -> int:
    if result.interrupted:
        return EXIT_INTERRUPTED
    if result.stopped or result.every_row_failed:
        return EXIT_RUN_FAILED
    return EXIT_OK if result.holds else EXIT_CHECK_FAILED


def _print_result(result: FinishedRun, chosen: Namespace) -> None:
    if result.stopped:
        write_stderr(f"rmg: the run ended early: {result.stopped}")
    elif result.nothing_scored:
        write_stderr(f"rmg: no row could be graded: {result.first_failure}")
    if chosen.json:
        write_stdout(json.dumps(result.as_json(), ensure_ascii=False))
    elif not chosen.quiet:
        for name, group in result.groups():
            write_visible(f"{chosen.by} = {name}\n{group}\n")
        write_visible(result.overview)
    elif not result.holds:
        write_stderr("\n".join(str(verdict) for verdict in result.gates if not verdict.holds))


def demo(chosen: Namespace) -> int:
    """The shipped example, from inside the package."""
    folder = files("rmg_dsl") / "examples"
    with as_file(folder / "support.rmg") as spec, as_file(folder / "support.csv") as data:
        write_stdout(spec.read_text("utf-8"))
        job = api.prepare(spec, str(data), api.Options(model=chosen.model))
        with first_interrupt_stops(job):
            result = api.run_job(job, stop_on_interrupt=False)
        write_stdout(result.glance())
    if result.stopped:
        write_stderr(f"rmg: the run ended early: {result.stopped}")
    write_visible(result.overview)
    if chosen.model is None:
        write_stdout(
            "\nThis was the embedded word-overlap baseline. A real judge: rmg demo --model openai/gpt-6-luna"
        )
    return _exit_code(result)
