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

from rmg_dsl.ir.scoring import Pool
from rmg_dsl.results import Ballot, Outcome, Score, Status, Unscored
from rmg_dsl.scales import Labels, Order, Points, Real, Scale, Value, Whole, YesNo

Votes: TypeAlias = Sequence[tuple[str, Outcome]]
"""What was said, in the order of asking, each with the name of the judge that said it."""

_STOPPED = (Status.OVER_BUDGET, Status.CANCELLED)


def pooled(pool: Pool, scale: Scale, votes: Votes, asked: int) -> Outcome:
    """One outcome from the votes; `asked` is how many draws there could have been.

    >>> pooled("majority", YesNo(), [("a", Score(True)), ("b", Score(False)), ("c", Score(True))], 3).value
    True
    >>> pooled("mean", Whole(1, 5), [("a", Score(4)), ("a", Unscored(Status.UNPARSED, "no verdict"))], 2).status
    <Status.UNPARSED: 'unparsed'>
    """
    scores = [vote for _, vote in votes if isinstance(vote, Score)]
    attempts = sum(vote.attempts for _, vote in votes)
    if not _is_enough(pool, scale, scores, votes, asked):
        return replace(_why_none(votes, asked), attempts=attempts)
    if asked == 1 and not _chances(scores[0]):
        return scores[0]
    chosen = chosen_of(pool, scale, scores)
    value = _mean(scores, scale) if pool == "mean" else worth(chosen, scale)
    label = str(chosen) if isinstance(scale, Labels) and scale.values is not None else None
    reason = _reason(pool, scale, votes, chosen, asked)
    return Score(value, reason, label, attempts, ballot_of(pool, scale, votes, chosen))


def chosen_of(pool: Pool, scale: Scale, scores: Sequence[Score]) -> Value:
    """The verdict that the votes come to; for a mean, the one that was given most often."""
    match pool:
        case "mean" | "majority":
            weights = _weights(scores)
            most = max(weights.values())
            tied = [verdict for verdict, weight in weights.items() if math.isclose(weight, most)]
            return ranked(scale, tied)[0]
        case "median":
            best_first = ranked(scale, [verdict_of(score) for score in scores])[::-1]
            return best_first[len(best_first) // 2]
        case "worst":
            return ranked(scale, [verdict_of(score) for score in scores])[0]
        case _:
            assert_never(pool)


def ballot_of(pool: Pool, scale: Scale, votes: Votes, chosen: Value) -> Ballot:
    """What stands behind a verdict: how far the draws are apart, the share that chose it, and the draws."""
    scores = [vote for _, vote in votes if isinstance(vote, Score)]
    weights = _weights(scores)
    confidence = _rounded(weights.get(chosen, 0.0) / len(scores))
    return Ballot(
        _spread(pool, scale, scores),
        confidence,
        tuple(votes),
        _chances(scores[0]) if len(votes) == 1 else (),
    )


def verdict_of(score: Score) -> Value:
    """What a judge chose: the word where words have values, else the value."""
    return score.single if score.label is None else score.label


def worth(verdict: Value, scale: Scale) -> Value:
    """The score that a verdict stands for."""
    return scale.value_of(str(verdict)) if isinstance(scale, Labels) else verdict


def ranked(scale: Scale, verdicts: Iterable[Value]) -> list[Value]:
    """The verdicts with the worst first; those of words without an order stay as they came."""
    found = list(verdicts)
    if isinstance(scale, Labels) and scale.values is None:
        return found
    return sorted(found, key=lambda verdict: _number(verdict, scale), reverse=scale.lower)


def shown(verdict: Value) -> str:
    """A verdict in a sentence."""
    if isinstance(verdict, bool):
        return "yes" if verdict else "no"
    return f"{verdict:.4g}" if isinstance(verdict, float) else str(verdict)


# ── counting ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _number(verdict: Value, scale: Scale) -> float:
    found = worth(verdict, scale)
    assert not isinstance(found, str), "words without values are not counted with"
    return float(found)


def _chances(score: Score) -> tuple[tuple[Value, float], ...]:
    return score.ballot.chances if score.ballot else ()


def _weights(scores: Iterable[Score]) -> dict[Value, float]:
    """For each verdict how many votes it has, in the order of their coming; a vote may be shared by chances."""
    found: Counter[Value] = Counter()
    for score in scores:
        for verdict, weight in _chances(score) or ((verdict_of(score), 1.0),):
            found[verdict] += weight  # type: ignore[assignment] # a counter of floats
    return dict(found)


def _expected(score: Score, scale: Scale) -> float:
    return math.fsum(
        _number(verdict, scale) * weight
        for verdict, weight in _chances(score) or ((verdict_of(score), 1.0),)
    )


def _mean(scores: Sequence[Score], scale: Scale) -> float:
    """In the 15 digits that a float holds for sure, and never outside of what was said."""
    numbers = [_expected(score, scale) for score in scores]
    return min(max(_rounded(math.fsum(numbers) / len(numbers)), min(numbers)), max(numbers))


def _spread(pool: Pool, scale: Scale, scores: Sequence[Score]) -> float | None:
    if len(scores) < 2 or (isinstance(scale, Labels) and scale.values is None):
        return None
    numbers = [
        _expected(s, scale) if pool == "mean" else _number(verdict_of(s), scale) for s in scores
    ]
    return _rounded(max(numbers) - min(numbers))


def _rounded(number: float) -> float:
    return float(f"{number:.15g}")


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_enough(pool: Pool, scale: Scale, scores: Sequence[Score], votes: Votes, asked: int) -> bool:
    if any(vote.status in _STOPPED for _, vote in votes) or len(scores) * 2 <= asked:
        return False
    complete = len(scores) == len(votes)
    return complete or pool != "worst" or _is_worst(scale, chosen_of(pool, scale, scores))


def _is_worst(scale: Scale, verdict: Value) -> bool:
    """Can nothing be worse than this verdict?"""
    match scale:
        case Whole(low, high, lower) | Real(low, high, lower):
            return verdict == (high if lower else low)
        case YesNo(lower):
            return verdict is lower
        case Labels(labels):
            return ranked(scale, labels)[0] == verdict
        case Points() | Order():
            return False
        case _:
            assert_never(scale)


def _why_none(votes: Votes, asked: int) -> Unscored:
    """Why there is no score: that of the only draw as it is, of several the commonest failure, the first of equals."""
    failed = [vote for _, vote in votes if isinstance(vote, Unscored)]
    stopped = next((vote for vote in failed if vote.status in _STOPPED), None)
    if asked == 1 or stopped is not None:
        return stopped or failed[0]
    counts = Counter(vote.status for vote in failed)
    first = max(failed, key=lambda vote: counts[vote.status])
    message = f"{len(failed)} of {asked} draws have no verdict" + (
        f": {first.message}" if first.message else ""
    )
    return replace(first, message=message)


# ── the reason ───────────────────────────────────────────────────────────────────────────────────────────────────


def _reason(pool: Pool, scale: Scale, votes: Votes, chosen: Value, asked: int) -> str | None:
    """How the votes fell, then the words of the first who chose the verdict."""
    said = next(
        (v.reason for _, v in votes if isinstance(v, Score) and verdict_of(v) == chosen), None
    )
    if asked == 1:
        return votes[0][1].reason if isinstance(votes[0][1], Score) else None
    many = len({name for name, _ in votes}) > 1
    said_by = [(name, _said(pool, scale, vote)) for name, vote in votes]
    tally = ", ".join(f"{name} {words}" if many else words for name, words in said_by)
    return f"{pool} of {tally}" + (f": {said}" if said else "")


def _said(pool: Pool, scale: Scale, vote: Outcome) -> str:
    if isinstance(vote, Unscored):
        return str(vote.status)
    return shown(_expected(vote, scale) if pool == "mean" and _chances(vote) else verdict_of(vote))
