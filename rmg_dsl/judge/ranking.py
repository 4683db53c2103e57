"""An order of candidates by judges: one question about all of them, or comparisons of two until they are ranked.

What is asked next may depend on the answers, but never on which of them came first: each step says all that it can
use, and is done when nothing that it still wants can be had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rmg_dsl.ir.scoring import ListwiseRanking, ModelUse
from rmg_dsl.judge.pairwise import PairAsker
from rmg_dsl.judge.prompt_layout import QuestionTemplates, build_messages, fence_notice, material_of
from rmg_dsl.judge.protocol import EnquiryKey
from rmg_dsl.judge.questions import reply_form, verdict_form
from rmg_dsl.judge.rank_math import (
    Pair,
    PairwiseRanker,
    label_of,
    ranks_in,
    ranks_of,
    shuffle_order,
)
from rmg_dsl.messages import Question
from rmg_dsl.prompts.sandbox import MAX_RENDERED_CHARS
from rmg_dsl.prompts.template import TemplateTooBig, fence_value
from rmg_dsl.results import Outcome, Score, Unscored
from rmg_dsl.scales import LabelOrder


class GroupRanking(NamedTuple):
    """The rank of each candidate; `said` is what the judge said of all, `letters` are those that it knew them by."""

    ranks: tuple[int, ...]
    judge_reason: str | None = None
    letters: tuple[str, ...] = ()
    attempts: int = 0

    def reason(self, place: int | None = None) -> str | None:
        """What was said, with the letter of one candidate or of all: without it nobody knows who is meant."""
        shown = self.letters if place is None else self.letters[place : place + 1]
        return f"shown as {', '.join(shown)}: {self.judge_reason}" if self.judge_reason else None


# ── by a score ───────────────────────────────────────────────────────────────────────────────────────────────────


def ranking_from_scores(scores: Sequence[float], *, lower: bool) -> GroupRanking:
    """A standing by scores that are there: nobody is asked."""
    return GroupRanking(ranks_of(scores, lower=lower))


# ── one question about all ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class ListwiseSession:
    """All candidates in one question, each under a letter, in an order drawn by `seed`.

    A session of a group: `wanted` are the enquiries that can be made now and have no answer yet, `take` hands an answer
    back, and where nothing is wanted there is an `outcome`.
    """

    grader: str
    method: ListwiseRanking
    candidates: Sequence[Any]
    values: Mapping[str, Any]
    seed: str
    answer: Outcome | None = None

    def pending_keys(self) -> Sequence[EnquiryKey]:
        return [] if self.answer is not None or len(self.candidates) == 1 else [(0,)]

    def question(self, key: EnquiryKey) -> Question:  # noqa: ARG002 # there is only one
        listed = {
            label_of(place): self.candidates[index]
            for place, index in enumerate(self._display_order())
        }
        # Names with a blank: no template can read one candidate by itself.
        values = {**self.values, **{f"candidate {label}": text for label, text in listed.items()}}
        scale = LabelOrder(tuple(listed))
        wording = QuestionTemplates(
            self.method.system, self.method.prompt, self.method.constants, frozenset(self.values)
        )
        messages = build_messages(
            wording, values, _ListwiseRules(scale), lambda tag: _candidate_list(listed, tag)
        )
        return Question(self.grader, scale, messages, material_of(values))

    def model_for(self, key: EnquiryKey) -> tuple[ModelUse, int]:  # noqa: ARG002 # there is only one
        return self.method.judge, 0

    def add_answer(self, key: EnquiryKey, answer: Outcome) -> None:  # noqa: ARG002 # there is only one
        self.answer = answer

    def outcome(self) -> GroupRanking | Unscored:
        if len(self.candidates) == 1:
            return ranking_from_scores([0], lower=False)
        assert self.answer is not None
        if isinstance(self.answer, Unscored):
            return self.answer
        shown = self._display_order()
        letters = tuple(label_of(shown.index(index)) for index in range(len(shown)))
        ranks = ranks_in(LabelOrder.labels_in(str(self.answer.value)), shown)
        return GroupRanking(ranks, self.answer.reason, letters, self.answer.attempts)

    def _display_order(self) -> tuple[int, ...]:
        return shuffle_order(len(self.candidates), self.seed)


def _candidate_list(candidates: Mapping[str, Any], tag: str) -> str:
    shown = "\n\n".join(
        f"{label}: {fence_value(candidate, tag)}" for label, candidate in candidates.items()
    )
    if len(shown) > MAX_RENDERED_CHARS:
        raise TemplateTooBig
    return shown


@dataclass(frozen=True, slots=True)
class _ListwiseRules:
    """What is said before the question: the same for all groups of one size."""

    scale: LabelOrder

    def __call__(self, tag: str) -> str:
        return "\n\n".join(
            [
                fence_notice(tag),
                "Below the question stand candidates, each after its letter. They are in no order: their places and "
                "letters say nothing about them. Put them into an order, the best first.",
                verdict_form(self.scale),
                reply_form(self.scale),
            ]
        )


# ── comparisons of two ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class PairwiseSession:
    """Candidates compared two at a time; a comparison without a verdict leaves the group without a standing."""

    asker: PairAsker
    candidates: Sequence[Any]
    values: Mapping[str, Any]
    ranker: PairwiseRanker = field(init=False)
    answers: dict[Pair, dict[EnquiryKey, Outcome]] = field(default_factory=dict)
    failures: dict[Pair, Unscored] = field(default_factory=dict)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.ranker = PairwiseRanker(len(self.candidates))

    def pending_keys(self) -> Sequence[EnquiryKey]:
        return [
            key
            for pair in self.ranker.pending_pairs()
            if pair not in self.failures
            for key in self._pending_in(pair)
        ]

    def _pending_in(self, pair: Pair) -> Sequence[EnquiryKey]:
        found = self.asker.resolve(self.answers.get(pair, {}), _no_condition)
        assert not isinstance(found, Score | Unscored)
        return [(*pair, *key) for key in found]

    def question(self, key: EnquiryKey) -> Question:
        one, other, *turn = key
        sides = {"a": self.candidates[one], "b": self.candidates[other]}
        return self.asker.question(tuple(turn), {**self.values, **sides})

    def model_for(self, key: EnquiryKey) -> tuple[ModelUse, int]:
        return self.asker.model_for(key[2:])

    def add_answer(self, key: EnquiryKey, answer: Outcome) -> None:
        pair = (key[0], key[1])
        answers = self.answers.setdefault(pair, {})
        answers[key[2:]] = answer
        self.attempts += answer.attempts
        found = self.asker.resolve(answers, _no_condition)
        if isinstance(found, Score):
            self.ranker.results[pair] = float(found.scalar_value)
        elif isinstance(found, Unscored):
            self.failures[pair] = found

    def outcome(self) -> GroupRanking | Unscored:
        if self.failures:
            return self.failures[min(self.failures)]
        return GroupRanking(self.ranker.ranks(), attempts=self.attempts)


def _no_condition(*_: object) -> bool:
    """A comparison has no condition of the row's."""
    return False
