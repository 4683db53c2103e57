"""Plan rewrites: functions that remove, sort and count the steps, and change no result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from rmg_dsl.ir.expr import (
    BoolOp,
    HasPassed,
    HasScore,
    IfElse,
    ScoreRef,
    Term,
    WithDefault,
    scorings_in,
    subterms,
)
from rmg_dsl.ir.scoring import RefineScoring, reachable_from, scoring_dependencies, scoring_terms
from rmg_dsl.ir.suite import Requirement, Validation
from rmg_dsl.plan.steps import AskStep, CallRange, Plan, RankStep, RefineStep, Step

Rewrite = Callable[[Plan], Plan]


def apply_rewrites(plan: Plan) -> Plan:
    """Apply every rewrite, in the order of `REWRITES`."""
    for rewrite in REWRITES:
        plan = rewrite(plan)
    return plan


def needed_by(plan: Plan, *numbers: int) -> frozenset[int]:
    """The numbers of these steps and of all steps that they can depend on."""
    scorings = {step.number: step.scoring for step in plan.steps}

    def dependencies(number: int) -> Iterable[int]:
        # A scoring without a step was removed by an earlier rewrite.
        if number not in scorings:
            return ()
        return scoring_dependencies(scorings[number])

    return reachable_from(numbers, dependencies).intersection(scorings)


def drop_unneeded(plan: Plan) -> Plan:
    """Remove the steps that no root depends on, with their outputs.

    A requirement or a validation that reads a removed step is removed as well.
    """
    needed = needed_by(plan, *plan.roots)
    return replace(
        plan,
        steps=tuple(step for step in plan.steps if step.number in needed),
        outputs=tuple(output for output in plan.outputs if output.scoring in needed),
        requirements=tuple(r for r in plan.requirements if _requirement_reads(r) <= needed),
        validations=tuple(v for v in plan.validations if _validation_reads(v) <= needed),
    )


def _requirement_reads(requirement: Requirement) -> set[int]:
    return set(scorings_in(requirement.condition))


def _validation_reads(validation: Validation) -> set[int]:
    return {validation.scoring}.union(*map(scorings_in, validation.terms))


def code_before_calls(plan: Plan) -> Plan:
    """Sort the steps: each after its dependencies, and code before calls where possible."""
    numbers = {step.number for step in plan.steps}
    needs = {s.number: scoring_dependencies(s.scoring) & numbers for s in plan.steps}
    done: set[int] = set()
    ordered: list[Step] = []
    waiting = list(plan.steps)
    while waiting:
        ready = [step for step in waiting if needs[step.number] <= done]
        # Code is free. It comes first so that a condition can save the calls behind it.
        step = next((step for step in ready if not isinstance(step, AskStep | RankStep)), ready[0])
        ordered.append(step)
        done.add(step.number)
        waiting.remove(step)
    return replace(plan, steps=tuple(ordered))


def count_calls(plan: Plan) -> Plan:
    """Add the least and the most calls of one row, and the steps that every row takes."""
    plan = replace(plan, steps=tuple(_with_loop_calls(step, plan) for step in plan.steps))
    certain_steps = _certain_steps(plan)
    certain = frozenset().union(*(certain_steps.get(root, frozenset()) for root in plan.roots))
    reachable = _reachable_steps(plan, plan.roots)
    least = sum(step.calls.least for step in plan.model_steps if step.number in certain)
    most = sum(step.calls.most for step in plan.model_steps if step.number in reachable)
    return replace(plan, calls=CallRange(least, most), certain_steps=certain)


def _with_loop_calls(step: Step, plan: Plan) -> Step:
    """A refine step with the most calls that it can add; any other step unchanged."""
    if not isinstance(step, RefineStep):
        return step
    loop = step.scoring
    writes = _max_drafts(loop)
    calls = {step.number: writes}
    each_draft = _reachable_steps(plan, _draft_scorings(loop))
    held_out = _held_out_steps(loop, plan) - each_draft
    # The held-out grader sees two drafts only: the first one and the returned one.
    first_and_last = min(writes, 1 + _may_write_first(loop))
    for ask in plan.asks:
        if ask.number in each_draft:
            calls[ask.number] = ask.calls.most * writes
        elif ask.number in held_out:
            calls[ask.number] = ask.calls.most * first_and_last
    return replace(step, calls_by_step=tuple(calls.items()))


def _may_write_first(loop: RefineScoring) -> bool:
    return loop.draft is not None


def _max_drafts(loop: RefineScoring) -> int:
    """The most drafts that a loop writes: one a round, and the first with a prompt for that."""
    return loop.rounds + _may_write_first(loop)


def _draft_scorings(loop: RefineScoring) -> Iterator[int]:
    """The scorings that grade every draft, and those that the stop condition reads."""
    for grader in (loop.by, *loop.guards, *loop.feedback):
        yield grader.draft_scoring
    if loop.until:
        yield from scorings_in(loop.until[1])


def _held_out_steps(loop: RefineScoring, plan: Plan) -> frozenset[int]:
    if loop.holdout is None:
        return frozenset()
    return _reachable_steps(plan, [loop.holdout.draft_scoring])


def _reachable_steps(plan: Plan, numbers: Iterable[int]) -> frozenset[int]:
    """The numbers of these steps and of those that they can read for the same text of a row.

    The steps that grade the drafts of a loop are not among them: the loop counts their calls.
    """
    terms = {step.number: scoring_terms(step.scoring) for step in plan.steps}

    def reads(number: int) -> Iterator[int]:
        for term in terms.get(number, ()):
            yield from scorings_in(term)

    return reachable_from(numbers, reads).intersection(terms)


def _certain_steps(plan: Plan) -> dict[int, frozenset[int]]:
    """For each step the numbers of the steps that run whenever it runs, itself included.

    The steps of the plan stand after those that they read, so that each is computed once.
    """
    certain: dict[int, frozenset[int]] = {}
    for step in plan.steps:
        scoring = step.scoring
        needed: frozenset[int] = frozenset({step.number})
        # A loop that may have to write the first draft reads nothing for certain before that.
        if not (isinstance(scoring, RefineScoring) and _may_write_first(scoring)):
            needed = needed.union(*(_certain_in(term, certain) for term in scoring_terms(scoring)))
        certain[step.number] = needed
    return certain


def _certain_in(term: Term, certain: Mapping[int, frozenset[int]]) -> frozenset[int]:
    """The numbers of the steps that run whenever this expression is computed."""
    match term:
        case ScoreRef(number) | HasScore(number) | HasPassed(number):
            return certain.get(number, frozenset())
        case IfElse(then, condition, otherwise):
            # Either branch may run, so only what both of them need is certain.
            both = _certain_in(then, certain) & _certain_in(otherwise, certain)
            return both | _certain_in(condition, certain)
        case BoolOp(parts=parts):
            # `and` and `or` may stop after their first part.
            return _certain_in(parts[0], certain)
        case WithDefault(operand):
            # The fallback is computed only where the operand is missing.
            return _certain_in(operand, certain)
        case _:
            needed = [_certain_in(child, certain) for child in subterms(term)]
            return frozenset().union(*needed)


# Dropping comes first, so that nothing is sorted or counted that will not run.
REWRITES: tuple[Rewrite, ...] = (drop_unneeded, code_before_calls, count_calls)
