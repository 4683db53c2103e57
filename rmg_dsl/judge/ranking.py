"""An order of candidates by judges: one question about all of them, or comparisons of two until they are ranked.

What is asked next may depend on the answers, but never on which of them came first: each step says all that it can
use, and is done when nothing that it still wants can be had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rmg_dsl.ir.scoring import ByJudge, ModelUse
from rmg_dsl.judge.pairwise import PairAsker
from rmg_dsl.judge.prompt_layout import Wording, fenced_off, material_of, worded
from rmg_dsl.judge.protocol import Key
from rmg_dsl.judge.questions import reply_form, wanted
from rmg_dsl.judge.rank_math import Contest, Pair, label_of, ranks_in, ranks_of, shuffled
from rmg_dsl.messages import Question
from rmg_dsl.prompts.sandbox import MAX_RENDERED
from rmg_dsl.prompts.template import TemplateTooBig, fenced
from rmg_dsl.results import Outcome, Score, Unscored
from rmg_dsl.scales import Order


class Standing(NamedTuple):
    """The rank of each candidate; `said` is what the judge said of all, `letters` are those that it knew them by."""

    ranks: tuple[int, ...]
    said: str | None = None
    letters: tuple[str, ...] = ()
    attempts: int = 0

    def reason(self, place: int | None = None) -> str | None:
        """What was said, with the letter of one candidate or of all: without it nobody knows who is meant."""
        shown = self.letters if place is None else self.letters[place : place + 1]
        return f"shown as {', '.join(shown)}: {self.said}" if self.said else None


# ── by a score ───────────────────────────────────────────────────────────────────────────────────────────────────


def standing_of(scores: Sequence[float], *, lower: bool) -> Standing:
    """A standing by scores that are there: nobody is asked."""
    return Standing(ranks_of(scores, lower=lower))


# ── one question about all ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Listing:
    """All candidates in one question, each under a letter, in an order drawn by `seed`.

    A session of a group: `wanted` are the enquiries that can be made now and have no answer yet, `take` hands an answer
    back, and where nothing is wanted there is an `outcome`.
    """

    grader: str
    by: ByJudge
    candidates: Sequence[Any]
    values: Mapping[str, Any]
    seed: str
    answer: Outcome | None = None

    def wanted(self) -> Sequence[Key]:
        return [] if self.answer is not None or len(self.candidates) == 1 else [(0,)]

    def question(self, key: Key) -> Question:  # noqa: ARG002 # there is only one
        listed = {
            label_of(place): self.candidates[index] for place, index in enumerate(self._shown())
        }
        # Names with a blank: no template can read one candidate by itself.
        values = {**self.values, **{f"candidate {label}": text for label, text in listed.items()}}
        scale = Order(tuple(listed))
        wording = Wording(self.by.system, self.by.prompt, self.by.constants, frozenset(self.values))
        messages = worded(wording, values, _Rules(scale), lambda tag: _list(listed, tag))
        return Question(self.grader, scale, messages, material_of(values))

    def whom(self, key: Key) -> tuple[ModelUse, int]:  # noqa: ARG002 # there is only one
        return self.by.judge, 0

    def take(self, key: Key, answer: Outcome) -> None:  # noqa: ARG002 # there is only one
        self.answer = answer

    def outcome(self) -> Standing | Unscored:
        if len(self.candidates) == 1:
            return standing_of([0], lower=False)
        assert self.answer is not None
        if isinstance(self.answer, Unscored):
            return self.answer
        shown = self._shown()
        letters = tuple(label_of(shown.index(index)) for index in range(len(shown)))
        ranks = ranks_in(Order.labels_in(str(self.answer.value)), shown)
        return Standing(ranks, self.answer.reason, letters, self.answer.attempts)

    def _shown(self) -> tuple[int, ...]:
        return shuffled(len(self.candidates), self.seed)


def _list(candidates: Mapping[str, Any], tag: str) -> str:
    shown = "\n\n".join(
        f"{label}: {fenced(candidate, tag)}" for label, candidate in candidates.items()
    )
    if len(shown) > MAX_RENDERED:
        raise TemplateTooBig
    return shown


@dataclass(frozen=True, slots=True)
class _Rules:
    """What is said before the question: the same for all groups of one size."""

    scale: Order

    def __call__(self, tag: str) -> str:
        return "\n\n".join(
            [
                fenced_off(tag),
                "Below the question stand candidates, each after its letter. They are in no order: their places and "
                "letters say nothing about them. Put them into an order, the best first.",
                wanted(self.scale),
                reply_form(self.scale),
            ]
        )


# ── comparisons of two ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Tournament:
    """Candidates compared two at a time; a comparison without a verdict leaves the group without a standing."""

    asker: PairAsker
    candidates: Sequence[Any]
    values: Mapping[str, Any]
    contest: Contest = field(init=False)
    answers: dict[Pair, dict[Key, Outcome]] = field(default_factory=dict)
    failed: dict[Pair, Unscored] = field(default_factory=dict)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.contest = Contest(len(self.candidates))

    def wanted(self) -> Sequence[Key]:
        return [
            key
            for pair in self.contest.wanted()
            if pair not in self.failed
            for key in self._open(pair)
        ]

    def _open(self, pair: Pair) -> Sequence[Key]:
        found = self.asker.deliberate(self.answers.get(pair, {}), _never)
        assert not isinstance(found, Score | Unscored)
        return [(*pair, *key) for key in found]

    def question(self, key: Key) -> Question:
        one, other, *turn = key
        sides = {"a": self.candidates[one], "b": self.candidates[other]}
        return self.asker.question(tuple(turn), {**self.values, **sides})

    def whom(self, key: Key) -> tuple[ModelUse, int]:
        return self.asker.whom(key[2:])

    def take(self, key: Key, answer: Outcome) -> None:
        pair = (key[0], key[1])
        answers = self.answers.setdefault(pair, {})
        answers[key[2:]] = answer
        self.attempts += answer.attempts
        found = self.asker.deliberate(answers, _never)
        if isinstance(found, Score):
            self.contest.results[pair] = float(found.single)
        elif isinstance(found, Unscored):
            self.failed[pair] = found

    def outcome(self) -> Standing | Unscored:
        if self.failed:
            return self.failed[min(self.failed)]
        return Standing(self.contest.ranks(), attempts=self.attempts)


def _never(*_: object) -> bool:
    """A comparison has no condition of the row's."""
    return False
