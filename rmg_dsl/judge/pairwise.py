"""Which of two is better: asked in both orders, and decided from all the answers, never from half of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rmg_dsl.ir.expr import ColumnRef, GetField, LoopVariable, Term
from rmg_dsl.ir.scoring import PAIRWISE_SCALE, ModelUse, PairwiseScoring
from rmg_dsl.judge.order_effect import decide_preference
from rmg_dsl.judge.pooling import Votes, pool_votes
from rmg_dsl.judge.probabilities import answer_options_for, word_reply_form
from rmg_dsl.judge.prompt_layout import QuestionTemplates, build_messages, fence_notice, material_of
from rmg_dsl.judge.protocol import Answers, ConditionCheck, EnquiryKey
from rmg_dsl.judge.questions import reply_form
from rmg_dsl.messages import Question
from rmg_dsl.prompts.template import MissingInput, is_blank, outline
from rmg_dsl.results import Outcome, Preference, Score, Unscored

SIDES = ("a", "b")


class PairDraw(NamedTuple):
    """One draw: in which order (0 as written, 1 the other way round), which juror, and its number."""

    order: int
    member: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class PairAsker:
    """Asks which of two is better; the values of `a` and `b` are the two, whatever they are called in the data."""

    grader: str
    scoring: PairwiseScoring
    bound: Sequence[tuple[str, Term]] = field(init=False)
    only: EnquiryKey | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "bound", (*zip(SIDES, self.scoring.sides, strict=True), *self.scoring.bindings)
        )

    def resolve(self, answers: Answers, holds: ConditionCheck) -> Outcome | Sequence[EnquiryKey]:  # noqa: ARG002 # nothing depends on the row
        turns = _pair_draws(self.scoring)
        missing = [turn for turn in turns if turn not in answers]
        return missing or _combine_orders(self.scoring, turns, answers)

    def model_for(self, key: EnquiryKey) -> tuple[ModelUse, int]:
        turn = PairDraw(*key)
        return self.scoring.panel[turn.member], turn.number

    def question(self, key: EnquiryKey, values: Mapping[str, Any]) -> Question:
        """The question about two of the row's values, in one of the orders; raises MissingInput where one is blank."""
        for name, side in zip(SIDES, self.scoring.sides, strict=True):
            if is_blank(values[name]):
                raise MissingInput(_side_name(side) or name)
        if PairDraw(*key).order:
            values = {**values, "a": values["b"], "b": values["a"]}
        compared = self.scoring
        names = frozenset(name for name, _ in self.bound)
        wording = QuestionTemplates(compared.system, compared.prompt, compared.constants, names)
        offers = answer_options_for(PAIRWISE_SCALE) if compared.logprobs else ()
        return Question(
            self.grader,
            PAIRWISE_SCALE,
            build_messages(wording, values, self.rules),
            material_of(values),
            answer_options=offers,
        )

    def rules(self, tag: str) -> str:
        """What is said before the question. Which one is A, their order says: a prompt may call them otherwise."""
        variables = outline(self.scoring.prompt).variables
        first, second = (
            ("B", "A")
            if [v.name for v in variables if v.name in SIDES][:1] == ["b"]
            else ("A", "B")
        )
        return "\n\n".join(
            [
                fence_notice(tag),
                f"Two texts are compared, A and B. {first} stands before {second}, which says nothing about them.",
                'The verdict is "A" where A is better, "B" where B is better, "tie" where neither is.',
                word_reply_form(answer_options_for(PAIRWISE_SCALE))
                if self.scoring.logprobs
                else reply_form(PAIRWISE_SCALE),
            ]
        )


# ── from answers to a decision ───────────────────────────────────────────────────────────────────────────────────


def _pair_draws(compared: PairwiseScoring) -> list[PairDraw]:
    numbers = range(1, compared.samples + 1) if compared.samples > 1 else (0,)
    jurors = range(len(compared.panel))
    orders = (0, 1) if compared.swap else (0,)
    return [
        PairDraw(order, juror, number) for order in orders for number in numbers for juror in jurors
    ]


def _combine_orders(
    compared: PairwiseScoring, turns: Sequence[PairDraw], answers: Answers
) -> Outcome:
    """One decision of the orders. Where one of them has no verdict there is none, unless the other decides alone."""
    orders = [_pool_order(compared, turns, answers, order) for order in range(1 + compared.swap)]
    attempts = sum(order.attempts for order in orders)
    needed = orders[:1] if compared.decide == "first_only" else orders
    failed = next((order for order in needed if isinstance(order, Unscored)), None)
    if failed is not None:
        return replace(failed, attempts=attempts)
    scores = [order for order in orders if isinstance(order, Score)]
    found = decide_preference(
        compared.decide, [_preference_for_first(score, place) for place, score in enumerate(scores)]
    )
    p = found.p if compared.has_probability else None
    return Score(
        found.value,
        _comparison_reason(compared, scores),
        None,
        attempts,
        details=Preference(p, found.flagged, found.habit),
    )


def _pool_order(
    compared: PairwiseScoring, turns: Sequence[PairDraw], answers: Answers, order: int
) -> Outcome:
    """How much the draws of one order prefer what it shows as A."""
    votes: Votes = [(compared.panel[t.member].label, answers[t]) for t in turns if t.order == order]
    return pool_votes("mean", PAIRWISE_SCALE, votes, len(votes))


def _preference_for_first(score: Score, order: int) -> float:
    """How much an order prefers the first of `compare`, which it shows as A, or, turned round, as B."""
    p = float(score.scalar_value)
    return 1 - p if order else p


def _comparison_reason(compared: PairwiseScoring, scores: Sequence[Score]) -> str | None:
    """The reasons speak of A and B: each with what A was."""
    sides = [_side_name(side) for side in compared.sides]
    names = (
        [f"`{name}`" for name in sides]
        if all(sides) and sides[0] != sides[1]
        else ["the first", "the second"]
    )
    said = [
        f"A is {name}: {score.reason}"
        for name, score in zip(names, scores, strict=False)
        if score.reason
    ]
    return "\n".join(said) or None


def _side_name(side: Term) -> str:
    """What a side is called in the data, or nothing where it is computed."""
    match side:
        case ColumnRef(name):
            return name
        case GetField(_, key):
            return key
        case LoopVariable(what):
            return what
        case _:
            return ""
