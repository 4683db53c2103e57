"""From suite to plan: which steps the wanted outputs need, and whether the data has what they read."""

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
_LOOP_OUTPUT_KINDS = ("refine", "refined")


def make_plan(suite: CheckedSuite, only: Sequence[str] = (), loops: LoopMode = "run") -> Plan:
    """The plan for a suite, or for the part of it that the named outputs need.

    What a `refine` declares is run with the rest, left out, or run alone with what it needs.

    Raises UsageError for a name that the suite does not declare.
    """
    outputs = [
        o
        for o in _selected_outputs(suite, only)
        if loops == "run" or (o.kind in _LOOP_OUTPUT_KINDS) == (loops == "alone")
    ]
    alone = _unused_without_loops(outputs, suite) if loops == "leave" else frozenset()
    roots = [o.scoring for o in outputs if o.root or only or o.scoring in alone]
    if not only and loops != "alone":
        roots += suite.required_scorings
    steps = tuple(_build_step(number, suite) for number in range(len(suite.scorings)))
    shown = tuple(o for o in suite.outputs if loops != "alone" or o.kind in _LOOP_OUTPUT_KINDS)
    plan = Plan(steps, shown, tuple(dict.fromkeys(roots)), suite.requirements, suite.validations)
    return apply_rewrites(plan)


def _unused_without_loops(outputs: Sequence[Output], suite: CheckedSuite) -> frozenset[int]:
    """What only a loop needs is wanted for itself where the loop is left out."""
    own = frozenset(output.scoring for output in outputs)

    def reads(number: int) -> frozenset[int]:
        return scoring_dependencies(suite.scorings[number])

    return own.difference(*map(reads, reachable_from(own, reads)))


def _selected_outputs(suite: CheckedSuite, only: Sequence[str]) -> list[Output]:
    by_name = {o.name: o for o in suite.outputs}
    unknown = [name for name in only if name not in by_name]
    if unknown:
        close = suggest_name(unknown[0], by_name)
        advice = f"did you mean `{close}`?" if close else f"declared are {format_names(by_name)}"
        raise UsageError(f"`{unknown[0]}` is no grader or aggregate of this spec: {advice}")
    if not only:
        return list(suite.outputs)
    named = [by_name[name] for name in only]
    return named + [
        o
        for o in suite.outputs
        if o not in named and _loop_of(o, suite) in {n.scoring for n in named}
    ]


def _loop_of(output: Output, suite: CheckedSuite) -> int | None:
    """The loop that leaves an output behind: who wants the loop wants what it leaves."""
    scoring = suite.scorings[output.scoring]
    return scoring.loop if isinstance(scoring, LoopOutputScoring) else None


def _build_step(number: int, suite: CheckedSuite) -> Step:
    scoring = suite.scorings[number]
    names = tuple(o.name for o in suite.outputs if o.scoring == number) or _names_of_draft(
        number, suite
    )
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
    """What grades a draft has the name of what grades the row."""
    loops = (scoring for scoring in suite.scorings if isinstance(scoring, RefineScoring))
    return tuple(
        dict.fromkeys(
            seen.name
            for loop in loops
            for seen in all_loop_graders(loop)
            if seen.draft_scoring == number
        )
    )


def result_columns(output: Output) -> tuple[str, ...]:
    """The names of the columns that an output adds to the table, in their order."""
    return output.column_names


def with_column_prefix(plan: Plan, prefix: str) -> Plan:
    """The plan with every output's columns named with a prefix."""
    if not prefix:
        return plan
    return replace(plan, outputs=tuple(replace(o, name=prefix + o.name) for o in plan.outputs))


def check_columns(
    suite: CheckedSuite, plan: Plan, columns: Iterable[str]
) -> tuple[Diagnostic, ...]:
    """What the data lacks, and what it already has: diagnostics 5xx, before the first call."""
    known = frozenset(columns)
    places = {use.name: use for use in suite.columns}
    missing = [places[name] for name in sorted(_required_columns(plan) - known) if name in places]
    taken = [(o, c) for o in plan.outputs for c in result_columns(o) if c in known]
    return (
        *(_missing_column(use, known, suite) for use in missing),
        *(_column_conflict(o, c) for o, c in taken),
    )


def _required_columns(plan: Plan) -> frozenset[str]:
    """The columns that the steps of this plan, its gates and its validations cannot do without."""
    wanted = [term for step in plan.steps for term in _needed_terms(step)] + [
        gate.condition for gate in plan.requirements
    ]
    wanted += [term for validation in plan.validations for term in validation.terms]
    return frozenset(name for term in wanted for name in _columns_required_by(term))


def _needed_terms(step: Step) -> tuple[Term, ...]:
    """Of a prompt only what the template cannot do without: a name that it guards by `if` may be missing."""
    if isinstance(step, RefineStep):
        loop = step.scoring
        asked = (loop.improve, loop.draft) if loop.draft else (loop.improve,)
        shown = [
            term for written in asked for name, term in written.bindings if name in written.needs
        ]
        return (*shown, *([] if loop.draft else [loop.current]))
    prompt = _prompt_of(step)
    optional = (
        [term for name, term in prompt.bindings if name not in prompt.needs] if prompt else []
    )
    return tuple(
        term for term in scoring_terms(step.scoring) if not any(term is each for each in optional)
    )


def _prompt_of(step: Step) -> JudgeScoring | PairwiseScoring | ListwiseRanking | None:
    """The templates of a step that asks."""
    scoring = step.scoring.method if isinstance(step.scoring, RankingScoring) else step.scoring
    if isinstance(scoring, PairwiseRanking):
        return scoring.comparison
    return (
        scoring if isinstance(scoring, JudgeScoring | PairwiseScoring | ListwiseRanking) else None
    )


def _columns_required_by(term: Term) -> Iterator[str]:
    match term:
        case ColumnRef(name):
            yield name
        case IsPresent():
            return
        case WithDefault(fallback=instead):
            yield from _columns_required_by(instead)
        case _:
            for child in subterms(term):
                yield from _columns_required_by(child)


def _missing_column(use: ColumnUse, known: frozenset[str], suite: CheckedSuite) -> Diagnostic:
    close = suggest_name(use.name, known)
    help = (
        f"did you mean `{close}`?"
        if close
        else f"the data has {format_names(known, 12) or 'no columns'}"
    )
    in_field = any(
        isinstance(t, ColumnRef) and t.name == use.name
        for _, term in suite.fields
        for t in walk_terms(term)
    )
    rename = "" if in_field else f"\nor say where it is: fields: {use.name} = {close or 'COLUMN'}"
    message = f"the data has no column `{use.name}`"
    source, span = _column_use_place(use, suite)
    return diagnose("RMG501", message, source, span, help=help + rename)


def _column_use_place(use: ColumnUse, suite: CheckedSuite) -> tuple[Source, Span]:
    """In the author's own file where that is possible: a standard grader's prompt is not where the mistake is."""
    if not use.source.name.startswith("std/"):
        return use.source, use.span
    for output in suite.outputs:
        if use.name in _columns_of(output.scoring, suite):
            return output.source, output.span
    return suite.source, Span(0, 1)


def _columns_of(number: int, suite: CheckedSuite) -> set[str]:
    found: set[str] = set()
    for term in scoring_terms(suite.scorings[number]):
        found |= {inner.name for inner in walk_terms(term) if isinstance(inner, ColumnRef)}
        for child in scorings_in(term):
            found |= _columns_of(child, suite)
    return found


def _column_conflict(output: Output, column: str) -> Diagnostic:
    help = 'rename the declaration, or give the results a prefix: `--prefix judged_`, `prefix="judged_"`'
    message = f"the data already has a column `{column}`, which `{output.name}` would write"
    return diagnose("RMG502", message, output.source, output.span, help=help)
