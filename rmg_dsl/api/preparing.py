"""Prepare a run: check spec, data, options and models together, before the first call."""

from __future__ import annotations

import difflib
import importlib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rmg_dsl import std
from rmg_dsl.api.destinations import with_chosen_names
from rmg_dsl.api.options import Options, ParamValue, RawParam
from rmg_dsl.api.run_models import RunResources, budget_guard, cost_of, open_run_models
from rmg_dsl.api.sources import Spec, raise_errors, run_checker, source_of
from rmg_dsl.checker import CheckResult
from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic, Source, has_errors, sort_diagnostics
from rmg_dsl.errors import UsageError
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.plan import (
    CallPythonStep,
    LoopMode,
    Plan,
    check_columns,
    make_plan,
    with_column_prefix,
)
from rmg_dsl.runtime import Evaluator, FunctionRunner, Run, RunModel
from rmg_dsl.tables import (
    Table,
    check_log_ending,
    check_overwrite,
    is_frame,
    limit_rows,
    open_table,
    sample_rows,
)

Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class GradingJob:
    """Everything a run needs, checked: nothing has been asked yet.

    `streamed` where each walk reads the data anew.
    """

    suite: CheckResult
    plan: Plan
    table: Table
    options: Options
    run_models: Mapping[ModelUse, RunModel]
    resources: RunResources
    evaluator: Evaluator
    run: Run
    is_streamed: bool
    functions: FunctionRunner


def prepare(spec: Spec, data: Any, options: Options, *, loops: LoopMode = "run") -> GradingJob:
    """Check spec, data and models against each other, before any call."""
    # The order is that of cost: what is cheap to check fails first.
    settings = Settings.of()
    if options.log is not None:
        check_log_ending(options.log)
        check_overwrite(options.log, f"`log` {os.fspath(options.log)}", _files_read(spec, data))
    table = table_of(data, options)
    suite, planned = check_and_plan(spec, table, options, loops)
    runner = FunctionRunner()
    python = _python_functions(planned, options)
    shared = RunResources.of(options, settings)
    # Only models that a step of the plan asks are opened: the others need no key.
    uses = [use for step in planned.model_steps for use in step.models]
    run_models = open_run_models(uses, suite.suite.models, options, settings, shared)
    guard = budget_guard(uses, options, lambda tally: cost_of(planned, options, tally))
    functions = _limited_functions(options, runner)
    evaluator = Evaluator(planned, functions, python, runner.with_time_limit)
    run = Run(evaluator, run_models, guard, options.seed)
    # A file is read again for the results; a frame is kept in memory anyway.
    streamed = isinstance(data, str | os.PathLike)
    return GradingJob(
        suite, planned, table, options, run_models, shared, evaluator, run, streamed, runner
    )


def _files_read(spec: Spec, data: object) -> dict[str, str | os.PathLike[str]]:
    """The files of the spec and the data, where they are files."""
    files: dict[str, str | os.PathLike[str]] = {}
    if isinstance(data, str | os.PathLike):
        files["the data"] = data
    # The text of a spec is no path.
    if isinstance(spec, os.PathLike):
        files["the spec"] = spec
    return files


# ── the data ──


def table_of(data: Any, options: Options) -> Table:
    """The rows that the options leave."""
    table = limit_rows(open_table(_snapshot(data)), options.limit)
    return sample_rows(table, options.sample, options.seed)


def _snapshot(data: Any) -> Any:
    """The caller's data as it is now: what they do to it later must not stand beside the scores of
    what it was.
    """
    if is_frame(data):
        return data.copy()
    # Each dict is copied too: the caller may fill the results in while the run goes on.
    if isinstance(data, list | tuple):
        return [dict(row) if isinstance(row, Mapping) else row for row in data]
    return data


# ── the spec ──


def check_and_plan(
    spec: Spec, table: Table | None, options: Options, loops: LoopMode = "run"
) -> tuple[CheckResult, Plan]:
    """The suite and its plan, checked under the options and against the columns.

    Raises SpecError, UsageError.
    """
    source = source_of(spec)
    columns = None if table is None else frozenset(table.columns)
    functions = frozenset(options.functions)
    found = run_checker(source, {}, columns, functions, options.allow_files)
    # The first check finds the params and their types; the second one uses the caller's values.
    if options.params and not has_errors(found.diagnostics):
        params = _resolve_params(dict(found.suite.params), options.params)
        found = run_checker(source, params, columns, functions, options.allow_files)
    planned, diagnostics = _bind_columns(found, columns, options, loops)
    raise_errors(diagnostics)
    return found, planned


def _bind_columns(
    found: CheckResult, columns: frozenset[str] | None, options: Options, loops: LoopMode = "run"
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan, and everything there is to say about the spec with its data, in one go."""
    # A name in `only` may belong to the part with the error.
    only = () if has_errors(found.diagnostics) else options.only
    planned = with_column_prefix(make_plan(found.suite, only, loops), options.prefix)
    planned = with_chosen_names(planned, options)
    # Missing columns are reported with the other mistakes, so that one run finds them all.
    lacking = () if columns is None else check_columns(found.suite, planned, columns)
    return planned, sort_diagnostics([*found.diagnostics, *lacking])


def diagnostics_with_data(
    source: Source, data: Any, allow_files: Iterable[str] = ()
) -> tuple[Diagnostic, ...]:
    """Every diagnostic of a spec together with its data."""
    columns = frozenset(open_table(data).columns)
    found = run_checker(source, columns=columns, allow_files=allow_files)
    return _bind_columns(found, columns, Options())[1]


# ── params ──


def _resolve_params(
    declared: Mapping[str, ParamValue], given: Mapping[str, ParamValue]
) -> dict[str, ParamValue]:
    """The caller's params, each known to the spec and of the type of its default."""
    for name in given:
        if name not in declared:
            close = difflib.get_close_matches(str(name), declared, n=1)
            known = ", ".join(f"`{n}`" for n in declared) or "none"
            advice = f"did you mean `{close[0]}`?" if close else f"it declares {known}"
            raise UsageError(f"the spec has no param `{name}`: {advice}", code="RMG223")
    return {name: _param_of_type(name, value, declared[name]) for name, value in given.items()}


def _param_of_type(name: str, value: object, default: ParamValue) -> ParamValue:
    # A value of the command line is text, and the type of the default says how to read it.
    read = _parse_param_text(value, default) if isinstance(value, RawParam) else value
    if isinstance(default, bool):
        fits, wanted = isinstance(read, bool), "True or False"
    elif isinstance(default, str):
        fits, wanted = isinstance(read, str), "a text"
    else:
        fits, wanted = _is_finite_number(read), "a number"
    if not fits or not isinstance(read, float | int | bool | str):
        message = (
            f"param `{name}` is {wanted}, as its default {default!r} is, and {str(value)!r} is none"
        )
        raise UsageError(message, code="RMG314")
    return read


def _is_finite_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _parse_param_text(text: str, default: ParamValue) -> object:
    """What was typed, by the kind of the default: `007` is a text where one is wanted."""
    if isinstance(default, str):
        # Quotes that the shell left in place are not part of the text.
        quoted = len(text) > 1 and text[0] in "\"'" and text[0] == text[-1]
        return str(text[1:-1] if quoted else text)
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower())
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


# ── Python functions ──


def available_functions(options: Options) -> dict[str, Callable[..., Any]]:
    """The built-in functions and the caller's own.

    Raises UsageError where one would take another's place.
    """
    built_in = std.functions()
    if taken := [name for name in options.functions if name in built_in]:
        raise UsageError(f"functions: `{taken[0]}` is a built-in function; give yours another name")
    return {**std.implementations(), **options.functions}


def _limited_functions(options: Options, runner: FunctionRunner) -> dict[str, Callable[..., Any]]:
    """The functions of expressions; a call of one of the caller's has a limit on its time."""
    own = {name: runner.with_time_limit(function) for name, function in options.functions.items()}
    return {**available_functions(options), **own}


def _python_functions(planned: Plan, options: Options) -> Functions:
    """The functions of `python("module:name")`: given by the caller, or imported from a module that
    they allow.
    """
    targets = [step.scoring.target for step in planned.steps if isinstance(step, CallPythonStep)]
    # Nothing is imported before this test: an import alone runs code of the module.
    refused = [t for t in targets if t not in options.functions and not _is_allowed(t, options)]
    if refused:
        module = refused[0].partition(":")[0]
        raise UsageError(
            f'`python("{refused[0]}")` is not allowed: a spec runs Python only where the caller '
            f"says so, by --allow-python {module}, allow_python=[{module!r}] or "
            f"functions={{{refused[0]!r}: …}}",
            code="RMG604",
        )
    return {target: options.functions.get(target) or _import_function(target) for target in targets}


def _is_allowed(target: str, options: Options) -> bool:
    module = target.partition(":")[0]
    return any(
        module == allowed or module.startswith(f"{allowed}.") for allowed in options.allow_python
    )


def _import_function(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    if module.startswith("."):
        raise UsageError(f'`python("{target}")`: write the whole name of the module')
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        raise UsageError(f'`python("{target}")` cannot be imported: {why}') from error
    Options(functions={target: found})  # the same rules as for a function that is given
    return found
