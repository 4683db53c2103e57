"""Prepare a run: check spec, data, options and models together, before the first call."""

from __future__ import annotations

import difflib
import importlib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

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

PythonFunction: TypeAlias = Callable[..., object]


class _Copyable(Protocol):
    """The part of a pandas frame that this module uses; only `tables` imports pandas."""

    def copy(self) -> object: ...


@dataclass(frozen=True, slots=True)
class GradingJob:
    """Everything that a run needs, checked, before its first call to a model.

    `is_streamed` is true for a file: each walk over the table reads it again.
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


def prepare(spec: Spec, data: object, options: Options, *, loops: LoopMode = "run") -> GradingJob:
    """Check spec, data, options and models against each other, and open the models.

    No model is called. Raises what `grade` raises.
    """
    # Cheap checks come first: a mistake is reported before the models are opened.
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


def table_of(data: object, options: Options) -> Table:
    """The rows of `data` that the options `limit` and `sample` select."""
    table = limit_rows(open_table(_snapshot(data)), options.limit)
    return sample_rows(table, options.sample, options.seed)


def _snapshot(data: object) -> object:
    """Copy the data, so that a later change of it never appears beside the scores of the old rows.

    A file is not copied: `results.verified_table` notices when it changes.
    """
    if is_frame(data):
        return cast("_Copyable", data).copy()
    # The dicts are copied too: the caller may write results into them during the run.
    if isinstance(data, list | tuple):
        return [dict(row) if isinstance(row, Mapping) else row for row in data]
    return data


# ── the spec ──


def check_and_plan(
    spec: Spec, table: Table | None, options: Options, loops: LoopMode = "run"
) -> tuple[CheckResult, Plan]:
    """Check a spec with the options and the columns of the table, and plan it.

    Raises SpecError for mistakes in the spec and for columns that the table lacks, UsageError for
    params that the spec does not take.
    """
    source = source_of(spec)
    columns = None if table is None else frozenset(table.columns)
    functions = frozenset(options.functions)
    check = run_checker(source, {}, columns, functions, options.allow_files)
    # The first check finds the params and their types; the second one uses the caller's values.
    if options.params and not has_errors(check.diagnostics):
        params = _resolve_params(dict(check.suite.params), options.params)
        check = run_checker(source, params, columns, functions, options.allow_files)
    planned, diagnostics = _bind_columns(check, columns, options, loops)
    raise_errors(diagnostics)
    return check, planned


def _bind_columns(
    check: CheckResult, columns: frozenset[str] | None, options: Options, loops: LoopMode = "run"
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Make the plan, and compare the columns that it needs with those of the data.

    Returns the plan with the diagnostics of the check and of the comparison.
    """
    # In a spec with errors, a name in `only` may belong to a declaration that was dropped.
    only = () if has_errors(check.diagnostics) else options.only
    planned = with_column_prefix(make_plan(check.suite, only, loops), options.prefix)
    planned = with_chosen_names(planned, options)
    # Missing columns are reported with the other mistakes, so that one run finds them all.
    lacking = () if columns is None else check_columns(check.suite, planned, columns)
    return planned, sort_diagnostics([*check.diagnostics, *lacking])


def diagnostics_with_data(
    source: Source, data: object, allow_files: Iterable[str] = ()
) -> tuple[Diagnostic, ...]:
    """Every diagnostic of a spec, including those about the columns of the data."""
    columns = frozenset(open_table(data).columns)
    found = run_checker(source, columns=columns, allow_files=allow_files)
    return _bind_columns(found, columns, Options())[1]


# ── params ──


def _resolve_params(
    declared: Mapping[str, ParamValue], values: Mapping[str, ParamValue]
) -> dict[str, ParamValue]:
    """The caller's values for the params, converted to the type of the declared default.

    Raises UsageError for a param that the spec does not declare, and for a value of another type.
    """
    for name in values:
        if name not in declared:
            close = difflib.get_close_matches(str(name), declared, n=1)
            names = ", ".join(f"`{n}`" for n in declared) or "none"
            advice = f"did you mean `{close[0]}`?" if close else f"it declares {names}"
            raise UsageError(f"the spec has no param `{name}`: {advice}", code="RMG223")
    return {name: _param_of_type(name, value, declared[name]) for name, value in values.items()}


def _param_of_type(name: str, value: object, default: ParamValue) -> ParamValue:
    # A value of the command line is text; the type of the default says how to read it.
    param = _parse_param_text(value, default) if isinstance(value, RawParam) else value
    if isinstance(default, bool):
        fits, words = isinstance(param, bool), "True or False"
    elif isinstance(default, str):
        fits, words = isinstance(param, str), "a text"
    else:
        fits, words = _is_finite_number(param), "a number"
    if not fits or not isinstance(param, float | int | bool | str):
        message = (
            f"param `{name}` is {words}, as its default {default!r} is, and {str(value)!r} is none"
        )
        raise UsageError(message, code="RMG314")
    return param


def _is_finite_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _parse_param_text(text: str, default: ParamValue) -> object:
    """Read a typed value by the type of the default, or return None where it cannot be read.

    With a text as default, `007` stays a text; with a number, it is 7.
    """
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


def available_functions(options: Options) -> dict[str, PythonFunction]:
    """The built-in functions and the caller's own.

    Raises UsageError where a function of the caller has the name of a built-in one.
    """
    built_in = std.functions()
    if taken := [name for name in options.functions if name in built_in]:
        raise UsageError(f"functions: `{taken[0]}` is a built-in function; give yours another name")
    return {**std.implementations(), **options.functions}


def _limited_functions(options: Options, runner: FunctionRunner) -> dict[str, PythonFunction]:
    """The functions of expressions; a call of one of the caller's has a limit on its time."""
    own = {name: runner.with_time_limit(function) for name, function in options.functions.items()}
    return {**available_functions(options), **own}


def _python_functions(planned: Plan, options: Options) -> dict[str, PythonFunction]:
    """The functions of `python("module:name")`, from the caller or from a module that they allow.

    Raises UsageError for a module that is not allowed, and for one that cannot be imported.
    """
    targets = [step.scoring.target for step in planned.steps if isinstance(step, CallPythonStep)]
    # This test comes before any import, because an import already runs code of the module.
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


def _import_function(target: str) -> PythonFunction:
    module, _, name = target.partition(":")
    if module.startswith("."):
        raise UsageError(f'`python("{target}")`: write the whole name of the module')
    try:
        function: PythonFunction = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        raise UsageError(f'`python("{target}")` cannot be imported: {why}') from error
    # `Options` checks it by the rules for functions that the caller passes.
    Options(functions={target: function})
    return function
