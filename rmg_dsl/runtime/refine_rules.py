"""The loop of `refine`: from the drafts that a row has, what comes next. Pure.

Every draft is graded, the last one too. The best one so far is what a draft has to beat; a draft that lowers a guarded
score is refused, however good it is otherwise. Feedback is always that of the latest draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rmg_dsl.results import Unscored

Ending = Literal["until", "rounds", "patience", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class LoopRules:
    """When a loop ends and which draft it returns; with `duel` a draft's worth is 1 where it beats the best so far."""

    rounds: int
    patience: int | None = None
    keep_last: bool = False
    duel: bool = False


@dataclass(frozen=True, slots=True)
class DraftGrade:
    """What a draft came to: its worth and its guarded scores, higher is better; does `until` hold; or what failed."""

    score: float = 0.0
    guard_scores: tuple[float, ...] = ()
    is_until_met: bool = False
    failure: Unscored | None = None


@dataclass(frozen=True, slots=True)
class LoopProgress:
    """Which draft is the best so far and which would be returned, the rounds since a gain, the drafts refused."""

    best_index: int = 0
    returned_index: int = 0
    rounds_without_gain: int = 0
    refused_indexes: tuple[int, ...] = ()


def compare_drafts(rules: LoopRules, grades: Sequence[DraftGrade]) -> LoopProgress:
    """How the drafts compare; of equal ones the earlier is the better.

    >>> compare_drafts(LoopRules(3), [DraftGrade(2), DraftGrade(4), DraftGrade(3)])
    LoopProgress(best_index=1, returned_index=1, rounds_without_gain=1, refused_indexes=())
    """
    best = returned = without_gain = 0
    refused: list[int] = []
    for place, grade in enumerate(grades[1:], 1):
        if grade.failure is not None:
            break
        if _lowers_guard(grade, grades[best]):
            refused.append(place)
            without_gain += 1
            continue
        gain = grade.score > (0.5 if rules.duel else grades[best].score)
        best, without_gain = (place, 0) if gain else (best, without_gain + 1)
        returned = place if rules.keep_last or gain else returned
    return LoopProgress(best, returned, without_gain, tuple(refused))


def _lowers_guard(grade: DraftGrade, best: DraftGrade) -> bool:
    return any(
        now < before for now, before in zip(grade.guard_scores, best.guard_scores, strict=True)
    )


def loop_ending(rules: LoopRules, grades: Sequence[DraftGrade]) -> Ending | None:
    """Why the loop ends with these drafts, or none where another one is to be written.

    >>> loop_ending(LoopRules(rounds=2), [DraftGrade(2), DraftGrade(3)]), loop_ending(LoopRules(rounds=2), [DraftGrade(2), DraftGrade(3), DraftGrade(3)])
    (None, 'rounds')
    """
    if grades[-1].failure is not None:
        return "failed"
    progress = compare_drafts(rules, grades)
    if grades[progress.returned_index].is_until_met:
        return "until"
    if len(grades) > rules.rounds:
        return "rounds"
    if rules.patience is not None and progress.rounds_without_gain >= rules.patience:
        return "patience"
    return None
