"""The draws of a grader: which ones are still needed, and the one score that their verdicts make.

A grader is asked in two stages: first its own panel, each member `samples` times; then, where the
condition of `escalate` holds, the panel of the escalation, each member once. The verdict of the
second stage replaces the first. Every function here is pure and does not depend on the order of the
answers, so that a run can stop anywhere and go on from the answers that it has.

A panel whose `pool` is `majority` stops early: it starts with the fewest draws that can decide, and
adds one at a time. Where the escalation reads the spread or the confidence, all draws are made,
because both are about all of them.
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
)
from rmg_dsl.judge.protocol import Answers, ConditionCheck
from rmg_dsl.results import Outcome, Score, Unscored
from rmg_dsl.scales import Scale, Value


class Draw(NamedTuple):
    """One draw: its stage (0 the panel, 1 the escalation), the panel member's place, its number."""

    stage: int
    member: int
    number: int


SINGLE_DRAW = Draw(0, 0, 0)


def resolve_draws(
    scoring: JudgeScoring, answers: Answers, holds: ConditionCheck
) -> Outcome | Sequence[Draw]:
    """The outcome of a grader on a row, or the draws that it still needs.

    >>> from rmg_dsl.scales import Whole
    >>> panel = (ModelUse("judge", None),)
    >>> twice = JudgeScoring("", "", (), (), (), Whole(1, 5), (), panel, samples=2)
    >>> resolve_draws(twice, {}, holds=lambda *_: False)
    [Draw(stage=0, member=0, number=1), Draw(stage=0, member=0, number=2)]
    >>> both = {Draw(0, 0, 1): Score(4), Draw(0, 0, 2): Score(5)}
    >>> resolve_draws(twice, both, holds=lambda *_: False).value
    4.5
    """
    draws = _first_draws(scoring, answers)
    if missing := [draw for draw in draws if draw not in answers]:
        return missing
    votes = _votes(scoring, draws, answers)
    draw_count = len(scoring.panel) * scoring.samples
    first = pool_votes(scoring.pool, scoring.scale, votes, draw_count)
    escalation = scoring.escalation
    if escalation is None or not _is_doubtful(first, escalation, holds):
        return _as_mean_value(scoring, first)
    draws = _stage_draws(escalation.panel, 1, stage=1)
    if missing := [draw for draw in draws if draw not in answers]:
        return missing
    second_votes = _votes(scoring, draws, answers)
    return _as_mean_value(scoring, _apply_escalation(scoring, first, votes, second_votes))


def model_of_draw(scoring: JudgeScoring, draw: Draw) -> ModelUse:
    """The model that makes a draw."""
    if draw.stage == 0 or scoring.escalation is None:
        return scoring.panel[draw.member]
    return scoring.escalation.panel[draw.member]


# ── the first stage ──


def _first_draws(scoring: JudgeScoring, answers: Answers) -> Sequence[Draw]:
    draws = _stage_draws(scoring.panel, scoring.samples, stage=0)
    if not scoring.stops_early:
        return draws
    return draws[: _draws_needed(draws, answers, scoring.scale)]


def _stage_draws(panel: Sequence[ModelUse], samples: int, stage: int) -> list[Draw]:
    # Each member makes its first draw before any second one, so that an early stop is mixed.
    numbers = range(1, samples + 1) if samples > 1 else (0,)
    members = range(len(panel))
    return [Draw(stage, member, number) for number in numbers for member in members]


def _votes(scoring: JudgeScoring, draws: Sequence[Draw], answers: Answers) -> Votes:
    return [(model_of_draw(scoring, draw).label, answers[draw]) for draw in draws]


def _draws_needed(draws: Sequence[Draw], answers: Answers, scale: Scale) -> int:
    """How many draws could decide, if the open ones among them give the most decisive answers.

    The count never exceeds what the final answers need. So the order of the answers does not change
    which draws are made.
    """
    count = len(draws) // 2 + 1
    while count < len(draws) and not _could_decide(draws[:count], answers, len(draws), scale):
        count += 1
    return count


def _could_decide(
    requested: Sequence[Draw], answers: Answers, draw_count: int, scale: Scale
) -> bool:
    outcomes = [answers[draw] for draw in requested if draw in answers]
    votes = [verdict_of(outcome) for outcome in outcomes if isinstance(outcome, Score)]
    open_count = len(requested) - len(outcomes)
    failed_count = len(outcomes) - len(votes)
    # With half of the draws failed there is no score, whatever the others say.
    if (failed_count + open_count) * 2 >= draw_count:
        return True
    if (len(votes) + open_count) * 2 <= draw_count:
        return False
    later_count = draw_count - len(requested)
    # None stands for a verdict that no draw has given yet.
    leaders = dict.fromkeys([*votes, None])
    return any(_is_safe(leader, votes, open_count, later_count, scale) for leader in leaders)


def _is_safe(
    leader: Value | None, votes: Sequence[Value], open_count: int, later_count: int, scale: Scale
) -> bool:
    """Would this verdict, with all open draws, win whatever the later draws say?"""
    counts = Counter(votes)
    own = open_count
    if leader is not None:
        own += counts[leader]
    tie_winners = _tie_winners(leader, votes, scale) if not open_count else []
    rivals = [other for other in counts if other != leader]
    return own > later_count and all(
        # A rival that wins ties needs one vote less.
        own >= counts[rival] + later_count + (rival in tie_winners)
        for rival in rivals
    )


def _tie_winners(leader: Value | None, votes: Sequence[Value], scale: Scale) -> Sequence[Value]:
    """The verdicts that win a tie with the leader, the worse ones; final once no draw is open."""
    order = scale.worst_first(votes)
    return order[: order.index(leader)] if leader in order else []


def _as_mean_value(scoring: JudgeScoring, outcome: Outcome) -> Outcome:
    # A grader whose scores are means keeps one type, also where a single draw made the score.
    if scoring.pool != "mean" or not scoring.has_ballot or isinstance(outcome, Unscored):
        return outcome
    if isinstance(outcome.value, str):
        return outcome
    return replace(outcome, value=float(outcome.scalar_value))


# ── the escalation ──


def _is_doubtful(first: Outcome, escalation: Escalation, holds: ConditionCheck) -> bool:
    """Does the condition hold, or did the judges reply without a verdict?"""
    # Only a reply can escalate: an endpoint that is down must not cause calls to a more expensive
    # model.
    if isinstance(first, Unscored):
        return first.status.lacks_verdict
    ballot = first.ballot
    words = {
        "score": first.scalar_value,
        "spread": ballot.spread if ballot else None,
        "confidence": ballot.confidence if ballot else None,
    }
    return holds(escalation.condition, words)


def _apply_escalation(
    scoring: JudgeScoring, first: Outcome, votes: Votes, second_votes: Votes
) -> Outcome:
    """The outcome of the second stage. Where it has no verdict, there is no score."""
    second = pool_votes(scoring.pool, scoring.scale, second_votes, len(second_votes))
    attempts = first.attempts + second.attempts
    names = ", ".join(f"`{name}`" for name, _ in second_votes)
    prefix = f"{names}, asked after {_first_stage_text(first)}"
    if isinstance(second, Unscored):
        return replace(second, message=f"{prefix}: {second.message}", attempts=attempts)
    scores = [vote for _, vote in second_votes if isinstance(vote, Score)]
    chosen = winning_verdict(scoring.pool, scoring.scale, scores)
    reason = f"{prefix}: {second.reason}" if second.reason else prefix
    ballot = make_ballot(scoring.pool, scoring.scale, [*votes, *second_votes], chosen)
    return replace(second, reason=reason, attempts=attempts, ballot=ballot)


def _first_stage_text(first: Outcome) -> str:
    if isinstance(first, Unscored):
        return f"no verdict ({first.status})"
    text = verdict_text(first.label or first.scalar_value)
    if first.ballot is None or first.ballot.spread is None:
        return text
    return f"{text} with a spread of {verdict_text(first.ballot.spread)}"
