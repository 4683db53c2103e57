"""One score from several votes: the draws of one judge, or of a panel.

- `mean`: of the numbers; with probabilities, of their expectations. A bool counts as 1 or 0.
- `majority`: the most frequent verdict, or the most probable one. A tie goes to the worst of the
  tied verdicts; of labels without an order, to the one that came first.
- `median`: the middle draw, of two in the middle the worse one. Always the verdict of a draw.
- `worst`: the worst draw.

A draw without a verdict is left out, and the reason says so. More than half of the draws must have
a verdict. For the worst all of them must, unless one is the worst verdict that the scale offers. A
draw that was not made because the run stopped leaves no score.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

from rmg_dsl.ir.scoring import PoolMethod
from rmg_dsl.results import Ballot, Outcome, Score, Unscored
from rmg_dsl.scales import Scale, Value

Votes: TypeAlias = Sequence[tuple[str, Outcome]]
"""The outcomes of draws in the order of asking, each with the name of its judge."""


def pool_votes(pool: PoolMethod, scale: Scale, votes: Votes, draw_count: int) -> Outcome:
    """One outcome from the votes.

    >>> from rmg_dsl.results import Status
    >>> from rmg_dsl.scales import Whole, YesNo
    >>> votes = [("a", Score(True)), ("b", Score(False)), ("c", Score(True))]
    >>> pool_votes("majority", YesNo(), votes, 3).value
    True
    >>> votes = [("a", Score(4)), ("a", Unscored(Status.UNPARSED, "no verdict"))]
    >>> pool_votes("mean", Whole(1, 5), votes, 2).status
    <Status.UNPARSED: 'unparsed'>

    `draw_count` is how many draws the grader may make; a panel that stops early has fewer votes.
    """
    scores = [vote for _, vote in votes if isinstance(vote, Score)]
    attempts = sum(vote.attempts for _, vote in votes)
    if not _has_quorum(pool, scale, scores, votes, draw_count):
        return replace(_pooled_failure(votes, draw_count), attempts=attempts)
    if draw_count == 1 and not _vote_chances(scores[0]):
        return scores[0]
    chosen = winning_verdict(pool, scale, scores)
    value = _mean_score(scores, scale) if pool == "mean" else scale.value_of(chosen)
    return Score(
        value,
        _pooling_reason(pool, scale, votes, chosen, draw_count),
        scale.label_of(chosen),
        attempts,
        make_ballot(pool, scale, votes, chosen),
    )


def winning_verdict(pool: PoolMethod, scale: Scale, scores: Sequence[Score]) -> Value:
    """The verdict that the votes choose; for a mean, the most frequent one."""
    match pool:
        case "mean" | "majority":
            weights = _verdict_weights(scores)
            most = max(weights.values())
            tied = [verdict for verdict, weight in weights.items() if math.isclose(weight, most)]
            return scale.worst_first(tied)[0]
        case "median":
            best_first = scale.worst_first(verdict_of(score) for score in scores)[::-1]
            return best_first[len(best_first) // 2]
        case "worst":
            return scale.worst_first(verdict_of(score) for score in scores)[0]
        case _:
            assert_never(pool)


def make_ballot(pool: PoolMethod, scale: Scale, votes: Votes, chosen: Value) -> Ballot:
    """The evidence for a verdict: the spread, the share of draws that chose it, and the draws."""
    scores = [vote for _, vote in votes if isinstance(vote, Score)]
    weights = _verdict_weights(scores)
    chances = _vote_chances(scores[0]) if len(votes) == 1 else ()
    confidence: float | None = None
    # A single verdict without probabilities agrees with nothing: that is no confidence of 1.
    if len(scores) > 1 or _vote_chances(scores[0]):
        confidence = _round_to_15_digits(weights.get(chosen, 0.0) / len(scores))
    return Ballot(_spread(pool, scale, scores), confidence, tuple(votes), chances)


def verdict_of(score: Score) -> Value:
    """The verdict behind a score: the label where labels have values, else the value."""
    return score.scalar_value if score.label is None else score.label


def verdict_text(verdict: Value) -> str:
    """A verdict in a sentence.

    >>> verdict_text(True), verdict_text(0.123456), verdict_text("good")
    ('yes', '0.1235', 'good')
    """
    if isinstance(verdict, bool):
        return "yes" if verdict else "no"
    return f"{verdict:.4g}" if isinstance(verdict, float) else str(verdict)


# ── weights and numbers ──


def _vote_chances(score: Score) -> tuple[tuple[Value, float], ...]:
    return score.ballot.probabilities if score.ballot else ()


def _weighted_verdicts(score: Score) -> tuple[tuple[Value, float], ...]:
    """The verdicts of a vote with their weights, which add up to 1."""
    return _vote_chances(score) or ((verdict_of(score), 1.0),)


def _verdict_weights(scores: Iterable[Score]) -> dict[Value, float]:
    """The total weight of each verdict, in the order in which the verdicts came."""
    weights: defaultdict[Value, float] = defaultdict(float)
    for score in scores:
        for verdict, weight in _weighted_verdicts(score):
            weights[verdict] += weight
    return dict(weights)


def _expected_value(score: Score, scale: Scale) -> float:
    verdicts = _weighted_verdicts(score)
    return math.fsum(scale.number_of(verdict) * weight for verdict, weight in verdicts)


def _mean_score(scores: Sequence[Score], scale: Scale) -> float:
    numbers = [_expected_value(score, scale) for score in scores]
    mean = _round_to_15_digits(math.fsum(numbers) / len(numbers))
    # Rounding must not move the mean outside of the draws.
    return min(max(mean, min(numbers)), max(numbers))


def _spread(pool: PoolMethod, scale: Scale, scores: Sequence[Score]) -> float | None:
    if len(scores) < 2 or not scale.has_order:
        return None
    if pool == "mean":
        numbers = [_expected_value(score, scale) for score in scores]
    else:
        numbers = [scale.number_of(verdict_of(score)) for score in scores]
    return _round_to_15_digits(max(numbers) - min(numbers))


def _round_to_15_digits(number: float) -> float:
    # A float holds 15 digits for sure. More of them would differ by the order of the sum.
    return float(f"{number:.15g}")


# ── failures ──


def _has_quorum(
    pool: PoolMethod, scale: Scale, scores: Sequence[Score], votes: Votes, draw_count: int
) -> bool:
    if any(vote.status.was_stopped for _, vote in votes):
        return False
    if len(scores) * 2 <= draw_count:
        return False
    if pool != "worst" or len(scores) == len(votes):
        return True
    # A missing draw cannot be worse than the worst verdict that the scale offers.
    return winning_verdict(pool, scale, scores) == scale.worst


def _pooled_failure(votes: Votes, draw_count: int) -> Unscored:
    """Why there is no score: the most frequent failure, of equally frequent ones the first."""
    failures = [vote for _, vote in votes if isinstance(vote, Unscored)]
    stopped = next((vote for vote in failures if vote.status.was_stopped), None)
    if draw_count == 1 or stopped is not None:
        return stopped or failures[0]
    counts = Counter(vote.status for vote in failures)
    first = max(failures, key=lambda vote: counts[vote.status])
    message = f"{len(failures)} of {draw_count} draws have no verdict"
    if first.message:
        message += f": {first.message}"
    return replace(first, message=message)


# ── the reason ──


def _pooling_reason(
    pool: PoolMethod, scale: Scale, votes: Votes, chosen: Value, draw_count: int
) -> str | None:
    """The vote of each draw, then the reason of the first one that chose the verdict."""
    scores = [vote for _, vote in votes if isinstance(vote, Score)]
    if draw_count == 1:
        return scores[0].reason
    # Names are shown only where they tell the draws apart.
    has_names = len({name for name, _ in votes}) > 1
    texts = [(name, _vote_text(pool, scale, vote)) for name, vote in votes]
    tally = ", ".join(f"{name} {text}" if has_names else text for name, text in texts)
    reason = next((score.reason for score in scores if verdict_of(score) == chosen), None)
    return f"{pool} of {tally}" + (f": {reason}" if reason else "")


def _vote_text(pool: PoolMethod, scale: Scale, vote: Outcome) -> str:
    if isinstance(vote, Unscored):
        return str(vote.status)
    if pool == "mean" and _vote_chances(vote):
        return verdict_text(_expected_value(vote, scale))
    return verdict_text(verdict_of(vote))
