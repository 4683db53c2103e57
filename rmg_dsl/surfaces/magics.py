"""`%%grade`, `%grade`, `%%rmg`: grading in the cells of a notebook.

A thin shell over `rmg_dsl.api`.
"""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

from rmg_dsl.errors import RmgError, UsageError
from rmg_dsl.surfaces.shell import Shell, kernel_of, uses_colour

if TYPE_CHECKING:
    from rmg_dsl.api import Options, PlanView, Result, Suite
    from rmg_dsl.api.preparing import GradingJob
    from rmg_dsl.diagnostics import Source
    from rmg_dsl.surfaces.option_line import OptionLine

_FIRST_WORD = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")

_GRADE_HELP = """Grade rows by the spec in this cell, or in a file.

    %%grade -o scored --limit 50 df        options first, then any Python expression
    grader relevance -> 1..5 = "How well does {{ response }} answer {{ query }}?"

    %grade support.rmg df                  a file, or the name of a suite that %%rmg kept

Returns the result: its summary, the worst rows, the failures and their causes. `scored.df` is the
frame with the scores. Without rows it checks the spec, shows the plan and makes no call. The data
is a frame, a list of dicts, or the path of a file in quotes. An interrupt returns finished rows.

Options:
"""
_RMG_HELP = """Compile the spec in this cell, and keep the suite under a name.

    %%rmg -o support
    grader brief = words(response) <= 120

    df.rmg.score(support), or %grade support df

Options:
"""


def register_magics(shell: Shell) -> None:
    """Add the magics to the shell. This starts no thread, opens no connection and no model."""
    from IPython.core.magic import needs_local_scope, no_var_expand

    from rmg_dsl.surfaces.option_line import GRADE_FLAGS, RMG_FLAGS, describe_flags

    def grade(
        line: str, cell: str | None = None, local_ns: Mapping[str, object] | None = None
    ) -> object:
        return _run_without_frames(shell, lambda: _grade(shell, line, cell, local_ns))

    def rmg(line: str, cell: str) -> object:
        return _run_without_frames(shell, lambda: _compile_cell(shell, line, cell))

    grade.__doc__ = _GRADE_HELP + describe_flags(GRADE_FLAGS.values())
    rmg.__doc__ = _RMG_HELP + describe_flags(RMG_FLAGS.values())
    # `no_var_expand`: IPython would replace `{x}` and `$x` in the line by values.
    shell.register_magic_function(no_var_expand(needs_local_scope(grade)), "line_cell", "grade")
    shell.register_magic_function(no_var_expand(rmg), "cell", "rmg")


def _run_without_frames(shell: Shell, work: Callable[[], object]) -> object:
    """Show a mistake of the author as a message without a traceback.

    Any other exception is a defect of ours or of the author's functions, and keeps its traceback.
    """
    failure: BaseException
    try:
        return work()
    except (RmgError, KeyboardInterrupt) as error:
        failure = error
    from rmg_dsl.surfaces.notebook import without_frames

    # Outside of the `except`, so that the error has no context that IPython would show.
    raise without_frames(failure, colour=uses_colour(shell))


# ── %%rmg ─────────────────────────────────────────────────────────────────────────────────────────


def _compile_cell(shell: Shell, line: str, cell: str) -> Suite:
    from rmg_dsl.api.suites import suite_of
    from rmg_dsl.surfaces.notebook import display_diagnostics
    from rmg_dsl.surfaces.option_line import RMG_FLAGS, parse_option_line

    chosen = parse_option_line(line, RMG_FLAGS, "%%rmg")
    if chosen.rest:
        raise UsageError(
            "`%%rmg` takes no data: `%%rmg -o NAME` keeps the suite, "
            f"`%%grade {chosen.rest}` grades"
        )
    name = _variable_name(chosen)
    suite = suite_of(_cell_source(shell, cell))
    display_diagnostics(suite.diagnostics)
    _assign_variable(shell, name, suite)
    return suite


# ── %%grade ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _GradeRequest:
    """What a `%grade` or `%%grade` asks for, read from its line before anything runs."""

    spec: Suite
    data: object
    options: Options
    line: OptionLine
    result_name: str | None


def _grade(
    shell: Shell, line: str, cell: str | None, local_ns: Mapping[str, object] | None
) -> Result | PlanView | None:
    request = _read_grade_request(shell, line, cell, {**shell.user_ns, **(local_ns or {})})
    if request.data is None:
        return _plan_request(request)
    return _run_request(shell, request)


def _read_grade_request(
    shell: Shell, line: str, cell: str | None, names: dict[str, object]
) -> _GradeRequest:
    from rmg_dsl.api import Options
    from rmg_dsl.surfaces.option_line import GRADE_FLAGS, options_from_line, parse_option_line

    magic = "%grade" if cell is None else "%%grade"
    chosen = parse_option_line(line, GRADE_FLAGS, magic)
    name = _variable_name(chosen)
    source, rest = (
        _file_source(chosen.rest, names)
        if cell is None
        else (_cell_source(shell, cell), chosen.rest)
    )
    options = Options.of(
        {**options_from_line(chosen, names), "progress": _progress_option(shell, chosen)}
    )
    return _GradeRequest(
        _suite_from_source(source), _evaluate_data(rest, names), options, chosen, name
    )


def _progress_option(shell: Shell, chosen: OptionLine) -> bool | None:
    """The option `progress`: on in a notebook, off with `--quiet`, the default on a terminal."""
    if "--quiet" in chosen:
        return False
    return True if kernel_of(shell) is not None else None


def _variable_name(line: OptionLine) -> str | None:
    name = line.single_value("-o")
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"`-o {name}`: a name for a variable is wanted, such as `-o scored`")
    return name


def _plan_request(request: _GradeRequest) -> PlanView:
    """The plan of a request without data. Shows the diagnostics of the spec."""
    from rmg_dsl.api import plan_of
    from rmg_dsl.surfaces.notebook import display_diagnostics

    view = plan_of(request.spec, None, request.options)
    display_diagnostics(request.spec.diagnostics)
    return view


def _run_request(shell: Shell, request: _GradeRequest) -> Result | PlanView | None:
    from rmg_dsl.api import prepare
    from rmg_dsl.api.planning import estimate_job
    from rmg_dsl.tables import REPORT_ENDINGS, check_writable

    # A path that cannot be written fails here, before any call is paid for.
    for path in request.line.all_values("--save"):
        check_writable(path, also=REPORT_ENDINGS)
    job = prepare(request.spec, request.data, request.options)
    quiet = "--quiet" in request.line
    _show_warnings(job, quiet)
    if "--dry-run" in request.line:
        return estimate_job(job)
    result = _run_interruptibly(job)
    _assign_variable(shell, request.result_name, result)
    if result.interrupted:
        # An error stops "Run All": the next cells must not go on with half a result.
        shell.displayhook(result)
        raise KeyboardInterrupt(_interrupt_message(request.result_name))
    _save_rows(shell, result, request.line.all_values("--save"))
    return None if quiet and request.result_name else result


def _interrupt_message(name: str | None) -> str:
    place = "they are in `_`; give the result a name with `-o NAME`"
    if name:
        place = f"`{name}` has them"
    return f"the run was interrupted; the finished rows are kept: {place}"


def _show_warnings(job: GradingJob, quiet: bool) -> None:
    """Show the warnings about the spec and the data; the run goes on."""
    from rmg_dsl.surfaces.notebook import display_diagnostics
    from rmg_dsl.surfaces.terminal import write_stderr

    if not quiet:
        display_diagnostics(d for d in job.suite.diagnostics if d.severity == "warning")
        if job.table.count == 0:
            write_stderr("the data has no rows: there is nothing to grade (rmg explain RMG504)")


def _run_interruptibly(job: GradingJob) -> Result:
    """Run the job. An interrupt ends it early with the finished rows, instead of losing them."""
    from rmg_dsl.api import run_job
    from rmg_dsl.api.grading import stop_handler
    from rmg_dsl.surfaces.notebook import Interruptible

    with Interruptible(stop_handler(job, hurried=True)):
        return run_job(job, stop_on_interrupt=False)


def _assign_variable(shell: Shell, name: str | None, value: object) -> None:
    if name is not None:
        shell.push({name: value})


def _save_rows(shell: Shell, result: Result, paths: Sequence[str]) -> None:
    """Write the rows to the paths.

    Where that fails, the result is shown first: it has been paid for, and must not be lost.
    """
    saved = False
    try:
        for path in paths:
            result.save(path)
        saved = True
    finally:
        if not saved:
            shell.displayhook(result)


# ── the spec ──────────────────────────────────────────────────────────────────────────────────────


def _cell_source(shell: Shell, cell: str) -> Source:
    """The cell as a source, with the name and the line numbers that the user sees.

    The name is the number beside the cell. The line of the magic is line 1.
    """
    from rmg_dsl.diagnostics import Source

    # IPython counts a cell before it runs or after, depending on its version. `prompt_count` is the
    # number that is shown in both.
    return Source.of(
        cell, f"In[{shell.displayhook.prompt_count}]", 2 + _blank_lines_above(shell, cell)
    )


def _blank_lines_above(shell: Shell, cell: str) -> int:
    """Count the blank lines above the magic: IPython drops them, and the editor counts them."""
    raw: str = shell.history_manager.input_hist_raw[-1]
    text = raw.lstrip()
    is_this_cell = text.startswith("%%") and text.rstrip().endswith(cell.rstrip())
    return raw[: len(raw) - len(text)].count("\n") if is_this_cell else 0


def _file_source(rest: str, names: Mapping[str, object]) -> tuple[Source, str]:
    """The file or the suite that `%grade` names first, and the rest of the line."""
    from rmg_dsl.api.sources import read_source
    from rmg_dsl.api.suites import Suite

    match = _FIRST_WORD.match(rest)
    word, after = "", ""
    if match is not None:
        word = next(part for part in match.groups() if part is not None)
        after = rest[match.end() :]
    suite = names.get(word)
    if isinstance(suite, Suite):
        return suite.source, after
    if not word.endswith(".rmg") and not os.path.isfile(word):
        raise UsageError(
            "`%grade SPEC.rmg DATA` wants a file first; "
            "`%%grade DATA` grades by the spec in its cell"
        )
    return read_source(Path(word)), after


def _suite_from_source(source: Source) -> Suite:
    """A suite that may have mistakes.

    Planning reports them together with the mistakes that only the data shows.
    """
    from rmg_dsl.api.sources import run_checker
    from rmg_dsl.api.suites import Suite

    check = run_checker(source)
    return Suite(check.suite, check.diagnostics)


# ── the data ──────────────────────────────────────────────────────────────────────────────────────


def _evaluate_data(text: str, names: dict[str, object]) -> object:
    """The value of the expression for the data; None where the line has no expression."""
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    _refuse_file(text)
    try:
        code = compile(text, "the data", "eval")
    except (SyntaxError, ValueError) as error:
        reason = getattr(error, "msg", "") or str(error)
        raise UsageError(f"the data is no Python expression: {reason}: `{text}`") from None
    value = _evaluate_code(code, text, names)
    if value is None:
        raise UsageError(
            f"`{text}` is None; the data is a frame, a list of dicts, "
            "or the path of a file in quotes"
        )
    return value


def _refuse_file(text: str) -> None:
    if os.path.isfile(text):
        raise UsageError(f'the data is a Python expression: a file stands in quotes, "{text}"')


def _evaluate_code(code: CodeType, text: str, names: dict[str, object]) -> object:
    try:
        # The expression is code of the user, as if it stood in a cell of its own.
        return eval(code, names)
    except NameError as error:
        # A name that is missing inside of a function that the line calls is a defect of that
        # function: its traceback shows where.
        if _is_raised_deeper(error):
            raise
        message = _unknown_name_message(error.name or text, names)
    raise UsageError(message)


def _is_raised_deeper(error: NameError) -> bool:
    here = error.__traceback__
    line = here.tb_next if here else None
    return line is None or line.tb_next is not None


def _unknown_name_message(name: str, names: Mapping[str, object]) -> str:
    from rmg_dsl.suggest import suggest_name

    variables = [variable for variable in names if not variable.startswith("_")]
    close = suggest_name(name, variables)
    return f"there is no variable `{name}`" + (f": did you mean `{close}`?" if close else "")
