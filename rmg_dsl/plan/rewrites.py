"""Rules that make a plan better without changing what it gives: a tuple of functions from plan to plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import reduce

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
from rmg_dsl.ir.suite import Validation
from rmg_dsl.plan.steps import AskStep, CallRange, Plan, RankStep, RefineStep, Step

Rewrite = Callable[[Plan], Plan]


def apply_rewrites(plan: Plan) -> Plan:
    """The plan after every rule, in order."""
    return reduce(lambda current, rule: rule(current), REWRITES, plan)


def needed_by(plan: Plan, *numbers: int) -> frozenset[int]:
    """These steps and all the steps that they can need."""
    scorings = {step.number: step.scoring for step in plan.steps}
    found = reachable_from(
        numbers, lambda number: scoring_dependencies(scorings[number]) if number in scorings else ()
    )
    return found.intersection(scorings)


def drop_unneeded(plan: Plan) -> Plan:
    """Without the steps that no root can reach, the outputs they would give, and the gates and the like on them."""
    needed = needed_by(plan, *plan.roots)
    return replace(
        plan,
        steps=tuple(s for s in plan.steps if s.number in needed),
        outputs=tuple(o for o in plan.outputs if o.scoring in needed),
        requirements=tuple(
            g for g in plan.requirements if all(n in needed for n in scorings_in(g.condition))
        ),
        validations=tuple(v for v in plan.validations if _scorings_of(v) <= needed),
    )


def _scorings_of(validation: Validation) -> set[int]:
    return {validation.scoring}.union(*map(scorings_in, validation.terms))


def code_before_calls(plan: Plan) -> Plan:
    """In an order that never looks ahead, with all the code that waits for no call in front of the calls."""
    done: set[int] = set()
    ordered: list[Step] = []
    waiting = list(plan.steps)
    known = {step.number for step in plan.steps}
    while waiting:
        ready = [s for s in waiting if scoring_dependencies(s.scoring) & known <= done]
        step = next((s for s in ready if not isinstance(s, AskStep | RankStep)), ready[0])
        ordered.append(step)
        done.add(step.number)
        waiting.remove(step)
    return replace(plan, steps=tuple(ordered))


def count_calls(plan: Plan) -> Plan:
    """With the least and the most calls of a row: those that are always made, and all that can be."""
    plan = replace(
        plan,
        steps=tuple(
            _with_calls(step, plan) if isinstance(step, RefineStep) else step for step in plan.steps
        ),
    )
    by_number = {step.number: step for step in plan.steps}
    certain = frozenset(n for root in plan.roots for n in _certain_step(root, by_number))
    own = _reachable_steps(plan, plan.roots)
    least = sum(step.calls.least for step in plan.model_steps if step.number in certain)
    most = sum(step.calls.most for step in plan.model_steps if step.number in own)
    return replace(plan, calls=CallRange(least, most), certain_steps=certain)


def _with_calls(step: RefineStep, plan: Plan) -> RefineStep:
    """With the most calls that a loop can add: each round writes and grades, the held-out grader sees two drafts."""
    loop = step.scoring
    drafts = loop.rounds + (loop.draft is not None)
    until = scorings_in(loop.until[1]) if loop.until else ()
    seen = [watched.draft_scoring for watched in (loop.by, *loop.guards, *loop.feedback)]
    each_draft = _reachable_steps(plan, (*seen, *until))
    held = (
        _reachable_steps(plan, [loop.holdout.draft_scoring]) - each_draft
        if loop.holdout
        else frozenset()
    )
    first = 1 + (loop.draft is not None)
    asked = {step.number: drafts}
    for ask in plan.asks:
        if ask.number in each_draft | held:
            asked[ask.number] = ask.calls.most * (
                drafts if ask.number in each_draft else min(drafts, first)
            )
    return replace(step, calls_by_step=tuple(asked.items()))


def _reachable_steps(plan: Plan, numbers: Iterable[int]) -> frozenset[int]:
    """These steps and what they can need of the same version of a row: the drafts of a loop are counted by the loop."""
    terms = {step.number: scoring_terms(step.scoring) for step in plan.steps}
    found = reachable_from(
        numbers, lambda number: (n for term in terms.get(number, ()) for n in scorings_in(term))
    )
    return found.intersection(terms)


def _certain_step(number: int, by_number: dict[int, Step]) -> set[int]:
    """The steps that are taken whenever this one is; of a loop that may have to write first, itself alone."""
    if number not in by_number:
        return set()
    scoring = by_number[number].scoring
    if isinstance(scoring, RefineScoring) and scoring.draft is not None:
        return {number}
    return {number}.union(
        *(_certain_steps_in(term, by_number) for term in scoring_terms(by_number[number].scoring))
    )


def _certain_steps_in(term: Term, by_number: dict[int, Step]) -> set[int]:
    match term:
        case ScoreRef(number) | HasScore(number) | HasPassed(number):
            return _certain_step(number, by_number)
        case IfElse(then, condition, otherwise):
            return _certain_steps_in(condition, by_number) | (
                _certain_steps_in(then, by_number) & _certain_steps_in(otherwise, by_number)
            )
        case BoolOp(parts=parts):
            return _certain_steps_in(parts[0], by_number)
        case WithDefault(operand):
            return _certain_steps_in(operand, by_number)
        case _:
            return set().union(*(_certain_steps_in(child, by_number) for child in subterms(term)))


REWRITES: tuple[Rewrite, ...] = (drop_unneeded, code_before_calls, count_calls)
