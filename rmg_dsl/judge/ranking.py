"""The ranking of a group by judges: one question about all candidates, or comparisons of two.

The next question may depend on the answers, but never on their order: a session offers every
question that it can use now, and is done when none is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rmg_dsl.ir.scoring import ListwiseRanking, ModelUse
from rmg_dsl.judge.pairwise import PairAsker
from rmg_dsl.judge.prompt_layout import QuestionTemplates, build_messages, fence_notice, material_of
from rmg_dsl.judge.protocol import EnquiryKey
from rmg_dsl.judge.rank_math import (
    Pair,
    PairwiseRanker,
    label_of,
    ranks_in,
    ranks_of,
    shuffle_order,
)
from rmg_dsl.messages import Question
from rmg_dsl.prompts.sandbox import MAX_RENDERED_CHARS, prompt_size_text
from rmg_dsl.prompts.template import TemplateTooBig, fence_value
from rmg_dsl.results import Outcome, Score, Unscored
from rmg_dsl.scales.label_order import LabelOrder


class GroupRanking(NamedTuple):
    """The rank of each candidate, the judge's reason, and the letters that it saw."""

    ranks: tuple[int, ...]
    judge_reason: str | None = None
    letters: tuple[str, ...] = ()
    attempts: int = 0

    def reason(self, place: int | None = None) -> str | None:
        """The judge's reason, with the letter of the candidate at `place`, or with all letters.

        >>> GroupRanking((2, 1), "B is shorter", ("A", "B")).reason(1)
        'shown as B: B is shorter'
        """
        if not self.judge_reason:
            return None
        # The reason speaks of letters, so it needs the key to them.
        shown = self.letters if place is None else self.letters[place : place + 1]
        return f"shown as {', '.join(shown)}: {self.judge_reason}"


# ── by a score ──


def ranking_from_scores(scores: Sequence[float], *, lower: bool) -> GroupRanking:
    """The ranking by scores that the rows have; it needs no judge."""
    return GroupRanking(ranks_of(scores, lower=lower))


# ── one question about all ──


@dataclass(slots=True)
class ListwiseSession:
    """All candidates of a group in one question, each under a letter, in an order made from `seed`.

    `pending_keys` are the enquiries without an answer, `add_answer` takes an answer, and where
    nothing is pending there is an `outcome`.
    """

    grader: str
    method: ListwiseRanking
    candidates: Sequence[object]
    values: Mapping[str, object]
    seed: str
    answer: Outcome | None = None

    def pending_keys(self) -> Sequence[EnquiryKey]:
        if self.answer is not None or len(self.candidates) == 1:
            return []
        return [(0,)]

    def question(self, key: EnquiryKey) -> Question:
        order = self._display_order()
        shown = {label_of(place): self.candidates[index] for place, index in enumerate(order)}
        # The names have a blank, so that no template can read a single candidate.
        named = {f"candidate {label}": candidate for label, candidate in shown.items()}
        values = {**self.values, **named}
        scale = LabelOrder(tuple(shown))
        messages = build_messages(
            self._templates(),
            values,
            _ListwiseRules(scale),
            lambda tag: _candidate_list(shown, tag),
        )
        return Question(self.grader, scale, messages, material_of(values))

    def _templates(self) -> QuestionTemplates:
        method = self.method
        names = frozenset(self.values)
        return QuestionTemplates(method.system, method.prompt, method.constants, names)

    def model_for(self, key: EnquiryKey) -> tuple[ModelUse, int]:
        return self.method.judge, 0

    def add_answer(self, key: EnquiryKey, answer: Outcome) -> None:
        self.answer = answer

    def outcome(self) -> GroupRanking | Unscored:
        if len(self.candidates) == 1:
            return ranking_from_scores([0], lower=False)
        assert self.answer is not None
        if isinstance(self.answer, Unscored):
            return self.answer
        shown = self._display_order()
        places = [shown.index(candidate) for candidate in range(len(shown))]
        letters = tuple(label_of(place) for place in places)
        ranks = ranks_in(LabelOrder.labels_in(str(self.answer.value)), shown)
        return GroupRanking(ranks, self.answer.reason, letters, self.answer.attempts)

    def _display_order(self) -> tuple[int, ...]:
        return shuffle_order(len(self.candidates), self.seed)


def _candidate_list(candidates: Mapping[str, object], tag: str) -> str:
    parts = [f"{label}: {fence_value(candidate, tag)}" for label, candidate in candidates.items()]
    text = "\n\n".join(parts)
    if len(text) > MAX_RENDERED_CHARS:
        raise TemplateTooBig(prompt_size_text())
    return text


@dataclass(frozen=True, slots=True)
class _ListwiseRules:
    """The fixed part of the system message, equal for all groups of one size."""

    scale: LabelOrder

    def __call__(self, tag: str) -> str:
        parts = [
            fence_notice(tag),
            "Below the question stand candidates, each after its letter. They are in no order: "
            "their places and letters say nothing about them. "
            "Put them into an order, the best first.",
            self.scale.verdict_instruction,
            self.scale.reply_instruction,
        ]
        return "\n\n".join(parts)


# ── comparisons of two ──


@dataclass(slots=True)
class PairwiseSession:
    """The candidates of a group, compared two at a time.

    A comparison without a verdict leaves the group without a ranking. The methods are those of
    `ListwiseSession`.
    """

    asker: PairAsker
    candidates: Sequence[object]
    values: Mapping[str, object]
    ranker: PairwiseRanker = field(init=False)
    answers: dict[Pair, dict[EnquiryKey, Outcome]] = field(default_factory=dict)
    failures: dict[Pair, Unscored] = field(default_factory=dict)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.ranker = PairwiseRanker(len(self.candidates))

    def pending_keys(self) -> Sequence[EnquiryKey]:
        self._tie_equals()
        # A failure does not end the others: which ones run must not depend on the order of answers.
        pairs = [pair for pair in self.ranker.pending_pairs() if pair not in self.failures]
        return [key for pair in pairs for key in self._pending_in(pair)]

    def _tie_equals(self) -> None:
        """Decide the pairs of equal candidates, until only questions are left."""
        while True:
            pairs = [pair for pair in self.ranker.pending_pairs() if self._are_equal(pair)]
            if not pairs:
                return
            self.ranker.results.update(dict.fromkeys(pairs, 0.5))

    def _are_equal(self, pair: Pair) -> bool:
        one, other = pair
        return self.asker.tie_of_equals(self.candidates[one], self.candidates[other]) is not None

    def _pending_in(self, pair: Pair) -> Sequence[EnquiryKey]:
        resolved = self.asker.resolve(self.answers.get(pair, {}), _no_condition)
        assert not isinstance(resolved, Score | Unscored)
        return [(*pair, *key) for key in resolved]

    def question(self, key: EnquiryKey) -> Question:
        one, other, *draw = key
        sides = {"a": self.candidates[one], "b": self.candidates[other]}
        return self.asker.question(tuple(draw), {**self.values, **sides})

    def model_for(self, key: EnquiryKey) -> tuple[ModelUse, int]:
        return self.asker.model_for(key[2:])

    def add_answer(self, key: EnquiryKey, answer: Outcome) -> None:
        pair = (key[0], key[1])
        answers = self.answers.setdefault(pair, {})
        answers[key[2:]] = answer
        self.attempts += answer.attempts
        resolved = self.asker.resolve(answers, _no_condition)
        if isinstance(resolved, Score):
            self.ranker.results[pair] = float(resolved.scalar_value)
        elif isinstance(resolved, Unscored):
            self.failures[pair] = resolved

    def outcome(self) -> GroupRanking | Unscored:
        if self.failures:
            return self.failures[min(self.failures)]
        return GroupRanking(self.ranker.ranks(), attempts=self.attempts)


def _no_condition(*_: object) -> bool:
    # A comparison has no `escalate`, so nothing depends on a condition.
    return False
