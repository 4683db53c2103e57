"""`%%grade`, `%grade`, `%%rmg`: grading in the cells of a notebook. A thin shell over `rmg_dsl.api`."""

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
    from rmg_dsl.api.preparing import Job
    from rmg_dsl.diagnostics import Source
    from rmg_dsl.surfaces.option_line import OptionLine

Shell = Any  # IPython's own: its modules are imported only where they are needed
_FIRST_WORD = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")

_GRADE_HELP = """Grade rows by the spec in this cell, or in a file.

    %%grade -o scored --limit 50 df        options first, then any Python expression to the end of the line
    grader relevance -> 1..5 = "How well does {{ response }} answer {{ query }}?"

    %grade support.rmg df                  a file, or the name of a suite that %%rmg kept

Returns the result: its summary, the worst rows, what failed and why. `scored.df` is the frame with the scores.
Without rows it checks the spec, shows the plan and calls nothing. The data is a frame, a list of dicts, or the path
of a file in quotes. An interrupt gives the cell back with the finished rows.

Options:
"""
_RMG_HELP = """Compile the spec in this cell, and keep the suite under a name.

    %%rmg -o support
    grader brief = words(response) <= 120

    df.rmg.score(support), or %grade support df

Options:
"""


def load(shell: Shell) -> None:
    """Give the shell its magics; nothing else happens: no thread, no network, no model."""
    from IPython.core.magic import needs_local_scope, no_var_expand

    from rmg_dsl.surfaces.option_line import GRADE, RMG, described

    def grade(
        line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> object:
        return _plainly(shell, lambda: _grade(shell, line, cell, local_ns))

    def rmg(line: str, cell: str) -> object:
        return _plainly(shell, lambda: _rmg(shell, line, cell))

    grade.__doc__ = _GRADE_HELP + described(GRADE.values())
    rmg.__doc__ = _RMG_HELP + described(RMG.values())
    # Else IPython would put values in the place of `{x}` and `$x` before the line comes here.
    shell.register_magic_function(no_var_expand(needs_local_scope(grade)), "line_cell", "grade")
    shell.register_magic_function(no_var_expand(rmg), "cell", "rmg")


def _plainly(shell: Shell, work: Callable[[], object]) -> object:
    """A mistake of the author's is told in its own words; Python's frames are for mistakes of ours."""
    failed: BaseException
    try:
        return work()
    except (RmgError, KeyboardInterrupt) as error:
        failed = error
    from rmg_dsl.surfaces.notebook import without_frames

    # Raised here, outside of the `except`: what it came from must not be shown with it.
    raise without_frames(failed, colour=str(getattr(shell, "colors", "")).lower() != "nocolor")


# ── %%rmg ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rmg(shell: Shell, line: str, cell: str) -> Suite:
    from rmg_dsl.api.suites import suite_of
    from rmg_dsl.surfaces.notebook import show_diagnostics
    from rmg_dsl.surfaces.option_line import RMG, read_line

    chosen = read_line(line, RMG, "%%rmg")
    if chosen.rest:
        raise UsageError(
            f"`%%rmg` takes no data: `%%rmg -o NAME` keeps the suite, `%%grade {chosen.rest}` grades"
        )
    name = _name_to_keep(chosen)
    suite = suite_of(_cell_source(shell, cell))
    show_diagnostics(suite.diagnostics)
    _keep(shell, name, suite)
    return suite


# ── %%grade ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Asked:
    """A `%grade` whose line has been read: nothing has been run yet."""

    spec: Suite
    data: object
    options: Options
    line: OptionLine
    name: str | None


def _grade(
    shell: Shell, line: str, cell: str | None, local_ns: Mapping[str, Any] | None
) -> Result | PlanView | None:
    asked = _asked(shell, line, cell, {**shell.user_ns, **(local_ns or {})})
    if asked.data is None:
        return _plan(asked)
    return _run(shell, asked)


def _asked(shell: Shell, line: str, cell: str | None, names: dict[str, Any]) -> _Asked:
    from rmg_dsl.api import Options
    from rmg_dsl.surfaces.option_line import GRADE, options_of, read_line

    magic = "%grade" if cell is None else "%%grade"
    chosen = read_line(line, GRADE, magic)
    name = _name_to_keep(chosen)
    source, rest = (
        _file_source(chosen.rest, names)
        if cell is None
        else (_cell_source(shell, cell), chosen.rest)
    )
    options = Options.of({**options_of(chosen, names), "progress": _wanted(shell, chosen)})
    return _Asked(_unchecked(source), _evaluated(rest, names), options, chosen, name)


def _wanted(shell: Shell, chosen: OptionLine) -> bool | None:
    """Progress is shown at once in a cell, on a terminal as ever, and not where the line says `--quiet`."""
    if "--quiet" in chosen:
        return False
    return True if getattr(shell, "kernel", None) is not None else None


def _name_to_keep(line: OptionLine) -> str | None:
    name = line.one("-o")
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"`-o {name}`: a name for a variable is wanted, such as `-o scored`")
    return name


def _plan(asked: _Asked) -> PlanView:
    """Without rows: everything that can be said about the spec, and the plan."""
    from rmg_dsl.api import plan_of
    from rmg_dsl.surfaces.notebook import show_diagnostics

    view = plan_of(asked.spec, None, asked.options)
    show_diagnostics(asked.spec.diagnostics)
    return view


def _run(shell: Shell, asked: _Asked) -> Result | PlanView | None:
    from rmg_dsl.api import prepare
    from rmg_dsl.api.planning import bill_of
    from rmg_dsl.api.results import PAGES
    from rmg_dsl.tables import check_writable

    for path in asked.line.all("--save"):
        check_writable(path, also=PAGES)
    job = prepare(asked.spec, asked.data, asked.options)
    quiet = "--quiet" in asked.line
    _remark(job, quiet)
    if "--dry-run" in asked.line:
        return bill_of(job)
    result = _finished(job)
    _keep(shell, asked.name, result)
    if result.interrupted:
        # A cell that ended well would let the next ones of "Run All" go on with half a result.
        shell.displayhook(result)
        raise KeyboardInterrupt(_where(asked.name))
    _save(shell, result, asked.line.all("--save"))
    return None if quiet and asked.name else result


def _where(name: str | None) -> str:
    kept = (
        f"`{name}` has them" if name else "they are in `_`; give the result a name with `-o NAME`"
    )
    return f"the run was interrupted; the finished rows are kept: {kept}"


def _remark(job: Job, quiet: bool) -> None:
    """Doubts about the spec and the data, which stop nothing."""
    from rmg_dsl.surfaces.notebook import show_diagnostics
    from rmg_dsl.surfaces.terminal import say

    if not quiet:
        show_diagnostics(d for d in job.suite.diagnostics if d.severity == "warning")
        if job.table.count == 0:
            say("the data has no rows: there is nothing to grade (rmg explain RMG504)")


def _finished(job: Job) -> Result:
    """Run on the bridge: this thread waits, draws, and hears the interrupt."""
    from rmg_dsl.api import run_job
    from rmg_dsl.api.grading import stopper
    from rmg_dsl.surfaces.notebook import Interruptible

    with Interruptible(stopper(job, hurried=True)):
        return run_job(job, stop_on_interrupt=False)


def _keep(shell: Shell, name: str | None, value: object) -> None:
    if name is not None:
        shell.push({name: value})


def _save(shell: Shell, result: Result, paths: Sequence[str]) -> None:
    """Write the rows; where that fails they are shown, so that what was paid for is not lost with the cell."""
    saved = False
    try:
        for path in paths:
            result.save(path)
        saved = True
    finally:
        if not saved:
            shell.displayhook(result)


# ── the spec ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _cell_source(shell: Shell, cell: str) -> Source:
    """The cell under the name that Jupyter shows beside it; the line of the magic counts."""
    from rmg_dsl.diagnostics import Source

    # Some IPythons count a cell before they run it and some after; this is the number that is shown.
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
            "`%grade SPEC.rmg DATA` wants a file first; `%%grade DATA` grades by the spec in its cell"
        )
    return read_source(Path(word)), rest[found.end() :] if found else ""


def _unchecked(source: Source) -> Suite:
    """A suite that may have mistakes: they are told once, with those that only the data shows."""
    from rmg_dsl.api.sources import checked
    from rmg_dsl.api.suites import Suite

    found = checked(source)
    return Suite(found.checked, found.diagnostics)


# ── the data ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _evaluated(text: str, names: dict[str, Any]) -> object:
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
    value = _value(code, text, names)
    if value is None:
        raise UsageError(
            f"`{text}` is None; the data is a frame, a list of dicts, or the path of a file in quotes"
        )
    return value


def _refuse_file(text: str) -> None:
    if os.path.isfile(text):
        raise UsageError(f'the data is a Python expression: a file stands in quotes, "{text}"')


def _value(code: Any, text: str, names: dict[str, Any]) -> object:
    try:
        return eval(code, names)  # the author's own words, as if they stood in a cell
    except NameError as error:
        # Only a name of the line itself: what goes wrong inside of what it calls is Python's to tell.
        if _is_deep(error):
            raise
        unknown = _unknown_name(error.name or text, names)
    raise UsageError(unknown)


def _is_deep(error: NameError) -> bool:
    here = error.__traceback__
    line = here.tb_next if here else None
    return line is None or line.tb_next is not None


def _unknown_name(name: str, names: Mapping[str, object]) -> str:
    from rmg_dsl.suggest import likely

    close = likely(name, [each for each in names if not each.startswith("_")])
    return f"there is no variable `{name}`" + (f": did you mean `{close}`?" if close else "")
