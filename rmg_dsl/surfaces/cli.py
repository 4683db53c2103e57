"""The `rmg` command: its words, its flags, its exit codes."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import rmg_dsl
from rmg_dsl.errors import ModelError, RmgError, SpecError
from rmg_dsl.surfaces.terminal import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_RUN_FAILED,
    escape_unprintable,
    print_diagnostics,
    write_stderr,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see `terminal`)."""
    escape_unprintable()
    # A start makes many objects and no garbage, and a look at a spec ends before there is any; a run turns it on again.
    gc.disable()
    chosen = _build_parser().parse_args(arguments)
    try:
        # Loaded only now: a check does not wait for what only a run needs.
        room = import_module(f"rmg_dsl.surfaces.{chosen.room}")
        if chosen.room == "running":
            gc.enable()
        code: int = getattr(room, chosen.word)(chosen)
        sys.stdout.flush()
    except SpecError as error:
        print_diagnostics(error.diagnostics)
        code = EXIT_BAD_INPUT
    except RmgError as error:
        write_stderr(_error_line(error))
        code = EXIT_RUN_FAILED if isinstance(error, ModelError) else EXIT_BAD_INPUT
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to say, and Python must not try to flush it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    finally:
        # What is alive now lives until the process ends, and need not be looked through on the way out.
        gc.freeze()
        gc.enable()
    return code


def _error_line(error: RmgError) -> str:
    return f"rmg: {error}" + (f" (rmg explain {error.code})" if error.code else "")


class _Parser(argparse.ArgumentParser):
    """A parser with help texts that are computed only when help is shown.

    Such a text may import a package that no other start of the command needs.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._late_helps: dict[argparse.Action, Callable[[], str]] = {}

    def add_late_help(self, action: argparse.Action, text: Callable[[], str]) -> None:
        """Compute the help text of an argument when help is shown."""
        action.help = ""
        self._late_helps[action] = text

    def format_help(self) -> str:
        for action, text in self._late_helps.items():
            action.help = text()
        return super().format_help()


def _data_help() -> str:
    from rmg_dsl.tables import readable_names

    *names, last = readable_names()
    return f"{', '.join(names)} or {last}; - reads standard input"


def _output_help() -> str:
    from rmg_dsl.tables import report_names, writable_names

    rows, reports = ", ".join(writable_names()), ", ".join(report_names())
    return f"write the graded rows ({rows}) or a report ({reports}); may be repeated"


def _build_parser() -> _Parser:
    parser = _Parser(
        prog="rmg",
        description="Grade what models write, by a small declarative spec.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rmg {rmg_dsl.__version__}")
    words = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(words)
    _add_check(words)
    _add_fmt(words)
    _add_plan(words)
    _add_render(words)
    _add_small_commands(words)
    return parser


Subcommands: TypeAlias = "argparse._SubParsersAction[_Parser]"


def _add_command(words: Subcommands, room: str, name: str, help: str) -> _Parser:
    parser = words.add_parser(name, help=help, description=help, allow_abbrev=False)
    parser.set_defaults(room=room, word=name)
    return parser


def _add_run(words: Subcommands) -> None:
    run = _add_command(words, "running", "run", "Grade the rows of DATA by SPEC.")
    run.add_argument("spec", metavar="SPEC", help="a .rmg file")
    run.add_late_help(run.add_argument("data", metavar="DATA"), _data_help)
    output = run.add_argument("-o", "--output", action="append", default=[], metavar="FILE")
    run.add_late_help(output, _output_help)
    _add_run_options(run)
    run.add_argument(
        "--concurrency", type=int, metavar="N", help="calls in flight at once, for each model"
    )
    run.add_argument(
        "--budget",
        type=float,
        metavar="USD",
        help="stop when this much is spent; needs the models' price",
    )
    run.add_argument("--no-cache", action="store_true", help="neither read nor keep replies")
    run.add_argument(
        "--refresh", action="store_true", help="ask anew what is in the cache, and keep that"
    )
    run.add_argument("--by", metavar="COLUMN", help="a summary for each value of a column")
    run.add_argument(
        "--log", metavar="FILE", help="write every request and raw reply, one JSON object a line"
    )
    run.add_argument(
        "--dry-run", action="store_true", help="check everything, show the plan, call nobody"
    )
    run.add_argument("--quiet", action="store_true", help="no summary, no progress")
    run.add_argument("--json", action="store_true", help="the summary as JSON on standard output")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[NAME=]PROVIDER/NAME",
        help="the model to ask, or another one for a declared model",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PARAM=VALUE",
        help="another value for a param",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N rows")
    parser.add_argument("--sample", type=int, metavar="N", help="only N rows, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for --sample")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only these graders or aggregates, and what they need",
    )
    parser.add_argument(
        "--prefix", default="", metavar="TEXT", help="put this before every new column"
    )
    parser.add_argument(
        "--allow-python",
        action="append",
        default=[],
        metavar="MODULE",
        help="let the spec call functions of this module",
    )


def _add_check(words: Subcommands) -> None:
    check = _add_command(
        words, "checking", "check", "Report every mistake in a spec; nothing is run."
    )
    check.add_argument("specs", nargs="+", metavar="SPEC")
    check.add_argument("--data", metavar="FILE", help="check against the columns of this table too")
    check.add_argument("--format", choices=("text", "json", "github", "sarif"), default="text")
    check.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )
    check.add_argument("--fix", action="store_true", help="apply the offered fixes to the files")


def _add_fmt(words: Subcommands) -> None:
    fmt = _add_command(words, "checking", "fmt", "Rewrite specs in the one layout.")
    fmt.add_argument("files", nargs="+", metavar="FILE", help="- formats standard input")
    fmt.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file would change"
    )
    fmt.add_argument("--reindent", action="store_true", help="rebuild lost indentation first")


def _add_plan(words: Subcommands) -> None:
    plan = _add_command(
        words,
        "showing",
        "plan",
        "Show the steps for a row and, with DATA, how many calls it costs.",
    )
    plan.add_argument("spec", metavar="SPEC")
    plan.add_argument("data", nargs="?", metavar="DATA")
    _add_run_options(plan)
    plan.add_argument("--json", action="store_true", help="the counts as JSON")


def _add_render(words: Subcommands) -> None:
    render = _add_command(
        words, "showing", "render", "Show the exact messages that a row would send."
    )
    render.add_argument("spec", metavar="SPEC")
    render.add_argument("data", metavar="DATA")
    render.add_argument(
        "--row", type=int, required=True, metavar="N", help="which row, counted from 0"
    )
    render.add_argument("--grader", metavar="NAME", help="only this grader")
    render.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PARAM=VALUE",
        help="another value for a param",
    )
    render.add_argument("--json", action="store_true", help="the messages as JSON")


def _add_small_commands(words: Subcommands) -> None:
    explain = _add_command(words, "showing", "explain", "The long text of a diagnostic's code.")
    explain.add_argument("code", metavar="CODE")
    std = _add_command(words, "showing", "std", "The standard library, as source.")
    std.add_argument("name", nargs="?", metavar="NAME")
    ast = _add_command(words, "showing", "ast", "The tree of a spec, with places.")
    ast.add_argument("spec", metavar="SPEC")
    ast.add_argument("--json", action="store_true", help="as JSON (the only form there is)")
    cache = _add_command(
        words, "caching", "cache", "The reply cache: how much it holds; less of it; none of it."
    )
    cache.add_argument("action", choices=("info", "prune", "clear"))
    cache.add_argument(
        "--most",
        type=float,
        default=1024.0,
        metavar="MB",
        help="prune: keep so much, the latest used",
    )
    demo = _add_command(
        words, "running", "demo", "Grade the shipped example; needs no key and no network."
    )
    demo.add_argument(
        "--model", metavar="PROVIDER/NAME", help="ask a real judge instead of the embedded baseline"
    )


if __name__ == "__main__":
    sys.exit(main())
