"""What the draws of a grader come to: which judges are still to be asked, and the one score that all verdicts make.

A grader is asked in two stages: its own judges, each `samples` times, and where the condition of `escalate` holds,
those of the escalation, each once; then theirs is the verdict. All here is a function of the answers, whatever their
order: a run can end anywhere and go on from what it knows.

A panel whose `pool` is the majority is asked no further than its majority needs: the first draws that could decide,
then one more at a time. Where the escalation looks at the spread or the confidence, everybody is asked: those of a
part would say too little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from rmg_dsl.ir.scoring import Escalation, JudgeScoring, ModelUse
from rmg_dsl.judge.pooling import (
    Votes,
    make_ballot,
    pool_votes,
    verdict_of,
    verdict_text,
    winning_verdict,
    worst_first,
)
from rmg_dsl.judge.protocol import Answers, ConditionCheck
from rmg_dsl.results import Outcome, Score, Unscored
from rmg_dsl.scales import Scale, Value

# What says nothing about the row asks nobody else: an endpoint that is down must not become the bill of a dearer one.


class Draw(NamedTuple):
    """One draw: of which stage (0 the grader's judges, 1 those of the escalation), which juror, and its number."""

    stage: int
    member: int
    number: int


SINGLE_DRAW = Draw(0, 0, 0)


def resolve_draws(
    judged: JudgeScoring, answers: Answers, holds: ConditionCheck
) -> Outcome | Sequence[Draw]:
    """The outcome of a grader on a row, or the draws that it still needs.

    >>> from rmg_dsl.scales import Whole
    >>> twice = JudgeScoring("", "", (), (), (), Whole(1, 5), (), (ModelUse("judge", None),), samples=2)
    >>> resolve_draws(twice, {}, holds=lambda *_: False)
    [Draw(stage=0, member=0, number=1), Draw(stage=0, member=0, number=2)]
    >>> both = {Draw(0, 0, 1): Score(4), Draw(0, 0, 2): Score(5)}
    >>> resolve_draws(twice, both, holds=lambda *_: False).value
    4.5
    """
    draws = _first_draws(judged, answers)
    if missing := [draw for draw in draws if draw not in answers]:
        return missing
    votes = _votes(judged, draws, answers)
    first = pool_votes(judged.pool, judged.scale, votes, len(judged.panel) * judged.samples)
    escalation = judged.escalation
    if escalation is None or not _is_doubtful(first, escalation, holds):
        return _as_mean_value(judged, first)
    draws = _stage_draws(escalation.panel, 1, stage=1)
    if missing := [draw for draw in draws if draw not in answers]:
        return missing
    return _as_mean_value(
        judged, _apply_escalation(judged, first, votes, _votes(judged, draws, answers))
    )


def model_of_draw(judged: JudgeScoring, draw: Draw) -> ModelUse:
    """The model that makes a draw."""
    if draw.stage == 0 or judged.escalation is None:
        return judged.panel[draw.member]
    return judged.escalation.panel[draw.member]


# ── the first judges ──────────────────────────────────────────────────────────────────────────────────────────────


def _first_draws(judged: JudgeScoring, answers: Answers) -> Sequence[Draw]:
    draws = _stage_draws(judged.panel, judged.samples, stage=0)
    return draws[: _draws_needed(draws, answers, judged.scale)] if judged.stops_early else draws


def _stage_draws(jurors: Sequence[ModelUse], samples: int, stage: int) -> list[Draw]:
    """The first draws of all jurors, then the second ones: what is asked first is as mixed as the panel."""
    numbers = range(1, samples + 1) if samples > 1 else (0,)
    return [Draw(stage, juror, number) for number in numbers for juror in range(len(jurors))]


def _votes(judged: JudgeScoring, draws: Sequence[Draw], answers: Answers) -> Votes:
    return [(model_of_draw(judged, draw).label, answers[draw]) for draw in draws]


def _draws_needed(draws: Sequence[Draw], answers: Answers, scale: Scale) -> int:
    """How many of the draws, from the first on, could decide if those without an answer said what decides soonest.

    Never more than will have been needed once the answers are there: so who answers first changes nothing.
    """
    count = len(draws) // 2 + 1
    while count < len(draws) and not _could_decide(draws[:count], answers, len(draws), scale):
        count += 1
    return count


def _could_decide(asked: Sequence[Draw], answers: Answers, all_draws: int, scale: Scale) -> bool:
    known = [answers[draw] for draw in asked if draw in answers]
    votes = [verdict_of(outcome) for outcome in known if isinstance(outcome, Score)]
    out = len(asked) - len(known)
    failed = len(known) - len(votes)
    if (failed + out) * 2 >= all_draws:
        return True
    rest = all_draws - len(asked)
    enough = (len(votes) + out) * 2 > all_draws
    return enough and any(
        _is_safe(verdict, votes, out, rest, scale) for verdict in dict.fromkeys([*votes, None])
    )


def _is_safe(
    leader: Value | None, votes: Sequence[Value], out: int, rest: int, scale: Scale
) -> bool:
    """Would this verdict, given all that are out, win whatever the rest says? None stands for one not seen yet."""
    counts = Counter(votes)
    own = out + (0 if leader is None else counts[leader])
    # Ties go to those that come first, which is only known once nothing is out.
    order = [] if out or leader is None else worst_first(scale, votes)
    before = order[: order.index(leader)] if leader in order else []
    return own > rest and all(
        own >= counts[other] + rest + (other in before) for other in counts if other != leader
    )


def _as_mean_value(judged: JudgeScoring, outcome: Outcome) -> Outcome:
    """Where scores of the grader are means, one that a single draw made is a number of the same kind."""
    if judged.pool != "mean" or not judged.has_ballot or isinstance(outcome, Unscored | str):
        return outcome
    return (
        outcome
        if isinstance(outcome.value, str)
        else replace(outcome, value=float(outcome.scalar_value))
    )


# ── the escalation ─────────────────────────────────────────────────────────────────────────────────────────────


def _is_doubtful(first: Outcome, escalation: Escalation, holds: ConditionCheck) -> bool:
    """Does the condition hold? A judge that gave no verdict is in doubt too; one that could not be asked is not."""
    if isinstance(first, Unscored):
        return first.status.lacks_verdict
    ballot = first.ballot
    own = {
        "score": first.scalar_value,
        "spread": ballot.spread if ballot else None,
        "confidence": ballot.confidence if ballot else None,
    }
    return holds(escalation.condition, own)


def _apply_escalation(judged: JudgeScoring, first: Outcome, votes: Votes, later: Votes) -> Outcome:
    """The verdict of the escalation, which is the score; where it has none, there is none."""
    second = pool_votes(judged.pool, judged.scale, later, len(later))
    attempts = first.attempts + second.attempts
    words = f"{', '.join(f'`{name}`' for name, _ in later)}, asked after {_first_stage_text(first)}"
    if isinstance(second, Unscored):
        return replace(second, message=f"{words}: {second.message}", attempts=attempts)
    chosen = winning_verdict(
        judged.pool, judged.scale, [vote for _, vote in later if isinstance(vote, Score)]
    )
    reason = words + (f": {second.reason}" if second.reason else "")
    ballot = make_ballot(judged.pool, judged.scale, [*votes, *later], chosen)
    return replace(second, reason=reason, attempts=attempts, ballot=ballot)


def _first_stage_text(first: Outcome) -> str:
    if isinstance(first, Unscored):
        return f"no verdict ({first.status})"
    spread = first.ballot.spread if first.ballot else None
    return verdict_text(first.label or first.scalar_value) + (
        f" with a spread of {verdict_text(spread)}" if spread is not None else ""
    )
