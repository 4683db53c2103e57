"""One score from many votes: how draws of one judge, or of a panel, are put together. Never from half of them.

- `mean`: of the numbers; with probabilities, their expectation. A bool counts as 1 or 0.
- `majority`: what was said most often, or is the most probable. A tie goes to the worst of the verdicts that are tied;
  of words without an order, to the one that was said first.
- `median`: the draw in the middle, of two in the middle the worse one: always a verdict that was given.
- `worst`: the worst draw.

A draw without a verdict is left out, and the reason says so; but more than half of the draws must have one, and for
the worst all of them, unless the worst that there is has been seen. A draw that was never made because the run was
stopped leaves no score.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

from rmg_dsl.ir.scoring import PoolMethod
from rmg_dsl.results import Ballot, Outcome, Score, Unscored
from rmg_dsl.scales import LabelOrder, Labels, Points, Real, Scale, Value, Whole, YesNo

Votes: TypeAlias = Sequence[tuple[str, Outcome]]
"""What was said, in the order of asking, each with the name of the judge that said it."""


def pool_votes(pool: PoolMethod, scale: Scale, votes: Votes, asked: int) -> Outcome:
    """One outcome from the votes; `asked` is how many draws there could have been.

    >>> pool_votes("majority", YesNo(), [("a", Score(True)), ("b", Score(False)), ("c", Score(True))], 3).value
    True
    >>> pool_votes("mean", Whole(1, 5), [("a", Score(4)), ("a", Unscored(Status.UNPARSED, "no verdict"))], 2).status
    <Status.UNPARSED: 'unparsed'>
    """
    scores = [vote for _, vote in votes if isinstance(vote, Score)]
    attempts = sum(vote.attempts for _, vote in votes)
    if not _has_quorum(pool, scale, scores, votes, asked):
        return replace(_pooled_failure(votes, asked), attempts=attempts)
    if asked == 1 and not _vote_chances(scores[0]):
        return scores[0]
    chosen = winning_verdict(pool, scale, scores)
    value = _mean_score(scores, scale) if pool == "mean" else verdict_value(chosen, scale)
    label = str(chosen) if isinstance(scale, Labels) and scale.values is not None else None
    reason = _pooling_reason(pool, scale, votes, chosen, asked)
    return Score(value, reason, label, attempts, make_ballot(pool, scale, votes, chosen))


def winning_verdict(pool: PoolMethod, scale: Scale, scores: Sequence[Score]) -> Value:
    """The verdict that the votes come to; for a mean, the one that was given most often."""
    match pool:
        case "mean" | "majority":
            weights = _verdict_weights(scores)
            most = max(weights.values())
            tied = [verdict for verdict, weight in weights.items() if math.isclose(weight, most)]
            return worst_first(scale, tied)[0]
        case "median":
            best_first = worst_first(scale, [verdict_of(score) for score in scores])[::-1]
            return best_first[len(best_first) // 2]
        case "worst":
            return worst_first(scale, [verdict_of(score) for score in scores])[0]
        case _:
            assert_never(pool)


def make_ballot(pool: PoolMethod, scale: Scale, votes: Votes, chosen: Value) -> Ballot:
    """What stands behind a verdict: how far the draws are apart, the share that chose it, and the draws."""
    scores = [vote for _, vote in votes if isinstance(vote, Score)]
    weights = _verdict_weights(scores)
    confidence = _round_to_15_digits(weights.get(chosen, 0.0) / len(scores))
    return Ballot(
        _spread(pool, scale, scores),
        confidence,
        tuple(votes),
        _vote_chances(scores[0]) if len(votes) == 1 else (),
    )


def verdict_of(score: Score) -> Value:
    """What a judge chose: the word where words have values, else the value."""
    return score.scalar_value if score.label is None else score.label


def verdict_value(verdict: Value, scale: Scale) -> Value:
    """The score that a verdict stands for."""
    return scale.value_of(str(verdict)) if isinstance(scale, Labels) else verdict


def worst_first(scale: Scale, verdicts: Iterable[Value]) -> list[Value]:
    """The verdicts with the worst first; those of words without an order stay as they came."""
    found = list(verdicts)
    if isinstance(scale, Labels) and scale.values is None:
        return found
    return sorted(found, key=lambda verdict: _verdict_number(verdict, scale), reverse=scale.lower)


def verdict_text(verdict: Value) -> str:
    """A verdict in a sentence."""
    if isinstance(verdict, bool):
        return "yes" if verdict else "no"
    return f"{verdict:.4g}" if isinstance(verdict, float) else str(verdict)


# ── counting ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _verdict_number(verdict: Value, scale: Scale) -> float:
    found = verdict_value(verdict, scale)
    assert not isinstance(found, str), "words without values are not counted with"
    return float(found)


def _vote_chances(score: Score) -> tuple[tuple[Value, float], ...]:
    return score.ballot.probabilities if score.ballot else ()


def _verdict_weights(scores: Iterable[Score]) -> dict[Value, float]:
    """For each verdict how many votes it has, in the order of their coming; a vote may be shared by chances."""
    found: Counter[Value] = Counter()
    for score in scores:
        for verdict, weight in _vote_chances(score) or ((verdict_of(score), 1.0),):
            found[verdict] += weight  # type: ignore[assignment] # a counter of floats
    return dict(found)


def _expected_value(score: Score, scale: Scale) -> float:
    return math.fsum(
        _verdict_number(verdict, scale) * weight
        for verdict, weight in _vote_chances(score) or ((verdict_of(score), 1.0),)
    )


def _mean_score(scores: Sequence[Score], scale: Scale) -> float:
    """In the 15 digits that a float holds for sure, and never outside of what was said."""
    numbers = [_expected_value(score, scale) for score in scores]
    return min(
        max(_round_to_15_digits(math.fsum(numbers) / len(numbers)), min(numbers)), max(numbers)
    )


def _spread(pool: PoolMethod, scale: Scale, scores: Sequence[Score]) -> float | None:
    if len(scores) < 2 or (isinstance(scale, Labels) and scale.values is None):
        return None
    numbers = [
        _expected_value(s, scale) if pool == "mean" else _verdict_number(verdict_of(s), scale)
        for s in scores
    ]
    return _round_to_15_digits(max(numbers) - min(numbers))


def _round_to_15_digits(number: float) -> float:
    return float(f"{number:.15g}")


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _has_quorum(
    pool: PoolMethod, scale: Scale, scores: Sequence[Score], votes: Votes, asked: int
) -> bool:
    if any(vote.status.was_stopped for _, vote in votes) or len(scores) * 2 <= asked:
        return False
    complete = len(scores) == len(votes)
    return complete or pool != "worst" or _is_worst(scale, winning_verdict(pool, scale, scores))


def _is_worst(scale: Scale, verdict: Value) -> bool:
    """Can nothing be worse than this verdict?"""
    match scale:
        case Whole(low, high, lower) | Real(low, high, lower):
            return verdict == (high if lower else low)
        case YesNo(lower):
            return verdict is lower
        case Labels(labels):
            return worst_first(scale, labels)[0] == verdict
        case Points() | LabelOrder():
            return False
        case _:
            assert_never(scale)


def _pooled_failure(votes: Votes, asked: int) -> Unscored:
    """Why there is no score: that of the only draw as it is, of several the commonest failure, the first of equals."""
    failed = [vote for _, vote in votes if isinstance(vote, Unscored)]
    stopped = next((vote for vote in failed if vote.status.was_stopped), None)
    if asked == 1 or stopped is not None:
        return stopped or failed[0]
    counts = Counter(vote.status for vote in failed)
    first = max(failed, key=lambda vote: counts[vote.status])
    message = f"{len(failed)} of {asked} draws have no verdict" + (
        f": {first.message}" if first.message else ""
    )
    return replace(first, message=message)


# ── the reason ───────────────────────────────────────────────────────────────────────────────────────────────────


def _pooling_reason(
    pool: PoolMethod, scale: Scale, votes: Votes, chosen: Value, asked: int
) -> str | None:
    """How the votes fell, then the words of the first who chose the verdict."""
    said = next(
        (v.reason for _, v in votes if isinstance(v, Score) and verdict_of(v) == chosen), None
    )
    if asked == 1:
        return votes[0][1].reason if isinstance(votes[0][1], Score) else None
    many = len({name for name, _ in votes}) > 1
    said_by = [(name, _vote_text(pool, scale, vote)) for name, vote in votes]
    tally = ", ".join(f"{name} {words}" if many else words for name, words in said_by)
    return f"{pool} of {tally}" + (f": {said}" if said else "")


def _vote_text(pool: PoolMethod, scale: Scale, vote: Outcome) -> str:
    if isinstance(vote, Unscored):
        return str(vote.status)
    return verdict_text(
        _expected_value(vote, scale) if pool == "mean" and _vote_chances(vote) else verdict_of(vote)
    )
