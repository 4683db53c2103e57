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
class Rules:
    """When a loop ends and which draft it returns; with `duel` a draft's worth is 1 where it beats the best so far."""

    rounds: int
    patience: int | None = None
    keep_last: bool = False
    duel: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """What a draft came to: its worth and its guarded scores, higher is better; does `until` hold; or what failed."""

    worth: float = 0.0
    guards: tuple[float, ...] = ()
    enough: bool = False
    failure: Unscored | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Which draft is the best so far and which would be returned, the rounds since a gain, the drafts refused."""

    best: int = 0
    kept: int = 0
    idle: int = 0
    refused: tuple[int, ...] = ()


def standing(rules: Rules, marks: Sequence[Mark]) -> Standing:
    """How the drafts compare; of equal ones the earlier is the better.

    >>> standing(Rules(3), [Mark(2), Mark(4), Mark(3)])
    Standing(best=1, kept=1, idle=1, refused=())
    """
    best = kept = idle = 0
    refused: list[int] = []
    for place, mark in enumerate(marks[1:], 1):
        if mark.failure is not None:
            break
        if _lowers(mark, marks[best]):
            refused.append(place)
            idle += 1
            continue
        gain = mark.worth > (0.5 if rules.duel else marks[best].worth)
        best, idle = (place, 0) if gain else (best, idle + 1)
        kept = place if rules.keep_last or gain else kept
    return Standing(best, kept, idle, tuple(refused))


def _lowers(mark: Mark, best: Mark) -> bool:
    return any(now < before for now, before in zip(mark.guards, best.guards, strict=True))


def ending(rules: Rules, marks: Sequence[Mark]) -> Ending | None:
    """Why the loop ends with these drafts, or none where another one is to be written.

    >>> ending(Rules(rounds=2), [Mark(2), Mark(3)]), ending(Rules(rounds=2), [Mark(2), Mark(3), Mark(3)])
    (None, 'rounds')
    """
    if marks[-1].failure is not None:
        return "failed"
    now = standing(rules, marks)
    if marks[now.kept].enough:
        return "until"
    if len(marks) > rules.rounds:
        return "rounds"
    if rules.patience is not None and now.idle >= rules.patience:
        return "patience"
    return None
