"""`rmg run` and `rmg demo`, the commands that call models. Each returns its exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path
from types import FrameType
from typing import TypeAlias

from rmg_dsl import api
from rmg_dsl.api.grading import stop_handler
from rmg_dsl.api.planning import estimate_job
from rmg_dsl.api.preparing import GradingJob
from rmg_dsl.api.results import FinishedRun, check_summary_column
from rmg_dsl.report.text import failure_lines
from rmg_dsl.surfaces.cli_options import options_from_arguments
from rmg_dsl.surfaces.terminal import (
    EXIT_CHECK_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUN_FAILED,
    one_line,
    write_json,
    write_plan,
    write_stderr,
    write_stdout,
    write_visible,
)
from rmg_dsl.tables import REPORT_ENDINGS, check_overwrite, check_writable

_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | signal.Handlers | None


def run(arguments: Namespace) -> int:
    """Grade the rows; write them and the summary."""
    job = _prepare_job(arguments)
    if arguments.dry_run:
        write_plan(estimate_job(job), as_json=arguments.json)
        return EXIT_OK
    if job.table.count == 0:
        write_stderr(
            "rmg: warning: the data has no rows: there is nothing to grade (rmg explain RMG504)"
        )
    with first_interrupt_stops(job):
        result = api.run_stream(job, arguments.output, arguments.by)
    _print_result(result, arguments)
    return _exit_code(result)


def _prepare_job(arguments: Namespace) -> GradingJob:
    """Prepare the job and test what would otherwise fail only after paid calls."""
    taken = {"the data": arguments.data, "the spec": arguments.spec}
    for path in arguments.output:
        check_writable(path, also=REPORT_ENDINGS)
        check_overwrite(path, f"-o {path}", taken)
        taken[f"-o {path}"] = path
    if arguments.log is not None:
        check_overwrite(arguments.log, f"--log {arguments.log}", taken)
    if arguments.allow_python:
        # As `python script.py` does it: modules beside the spec can be imported.
        sys.path.insert(0, os.getcwd())
    options = options_from_arguments(arguments, progress=False if arguments.quiet else None)
    job = api.prepare(Path(arguments.spec), arguments.data, options)
    if arguments.by:
        check_summary_column(job.table, arguments.by)
    return job


@contextmanager
def first_interrupt_stops(job: GradingJob) -> Iterator[None]:
    """On the first Ctrl-C end the job and keep the finished rows; a second Ctrl-C exits at once.

    So do the signals by which `docker stop`, a cluster, CI or a closed terminal ends a process.
    """
    stop = stop_handler(job)

    def on_first_interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in handlers:
            signal.signal(number, signal.default_int_handler)
        # Not through Python's buffer: the interrupted line may be writing to it. The terminal may
        # be gone.
        with suppress(OSError):
            os.write(
                sys.stderr.fileno(),
                b"\nrmg: stopping with what is finished; Ctrl-C again leaves at once\n",
            )
        stop()

    handlers: dict[int, _Handler] = {}
    # Only the main thread may set handlers.
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in _stop_signals()}
    # A shell ignores interrupts for its background jobs, and `nohup` ignores the closed terminal.
    handlers = {n: handler for n, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, on_first_interrupt)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _stop_signals() -> tuple[int, ...]:
    """The signals that ask a process to end; Windows lacks one of them."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


def _exit_code(result: FinishedRun) -> int:
    if result.interrupted:
        return EXIT_INTERRUPTED
    if result.stopped or result.every_row_failed:
        return EXIT_RUN_FAILED
    if not result.holds:
        return EXIT_CHECK_FAILED
    return EXIT_OK


def _print_result(result: FinishedRun, arguments: Namespace) -> None:
    if result.stopped:
        write_stderr(f"rmg: the run ended early: {one_line(result.stopped)}")
    elif result.nothing_scored:
        write_stderr(f"rmg: no row could be graded: {one_line(result.first_failure)}")
    if arguments.json:
        write_json(result.as_json())
    elif not arguments.quiet:
        for name, group in result.groups():
            write_visible(f"{one_line(arguments.by)} = {one_line(name)}\n{group}\n")
        write_visible(result.overview)
        _print_reasons(result, arguments)
    elif not result.holds:
        # Even a quiet run says why it exits 1.
        write_stderr("\n".join(str(verdict) for verdict in result.gates if not verdict.holds))


def _print_reasons(result: FinishedRun, arguments: Namespace) -> None:
    """Say why scores are missing, and what was written."""
    for line in failure_lines(result.digest.failures):
        write_visible(line)
    if arguments.output:
        write_visible(f"wrote {', '.join(arguments.output)}")


def demo(arguments: Namespace) -> int:
    """Grade the example that is shipped inside the package."""
    folder = files("rmg_dsl") / "examples"
    with as_file(folder / "support.rmg") as spec, as_file(folder / "support.csv") as data:
        write_stdout(spec.read_text("utf-8"))
        job = api.prepare(spec, str(data), api.Options(model=arguments.model))
        with first_interrupt_stops(job):
            result = api.run_job(job, stop_on_interrupt=False)
        write_stdout(result.glance())
    if result.stopped:
        write_stderr(f"rmg: the run ended early: {result.stopped}")
    write_visible(result.overview)
    if arguments.model is None:
        write_stdout(
            "\nThis was the embedded word-overlap baseline. "
            "A real judge: rmg demo --model openai/gpt-6-luna"
        )
    return _exit_code(result)
