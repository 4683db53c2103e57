"""The rules of the `refine` loop: from the grades of the drafts, which is best and what comes next.

Every draft is graded, the last one too. A draft must beat the best one so far. A draft that lowers
the score of a guard is refused, whatever its own score. All functions are pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rmg_dsl.results import Unscored

Ending = Literal["until", "rounds", "patience", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class LoopRules:
    """When a loop ends and which draft it returns.

    With `duel` the score of a draft says how it compares with the best draft before it: 1 where it
    is better, 0.5 where neither is, 0 where it is worse.
    """

    rounds: int
    patience: int | None = None
    keep_last: bool = False
    duel: bool = False


@dataclass(frozen=True, slots=True)
class DraftGrade:
    """The grade of a draft: its score, the guard scores, and does `until` hold; or a failure.

    Higher is better in all of these scores.
    """

    score: float = 0.0
    guard_scores: tuple[float, ...] = ()
    is_until_met: bool = False
    failure: Unscored | None = None


@dataclass(frozen=True, slots=True)
class LoopProgress:
    """The best draft so far, the draft to return, the rounds since a gain, the refused drafts."""

    best_index: int = 0
    returned_index: int = 0
    rounds_without_gain: int = 0
    refused_indexes: tuple[int, ...] = ()


def compare_drafts(rules: LoopRules, grades: Sequence[DraftGrade]) -> LoopProgress:
    """Compare the drafts in their order; of equal ones the earlier is the better.

    >>> compare_drafts(LoopRules(3), [DraftGrade(2), DraftGrade(4), DraftGrade(3)])
    LoopProgress(best_index=1, returned_index=1, rounds_without_gain=1, refused_indexes=())
    """
    best = returned = without_gain = 0
    refused: list[int] = []
    for place, grade in enumerate(grades[1:], 1):
        # A failure ends the loop, so that no grade follows it.
        if grade.failure is not None:
            break
        if _lowers_guard(grade, grades[best]):
            refused.append(place)
            without_gain += 1
            continue
        score_to_beat = 0.5 if rules.duel else grades[best].score
        gain = grade.score > score_to_beat
        without_gain += 1
        if gain:
            best, without_gain = place, 0
        if gain or rules.keep_last:
            returned = place
    return LoopProgress(best, returned, without_gain, tuple(refused))


def _lowers_guard(grade: DraftGrade, best: DraftGrade) -> bool:
    return any(
        now < before for now, before in zip(grade.guard_scores, best.guard_scores, strict=True)
    )


def loop_ending(rules: LoopRules, grades: Sequence[DraftGrade]) -> Ending | None:
    """Why the loop ends after these drafts; None where another one is to be written.

    >>> rules = LoopRules(rounds=2)
    >>> loop_ending(rules, [DraftGrade(2), DraftGrade(3)])
    >>> loop_ending(rules, [DraftGrade(2), DraftGrade(3), DraftGrade(3)])
    'rounds'
    """
    if grades[-1].failure is not None:
        return "failed"
    progress = compare_drafts(rules, grades)
    if grades[progress.returned_index].is_until_met:
        return "until"
    # The first grade is that of the text before the first round.
    if len(grades) > rules.rounds:
        return "rounds"
    if rules.patience is not None and progress.rounds_without_gain >= rules.patience:
        return "patience"
    return None
