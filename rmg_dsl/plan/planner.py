"""From checked suite to plan: the steps of the wanted outputs, and the columns that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from rmg_dsl.diagnostics import Diagnostic, Source, Span, diagnose
from rmg_dsl.errors import UsageError
from rmg_dsl.ir.expr import (
    ColumnRef,
    IsPresent,
    Term,
    WithDefault,
    scorings_in,
    subterms,
    walk_terms,
)
from rmg_dsl.ir.scoring import (
    ExpressionScoring,
    JudgeScoring,
    ListwiseRanking,
    LoopOutputScoring,
    PairwiseRanking,
    PairwiseScoring,
    PythonScoring,
    RankingScoring,
    RefineScoring,
    WriterPrompt,
    all_loop_graders,
    reachable_from,
    scoring_dependencies,
    scoring_terms,
)
from rmg_dsl.ir.suite import CheckedSuite, ColumnUse, Output
from rmg_dsl.plan.rewrites import apply_rewrites
from rmg_dsl.plan.steps import (
    AskStep,
    CallPythonStep,
    ComputeStep,
    LoopOutputStep,
    Plan,
    RankStep,
    RefineStep,
    Step,
)
from rmg_dsl.suggest import format_names, suggest_name

LoopMode: TypeAlias = Literal["run", "leave", "alone"]
# `refine` is the loop itself, `refined` a score before or after it.
_LOOP_OUTPUT_KINDS = ("refine", "refined")


def make_plan(suite: CheckedSuite, only: Sequence[str] = (), loops: LoopMode = "run") -> Plan:
    """The plan of a suite, or of the part that the outputs named in `only` need.

    `loops` says what to do with `refine` declarations: `run` them with the rest, `leave` them out,
    or run them `alone` with the steps that they need.

    Raises UsageError for a name that the suite does not declare.
    """
    outputs = [o for o in _selected_outputs(suite, only) if _is_planned(o, loops)]
    roots = _root_scorings(outputs, suite, only, loops)
    if not only and loops != "alone":
        roots += suite.required_scorings
    steps = tuple(_build_step(number, suite) for number in range(len(suite.scorings)))
    # With `leave` the outputs of loops stay listed here: the rewrite drops those without a step.
    shown = tuple(o for o in suite.outputs if loops != "alone" or _is_loop_output(o))
    plan = Plan(steps, shown, tuple(dict.fromkeys(roots)), suite.requirements, suite.validations)
    return apply_rewrites(plan)


def _is_loop_output(output: Output) -> bool:
    return output.kind in _LOOP_OUTPUT_KINDS


def _is_planned(output: Output, loops: LoopMode) -> bool:
    if loops == "run":
        return True
    return _is_loop_output(output) == (loops == "alone")


def _root_scorings(
    outputs: Sequence[Output], suite: CheckedSuite, only: Sequence[str], loops: LoopMode
) -> list[int]:
    """The scorings that are wanted for themselves: roots of the suite, or all that `only` names."""
    orphans: frozenset[int] = frozenset()
    if loops == "leave":
        orphans = _unused_without_loops(outputs, suite)
    return [o.scoring for o in outputs if o.root or only or o.scoring in orphans]


def _unused_without_loops(outputs: Sequence[Output], suite: CheckedSuite) -> frozenset[int]:
    """The scorings that only a loop reads: without the loop they are wanted for themselves."""
    own = frozenset(output.scoring for output in outputs)

    def reads(number: int) -> frozenset[int]:
        return scoring_dependencies(suite.scorings[number])

    return own.difference(*map(reads, reachable_from(own, reads)))


def _selected_outputs(suite: CheckedSuite, only: Sequence[str]) -> list[Output]:
    by_name = {o.name: o for o in suite.outputs}
    unknown = [name for name in only if name not in by_name]
    if unknown:
        # Only the first one: advice for several names would fit none of them.
        close = suggest_name(unknown[0], by_name)
        advice = f"declared are {format_names(by_name)}"
        if close:
            advice = f"did you mean `{close}`?"
        raise UsageError(f"`{unknown[0]}` is no grader or aggregate of this spec: {advice}")
    if not only:
        return list(suite.outputs)
    selected = [by_name[name] for name in only]
    numbers = {output.scoring for output in selected}
    # A selected loop brings the outputs that it produces.
    produced = [o for o in suite.outputs if o not in selected and _loop_of(o, suite) in numbers]
    return selected + produced


def _loop_of(output: Output, suite: CheckedSuite) -> int | None:
    """The scoring of the loop that produces this output; None for an output of no loop."""
    scoring = suite.scorings[output.scoring]
    if isinstance(scoring, LoopOutputScoring):
        return scoring.loop
    return None


def _build_step(number: int, suite: CheckedSuite) -> Step:
    scoring = suite.scorings[number]
    # Equal graders share one scoring, so a step may have several names.
    names = tuple(output.name for output in suite.outputs if output.scoring == number)
    if not names:
        names = _names_of_draft(number, suite)
    match scoring:
        case JudgeScoring() | PairwiseScoring():
            return AskStep(number, names, scoring)
        case RankingScoring():
            return RankStep(number, names, scoring)
        case ExpressionScoring():
            return ComputeStep(number, names, scoring)
        case PythonScoring():
            return CallPythonStep(number, names, scoring)
        case RefineScoring():
            return RefineStep(number, names, scoring)
        case LoopOutputScoring():
            return LoopOutputStep(number, names, scoring)


def _names_of_draft(number: int, suite: CheckedSuite) -> tuple[str, ...]:
    """The names of the graders whose scoring of drafts this is: they also grade the row."""
    loops = (scoring for scoring in suite.scorings if isinstance(scoring, RefineScoring))
    graders = (grader for loop in loops for grader in all_loop_graders(loop))
    return tuple(dict.fromkeys(g.name for g in graders if g.draft_scoring == number))


def result_columns(output: Output) -> tuple[str, ...]:
    """The names of the columns that an output adds to the table, in their order."""
    return output.column_names


def with_column_prefix(plan: Plan, prefix: str) -> Plan:
    """The plan with a prefix before the name of every output, and so of every column."""
    if not prefix:
        return plan
    return replace(plan, outputs=tuple(replace(o, name=prefix + o.name) for o in plan.outputs))


def check_columns(
    suite: CheckedSuite, plan: Plan, columns: Iterable[str]
) -> tuple[Diagnostic, ...]:
    """Compare the columns of the data with those of the plan, before the first call.

    RMG501 for each column that the plan needs and the data lacks, RMG502 for each column that the
    plan would write and the data already has.
    """
    present = frozenset(columns)
    uses = {use.name: use for use in suite.columns}
    missing = [uses[name] for name in sorted(_required_columns(plan) - present) if name in uses]
    conflicts = [(o, c) for o in plan.outputs for c in result_columns(o) if c in present]
    return (
        *(_missing_column(use, present, suite) for use in missing),
        *(_column_conflict(output, column) for output, column in conflicts),
    )


def _required_columns(plan: Plan) -> frozenset[str]:
    """The columns that the plan must have: of its steps, its requirements and its validations."""
    terms = [term for step in plan.steps for term in _needed_terms(step)]
    terms += [requirement.condition for requirement in plan.requirements]
    terms += [term for validation in plan.validations for term in validation.terms]
    return frozenset(name for term in terms for name in _columns_required_by(term))


def _needed_terms(step: Step) -> tuple[Term, ...]:
    """The expressions that a step must have.

    Of a prompt these are the names that it uses outside of an `if`: the others may be missing.
    """
    if isinstance(step, RefineStep):
        return _needed_loop_terms(step.scoring)
    prompt = _prompt_of(step)
    if prompt is None:
        return scoring_terms(step.scoring)
    # By identity: two names of a prompt may be bound to equal expressions, one of them needed.
    optional = {id(term) for name, term in prompt.bindings if name not in prompt.needs}
    return tuple(term for term in scoring_terms(step.scoring) if id(term) not in optional)


def _needed_loop_terms(loop: RefineScoring) -> tuple[Term, ...]:
    """The names that the prompts of a loop need; without a first-draft prompt also the field."""
    improve = _needed_bindings(loop.improve)
    if loop.draft is None:
        return (*improve, loop.current)
    return (*improve, *_needed_bindings(loop.draft))


def _needed_bindings(prompt: WriterPrompt) -> list[Term]:
    return [term for name, term in prompt.bindings if name in prompt.needs]


def _prompt_of(step: Step) -> JudgeScoring | PairwiseScoring | ListwiseRanking | None:
    """The scoring that holds the prompt of a step; None for a step without a prompt."""
    match step.scoring:
        case RankingScoring(method=PairwiseRanking(comparison=comparison)):
            return comparison
        case RankingScoring(method=ListwiseRanking() as method):
            return method
        case JudgeScoring() | PairwiseScoring() as scoring:
            return scoring
        case _:
            return None


def _columns_required_by(term: Term) -> Iterator[str]:
    match term:
        case ColumnRef(name):
            yield name
        case IsPresent():
            return  # asks whether there is a value: the column may be missing
        case WithDefault(fallback=fallback):
            yield from _columns_required_by(fallback)
        case _:
            for child in subterms(term):
                yield from _columns_required_by(child)


def _missing_column(use: ColumnUse, present: frozenset[str], suite: CheckedSuite) -> Diagnostic:
    dotted = min((name for name in present if name.startswith(f"{use.name}.")), default=None)
    close = dotted or suggest_name(use.name, present)
    help = f"the data has {format_names(present, 12) or 'no columns'}"
    if close:
        help = f"did you mean `{close}`?"
    written = _written_column(close) if close else "COLUMN"
    if dotted:
        # In a spec a dot reads a part of a value, and here it belongs to the name.
        field = dotted.rpartition(".")[2]
        help += f"\nits name has dots: write `fields: {field} = {written}`, and use `{field}`"
    # A name that `fields` maps already needs no advice to map it.
    elif not _is_read_by_field(use.name, suite):
        help += f"\nor say where it is: fields: {use.name} = {written}"
    elif close and written != close:
        help += f"\nwrite it as {written}"
    message = f"the data has no column `{use.name}`"
    source, span = _column_use_place(use, suite)
    return diagnose("RMG501", message, source, span, help=help)


def _written_column(name: str) -> str:
    """How a spec writes the name of a column, which may be no name of the language.

    >>> _written_column("answer"), _written_column(" a.b")
    ('answer', 'column(" a.b")')
    """
    if name.isidentifier():
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'column("{escaped}")'


def _is_read_by_field(column: str, suite: CheckedSuite) -> bool:
    return any(column in _column_names(term) for _, term in suite.fields)


def _column_names(term: Term) -> set[str]:
    return {inner.name for inner in walk_terms(term) if isinstance(inner, ColumnRef)}


def _column_use_place(use: ColumnUse, suite: CheckedSuite) -> tuple[Source, Span]:
    """Where to report a column: in the author's own file wherever that is possible."""
    # A prompt of the standard library is not the place of the mistake: the grader that uses it is.
    if not use.source.name.startswith("std/"):
        return use.source, use.span
    for output in suite.outputs:
        if use.name in _columns_of(output.scoring, suite):
            return output.source, output.span
    return suite.source, Span(0, 1)


def _columns_of(number: int, suite: CheckedSuite) -> set[str]:
    """The names of all columns that a scoring reads, itself or through other scorings."""
    names: set[str] = set()
    for term in scoring_terms(suite.scorings[number]):
        names |= _column_names(term)
        for child in scorings_in(term):
            names |= _columns_of(child, suite)
    return names


def _column_conflict(output: Output, column: str) -> Diagnostic:
    prefix = '`--prefix judged_`, `prefix="judged_"`'
    help = f"rename the declaration, or give the results a prefix: {prefix}"
    message = f"the data already has a column `{column}`, which `{output.name}` would write"
    return diagnose("RMG502", message, output.source, output.span, help=help)
