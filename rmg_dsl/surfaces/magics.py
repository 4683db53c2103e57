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
from typing import TYPE_CHECKING, Any

from rmg_dsl.errors import RmgError, UsageError

if TYPE_CHECKING:
    from rmg_dsl.api import Options, PlanView, Result, Suite
    from rmg_dsl.api.preparing import GradingJob
    from rmg_dsl.diagnostics import Source
    from rmg_dsl.surfaces.option_line import OptionLine

Shell = Any  # IPython's own: its modules are imported only where they are needed
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
    """Give the shell its magics; nothing else happens: no thread, no network, no model."""
    from IPython.core.magic import needs_local_scope, no_var_expand

    from rmg_dsl.surfaces.option_line import GRADE_FLAGS, RMG_FLAGS, describe_flags

    def grade(
        line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> object:
        return _run_without_frames(shell, lambda: _grade(shell, line, cell, local_ns))

    def rmg(line: str, cell: str) -> object:
        return _run_without_frames(shell, lambda: _compile_cell(shell, line, cell))

    grade.__doc__ = _GRADE_HELP + describe_flags(GRADE_FLAGS.values())
    rmg.__doc__ = _RMG_HELP + describe_flags(RMG_FLAGS.values())
    # Else IPython would put values in the place of `{x}` and `$x` before the line comes here.
    shell.register_magic_function(no_var_expand(needs_local_scope(grade)), "line_cell", "grade")
    shell.register_magic_function(no_var_expand(rmg), "cell", "rmg")


def _run_without_frames(shell: Shell, work: Callable[[], object]) -> object:
    """A mistake of the author's is told in its own words;
    Python's frames are for mistakes of ours.
    """
    failed: BaseException
    try:
        return work()
    except (RmgError, KeyboardInterrupt) as error:
        failed = error
    from rmg_dsl.surfaces.notebook import without_frames

    # Raised here, outside of the `except`: what it came from must not be shown with it.
    raise without_frames(failed, colour=str(getattr(shell, "colors", "")).lower() != "nocolor")


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
    """A `%grade` whose line has been read: nothing has been run yet."""

    spec: Suite
    data: object
    options: Options
    line: OptionLine
    result_name: str | None


def _grade(
    shell: Shell, line: str, cell: str | None, local_ns: Mapping[str, Any] | None
) -> Result | PlanView | None:
    asked = _read_grade_request(shell, line, cell, {**shell.user_ns, **(local_ns or {})})
    if asked.data is None:
        return _plan_request(asked)
    return _run_request(shell, asked)


def _read_grade_request(
    shell: Shell, line: str, cell: str | None, names: dict[str, Any]
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
    """Progress is shown at once in a cell, on a terminal as ever, and not where the line says
    `--quiet`.
    """
    if "--quiet" in chosen:
        return False
    return True if getattr(shell, "kernel", None) is not None else None


def _variable_name(line: OptionLine) -> str | None:
    name = line.single_value("-o")
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"`-o {name}`: a name for a variable is wanted, such as `-o scored`")
    return name


def _plan_request(asked: _GradeRequest) -> PlanView:
    """Without rows: everything that can be said about the spec, and the plan."""
    from rmg_dsl.api import plan_of
    from rmg_dsl.surfaces.notebook import display_diagnostics

    view = plan_of(asked.spec, None, asked.options)
    display_diagnostics(asked.spec.diagnostics)
    return view


def _run_request(shell: Shell, asked: _GradeRequest) -> Result | PlanView | None:
    from rmg_dsl.api import prepare
    from rmg_dsl.api.planning import estimate_job
    from rmg_dsl.tables import REPORT_ENDINGS, check_writable

    for path in asked.line.all_values("--save"):
        check_writable(path, also=REPORT_ENDINGS)
    job = prepare(asked.spec, asked.data, asked.options)
    quiet = "--quiet" in asked.line
    _show_warnings(job, quiet)
    if "--dry-run" in asked.line:
        return estimate_job(job)
    result = _run_interruptibly(job)
    _assign_variable(shell, asked.result_name, result)
    if result.interrupted:
        # A cell that ended well would let the next ones of "Run All" go on with half a result.
        shell.displayhook(result)
        raise KeyboardInterrupt(_interrupt_message(asked.result_name))
    _save_rows(shell, result, asked.line.all_values("--save"))
    return None if quiet and asked.result_name else result


def _interrupt_message(name: str | None) -> str:
    kept = (
        f"`{name}` has them" if name else "they are in `_`; give the result a name with `-o NAME`"
    )
    return f"the run was interrupted; the finished rows are kept: {kept}"


def _show_warnings(job: GradingJob, quiet: bool) -> None:
    """Doubts about the spec and the data, which stop nothing."""
    from rmg_dsl.surfaces.notebook import display_diagnostics
    from rmg_dsl.surfaces.terminal import write_stderr

    if not quiet:
        display_diagnostics(d for d in job.suite.diagnostics if d.severity == "warning")
        if job.table.count == 0:
            write_stderr("the data has no rows: there is nothing to grade (rmg explain RMG504)")


def _run_interruptibly(job: GradingJob) -> Result:
    """Run on the bridge: this thread waits, draws, and hears the interrupt."""
    from rmg_dsl.api import run_job
    from rmg_dsl.api.grading import stop_handler
    from rmg_dsl.surfaces.notebook import Interruptible

    with Interruptible(stop_handler(job, hurried=True)):
        return run_job(job, stop_on_interrupt=False)


def _assign_variable(shell: Shell, name: str | None, value: object) -> None:
    if name is not None:
        shell.push({name: value})


def _save_rows(shell: Shell, result: Result, paths: Sequence[str]) -> None:
    """Write the rows; where that fails they are shown, so that what was paid for is not lost with
    the cell.
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
    """The cell under the name that Jupyter shows beside it; the line of the magic counts."""
    from rmg_dsl.diagnostics import Source

    # Some IPythons count a cell before they run it and some after; this is the number that is
    # shown.
    return Source.of(
        cell, f"In[{shell.displayhook.prompt_count}]", 2 + _blank_lines_above(shell, cell)
    )


def _blank_lines_above(shell: Shell, cell: str) -> int:
    """IPython drops blank lines before a magic; the editor counts them."""
    raw: str = shell.history_manager.input_hist_raw[-1]
    text = raw.lstrip()
    is_this_cell = text.startswith("%%") and text.rstrip().endswith(cell.rstrip())
    return raw[: len(raw) - len(text)].count("\n") if is_this_cell else 0


def _file_source(rest: str, names: Mapping[str, object]) -> tuple[Source, str]:
    """The file, or the suite, that `%grade` names first, and what comes after it."""
    from rmg_dsl.api.sources import read_source
    from rmg_dsl.api.suites import Suite

    found = _FIRST_WORD.match(rest)
    word = next((part for part in found.groups() if part is not None), "") if found else ""
    known = names.get(word)
    if isinstance(known, Suite):
        return known.source, rest[found.end() :] if found else ""
    if not word.endswith(".rmg") and not os.path.isfile(word):
        raise UsageError(
            "`%grade SPEC.rmg DATA` wants a file first; "
            "`%%grade DATA` grades by the spec in its cell"
        )
    return read_source(Path(word)), rest[found.end() :] if found else ""


def _suite_from_source(source: Source) -> Suite:
    """A suite that may have mistakes: they are told once, with those that only the data shows."""
    from rmg_dsl.api.sources import run_checker
    from rmg_dsl.api.suites import Suite

    found = run_checker(source)
    return Suite(found.suite, found.diagnostics)


# ── the data ──────────────────────────────────────────────────────────────────────────────────────


def _evaluate_data(text: str, names: dict[str, Any]) -> object:
    """The value of the expression; none where there is none."""
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


def _evaluate_code(code: Any, text: str, names: dict[str, Any]) -> object:
    try:
        return eval(code, names)  # the author's own words, as if they stood in a cell
    except NameError as error:
        # Only a name of the line itself: what goes wrong inside of what it calls is Python's to
        # tell.
        if _is_raised_deeper(error):
            raise
        unknown = _unknown_name_message(error.name or text, names)
    raise UsageError(unknown)


def _is_raised_deeper(error: NameError) -> bool:
    here = error.__traceback__
    line = here.tb_next if here else None
    return line is None or line.tb_next is not None


def _unknown_name_message(name: str, names: Mapping[str, object]) -> str:
    from rmg_dsl.suggest import suggest_name

    close = suggest_name(name, [each for each in names if not each.startswith("_")])
    return f"there is no variable `{name}`" + (f": did you mean `{close}`?" if close else "")
