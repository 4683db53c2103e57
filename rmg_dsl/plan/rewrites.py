"""Rules that make a plan better without changing what it gives: a tuple of functions from plan to plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import reduce

from rmg_dsl.ir.expr import (
    BoolOp,
    Default,
    IfElse,
    Passed,
    Scored,
    ScoreOf,
    Term,
    children,
    scorings_in,
)
from rmg_dsl.ir.scoring import Refining, reached, read_by, terms_of
from rmg_dsl.ir.suite import Validation
from rmg_dsl.plan.steps import Ask, Calls, Plan, Rank, Refine, Step

Rule = Callable[[Plan], Plan]


def rewritten(plan: Plan) -> Plan:
    """The plan after every rule, in order."""
    return reduce(lambda current, rule: rule(current), RULES, plan)


def needed_by(plan: Plan, *numbers: int) -> frozenset[int]:
    """These steps and all the steps that they can need."""
    scorings = {step.number: step.scoring for step in plan.steps}
    found = reached(numbers, lambda number: read_by(scorings[number]) if number in scorings else ())
    return found.intersection(scorings)


def drop_unneeded(plan: Plan) -> Plan:
    """Without the steps that no root can reach, the outputs they would give, and the gates and the like on them."""
    needed = needed_by(plan, *plan.roots)
    return replace(
        plan,
        steps=tuple(s for s in plan.steps if s.number in needed),
        outputs=tuple(o for o in plan.outputs if o.scoring in needed),
        gates=tuple(g for g in plan.gates if all(n in needed for n in scorings_in(g.condition))),
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
        ready = [s for s in waiting if read_by(s.scoring) & known <= done]
        step = next((s for s in ready if not isinstance(s, Ask | Rank)), ready[0])
        ordered.append(step)
        done.add(step.number)
        waiting.remove(step)
    return replace(plan, steps=tuple(ordered))


def count_calls(plan: Plan) -> Plan:
    """With the least and the most calls of a row: those that are always made, and all that can be."""
    plan = replace(
        plan,
        steps=tuple(
            _with_calls(step, plan) if isinstance(step, Refine) else step for step in plan.steps
        ),
    )
    by_number = {step.number: step for step in plan.steps}
    certain = frozenset(n for root in plan.roots for n in _certain_step(root, by_number))
    own = _reached(plan, plan.roots)
    least = sum(step.calls.least for step in plan.calling if step.number in certain)
    most = sum(step.calls.most for step in plan.calling if step.number in own)
    return replace(plan, calls=Calls(least, most), certain=certain)


def _with_calls(step: Refine, plan: Plan) -> Refine:
    """With the most calls that a loop can add: each round writes and grades, the held-out grader sees two drafts."""
    loop = step.scoring
    drafts = loop.rounds + (loop.draft is not None)
    until = scorings_in(loop.until[1]) if loop.until else ()
    seen = [watched.later for watched in (loop.by, *loop.guards, *loop.feedback)]
    each_draft = _reached(plan, (*seen, *until))
    held = _reached(plan, [loop.holdout.later]) - each_draft if loop.holdout else frozenset()
    first = 1 + (loop.draft is not None)
    asked = {step.number: drafts}
    for ask in plan.asks:
        if ask.number in each_draft | held:
            asked[ask.number] = ask.calls.most * (
                drafts if ask.number in each_draft else min(drafts, first)
            )
    return replace(step, asked=tuple(asked.items()))


def _reached(plan: Plan, numbers: Iterable[int]) -> frozenset[int]:
    """These steps and what they can need of the same version of a row: the drafts of a loop are counted by the loop."""
    terms = {step.number: terms_of(step.scoring) for step in plan.steps}
    found = reached(
        numbers, lambda number: (n for term in terms.get(number, ()) for n in scorings_in(term))
    )
    return found.intersection(terms)


def _certain_step(number: int, by_number: dict[int, Step]) -> set[int]:
    """The steps that are taken whenever this one is; of a loop that may have to write first, itself alone."""
    if number not in by_number:
        return set()
    scoring = by_number[number].scoring
    if isinstance(scoring, Refining) and scoring.draft is not None:
        return {number}
    return {number}.union(
        *(_certain(term, by_number) for term in terms_of(by_number[number].scoring))
    )


def _certain(term: Term, by_number: dict[int, Step]) -> set[int]:
    match term:
        case ScoreOf(number) | Scored(number) | Passed(number):
            return _certain_step(number, by_number)
        case IfElse(then, condition, otherwise):
            return _certain(condition, by_number) | (
                _certain(then, by_number) & _certain(otherwise, by_number)
            )
        case BoolOp(parts=parts):
            return _certain(parts[0], by_number)
        case Default(operand):
            return _certain(operand, by_number)
        case _:
            return set().union(*(_certain(child, by_number) for child in children(term)))


RULES: tuple[Rule, ...] = (drop_unneeded, code_before_calls, count_calls)
