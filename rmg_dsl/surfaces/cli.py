"""The `rmg` command: its subcommands, flags and exit codes."""

from __future__ import annotations

import argparse
import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, NoReturn, TypeAlias

import rmg_dsl
from rmg_dsl.api.options import Flag, option_flags
from rmg_dsl.errors import ModelError, RmgError, SpecError
from rmg_dsl.suggest import nearest
from rmg_dsl.surfaces.cli_options import DRY_RUN_FLAG
from rmg_dsl.surfaces.terminal import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_RUN_FAILED,
    escape_unprintable,
    open_closed_streams,
    print_diagnostics,
    write_stderr,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `terminal`)."""
    open_closed_streams()
    escape_unprintable()
    # Start-up makes many objects and no garbage, and `rmg check` ends before there is any.
    gc.disable()
    parsed = _build_parser().parse_args(arguments)
    try:
        code = _run_command(parsed)
        sys.stdout.flush()
    except SpecError as error:
        print_diagnostics(error.diagnostics)
        code = EXIT_BAD_INPUT
    except RmgError as error:
        write_stderr(_error_line(error))
        code = EXIT_RUN_FAILED if isinstance(error, ModelError) else EXIT_BAD_INPUT
    except BrokenPipeError:
        # The reader of our output has closed it. Point stdout elsewhere, or Python's last flush
        # would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    finally:
        # What is alive now lives until the process ends: no collection on the way out.
        gc.freeze()
        gc.enable()
    return code


def _run_command(parsed: argparse.Namespace) -> int:
    # Imported only now: `rmg check` does not wait for the modules of a run.
    module = import_module(f"rmg_dsl.surfaces.{parsed.module}")
    if parsed.module == "running":
        gc.enable()
    code: int = getattr(module, parsed.command)(parsed)
    return code


def _error_line(error: RmgError) -> str:
    if error.code:
        return f"rmg: {error} (rmg explain {error.code})"
    return f"rmg: {error}"


# ── the parser ──


class _Parser(argparse.ArgumentParser):
    """A parser with help texts that are computed only when help is shown.

    Such a text may import a package that no other start of the command needs.
    """

    @cached_property
    def _late_helps(self) -> dict[argparse.Action, Callable[[], str]]:
        return {}

    def add_late_help(self, action: argparse.Action, text: Callable[[], str]) -> None:
        """Compute the help text of an argument when help is shown."""
        action.help = ""
        self._late_helps[action] = text

    def error(self, message: str) -> NoReturn:
        """End with a message; for an unknown flag with the one that it may mean."""
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            word = message.removeprefix(prefix).split()[0].partition("=")[0]
            if near := nearest(word, self._flags()):
                message = f"{message}; did you mean {near}?"
        super().error(message)

    def _flags(self) -> Iterator[str]:
        """The flags of all commands: the parser of a command hands an unknown one up."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from re.findall(r"--[a-z-]+", parser.format_usage())

    def format_help(self) -> str:
        """The help text, with the texts that are computed only now."""
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
        description="Grade the outputs of language models by a small declarative spec.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rmg {rmg_dsl.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_check(commands)
    _add_fmt(commands)
    _add_plan(commands)
    _add_render(commands)
    _add_showing_commands(commands)
    _add_cache(commands)
    _add_demo(commands)
    return parser


Subcommands: TypeAlias = "argparse._SubParsersAction[_Parser]"


def _add_command(commands: Subcommands, module: str, command: str, help: str) -> _Parser:
    """Add a subcommand that the function of its name in a module of `surfaces` runs."""
    parser = commands.add_parser(command, help=help, description=help, allow_abbrev=False)
    parser.set_defaults(module=module, command=command)
    return parser


def _add_flag(parser: argparse.ArgumentParser, flag: Flag) -> None:
    # Absent flags are None and not the default: the table of options has the defaults.
    if not flag.metavar:
        parser.add_argument(flag.word, action="store_true", help=flag.help)
    elif flag.is_repeatable:
        parser.add_argument(
            flag.word, action="append", default=[], metavar=flag.metavar, help=flag.help
        )
    else:
        parser.add_argument(flag.word, type=flag.convert, metavar=flag.metavar, help=flag.help)


def _add_run(commands: Subcommands) -> None:
    run = _add_command(commands, "running", "run", "Grade the rows of DATA by SPEC.")
    run.add_argument("spec", metavar="SPEC", help="a .rmg file")
    run.add_late_help(run.add_argument("data", metavar="DATA"), _data_help)
    output = run.add_argument("-o", "--output", action="append", default=[], metavar="FILE")
    run.add_late_help(output, _output_help)
    for flag in option_flags():
        _add_flag(run, flag)
    run.add_argument(
        "--by",
        metavar="COLUMN",
        action=_StoreOnce,
        help="print a summary for each value of this column",
    )
    _add_flag(run, DRY_RUN_FLAG)
    run.add_argument("--quiet", action="store_true", help="print no summary and no progress")
    run.add_argument("--json", action="store_true", help="print the summary as JSON")


class _StoreOnce(argparse.Action):
    """Stores the value of a flag; a second one is an error, because it would replace the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} stands once: a summary is for the values of one column")
        setattr(namespace, self.dest, values)


def _add_check(commands: Subcommands) -> None:
    check = _add_command(
        commands, "checking", "check", "Report every mistake in specs; run nothing."
    )
    check.add_argument("specs", nargs="+", metavar="SPEC", help="a .rmg file")
    check.add_argument(
        "--data", metavar="FILE", help="check against the columns of this table as well"
    )
    check.add_argument(
        "--format",
        choices=("text", "json", "github", "sarif"),
        default="text",
        help="the format of the report (default text)",
    )
    check.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )
    for flag in option_flags():
        if flag.option == "allow_files":
            _add_flag(check, flag)
    check.add_argument(
        "--fix", action="store_true", help="apply the unambiguous fixes to the files"
    )


def _add_fmt(commands: Subcommands) -> None:
    fmt = _add_command(commands, "checking", "fmt", "Rewrite specs in the standard layout.")
    fmt.add_argument(
        "files", nargs="+", metavar="FILE", help="a .rmg file; - formats standard input"
    )
    fmt.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file would change"
    )
    fmt.add_argument("--reindent", action="store_true", help="rebuild lost indentation first")


def _add_plan(commands: Subcommands) -> None:
    plan = _add_command(
        commands,
        "showing",
        "plan",
        "Show the steps for a row and, with DATA, the number of model calls.",
    )
    plan.add_argument("spec", metavar="SPEC", help="a .rmg file")
    plan.add_late_help(plan.add_argument("data", nargs="?", metavar="DATA"), _data_help)
    for flag in option_flags():
        if not flag.run_only:
            _add_flag(plan, flag)
    plan.add_argument("--json", action="store_true", help="print the counts as JSON")


def _add_render(commands: Subcommands) -> None:
    render = _add_command(
        commands, "showing", "render", "Show the exact messages that one row would send."
    )
    render.add_argument("spec", metavar="SPEC", help="a .rmg file")
    render.add_late_help(render.add_argument("data", metavar="DATA"), _data_help)
    render.add_argument(
        "--row", type=int, required=True, metavar="N", help="number of the row, from 0"
    )
    render.add_argument("--grader", metavar="NAME", help="only this grader")
    for flag in option_flags():
        if flag.option in ("params", "allow_files"):
            _add_flag(render, flag)
    render.add_argument("--json", action="store_true", help="print the messages as JSON")


def _add_showing_commands(commands: Subcommands) -> None:
    explain = _add_command(commands, "showing", "explain", "Explain the code of a diagnostic.")
    explain.add_argument("code", metavar="CODE", help="such as RMG401")
    std = _add_command(commands, "showing", "std", "Print the source of the standard library.")
    std.add_argument("name", nargs="?", metavar="NAME", help="only this grader or function")
    ast = _add_command(commands, "showing", "ast", "Print the tree of a spec, with places.")
    ast.add_argument("spec", metavar="SPEC", help="a .rmg file")
    ast.add_argument("--json", action="store_true", help="as JSON (the only format)")
    program = _add_command(commands, "showing", "ir", "Print the checked program of a spec.")
    program.add_argument("spec", metavar="SPEC", help="a .rmg file")
    program.add_argument("--json", action="store_true", help="as JSON (the only format)")
    schema = _add_command(
        commands, "showing", "schema", "Print the JSON Schema of an output or of an input."
    )
    schema.add_argument(
        "name", nargs="?", metavar="NAME", help="such as run or log; without it, list the names"
    )


def _add_cache(commands: Subcommands) -> None:
    cache = _add_command(commands, "caching", "cache", "Show, prune or clear the reply cache.")
    cache.add_argument("action", choices=("info", "prune", "clear"), help="what to do")
    cache.add_argument(
        "--most",
        type=float,
        default=1024.0,
        metavar="MB",
        help="prune: keep this much, the most recently used (default 1024)",
    )


def _add_demo(commands: Subcommands) -> None:
    demo = _add_command(
        commands, "running", "demo", "Grade the shipped example; it needs no key and no network."
    )
    demo.add_argument(
        "--model",
        metavar="PROVIDER/NAME",
        help="ask this model instead of the embedded baseline",
    )


if __name__ == "__main__":
    sys.exit(main())
