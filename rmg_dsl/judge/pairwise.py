"""Which of two texts is better: the question in each order, and one decision from all answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum
from typing import NamedTuple, assert_never

from rmg_dsl.ir.expr import ColumnRef, GetField, LoopVariable, Term
from rmg_dsl.ir.scoring import PAIRWISE_SCALE, DecisionRule, ModelUse, PairwiseScoring
from rmg_dsl.judge.pooling import Votes, pool_votes
from rmg_dsl.judge.probabilities import word_reply_form
from rmg_dsl.judge.prompt_layout import QuestionTemplates, build_messages, fence_notice, material_of
from rmg_dsl.judge.protocol import Answers, ConditionCheck, EnquiryKey
from rmg_dsl.messages import Question
from rmg_dsl.prompts.template import MissingInput, is_blank, outline
from rmg_dsl.results import Habit, Outcome, Preference, Score, Unscored

SIDES = ("a", "b")
# The mean of 0.7 and 0.3 is 0.49999999999999994: closer to the middle than this is the middle.
_TIE_TOLERANCE = 1e-9


class PairDraw(NamedTuple):
    """One draw: its order (0 as written, 1 swapped), the place of the panel member, its number."""

    order: int
    member: int
    number: int


# ── the question ──


@dataclass(frozen=True, slots=True, eq=False)
class PairAsker:
    """Asks which of two texts is better; templates call the two `a` and `b`."""

    grader: str
    scoring: PairwiseScoring
    bound: Sequence[tuple[str, Term]] = field(init=False)
    only: EnquiryKey | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        sides = zip(SIDES, self.scoring.sides, strict=True)
        object.__setattr__(self, "bound", (*sides, *self.scoring.bindings))

    def resolve(self, answers: Answers, holds: ConditionCheck) -> Outcome | Sequence[EnquiryKey]:
        draws = _pair_draws(self.scoring)
        missing = [draw for draw in draws if draw not in answers]
        return missing or _combine_orders(self.scoring, draws, answers)

    def tie_of_equals(self, first: object, second: object) -> Score | None:
        """The tie of two equal sides, which no judge need be asked about; None for unlike ones.

        It says nothing about the judge, so it counts for no rate.
        """
        if is_blank(first) or type(first) is not type(second) or first != second:
            return None
        p = 0.5 if self.scoring.has_probability else None
        return Score(0.5, "both are the same", details=Preference(p))

    def model_for(self, key: EnquiryKey) -> tuple[ModelUse, int]:
        draw = PairDraw(*key)
        return self.scoring.panel[draw.member], draw.number

    def question(self, key: EnquiryKey, values: Mapping[str, object]) -> Question:
        """The question about the row's two sides, in the order of the draw.

        Raises MissingInput where a side is blank.
        """
        for name, side in zip(SIDES, self.scoring.sides, strict=True):
            if is_blank(values[name]):
                raise MissingInput(_side_name(side) or name)
        if PairDraw(*key).order:
            values = {**values, "a": values["b"], "b": values["a"]}
        return Question(
            self.grader,
            PAIRWISE_SCALE,
            build_messages(self._templates(), values, self.rules),
            material_of(values),
            answer_options=PAIRWISE_SCALE.answer_options() if self.scoring.logprobs else (),
        )

    def _templates(self) -> QuestionTemplates:
        scoring = self.scoring
        names = frozenset(name for name, _ in self.bound)
        return QuestionTemplates(scoring.system, scoring.prompt, scoring.constants, names)

    def rules(self, tag: str) -> str:
        """The part of the system message that does not depend on the row."""
        parts = [
            fence_notice(tag),
            self._sides_notice(),
            'The verdict is "A" where A is better, "B" where B is better, "tie" where neither is.',
            self._reply_form(),
        ]
        return "\n\n".join(parts)

    def _sides_notice(self) -> str:
        # A prompt may call the two by any name. Only their order tells which one is A.
        variables = outline(self.scoring.prompt).variables
        used = [variable.name for variable in variables if variable.name in SIDES]
        first, second = "A", "B"
        if used[:1] == ["b"]:
            first, second = "B", "A"
        order = f"{first} stands before {second}, which says nothing about them."
        return f"Two texts are compared, A and B. {order}"

    def _reply_form(self) -> str:
        if self.scoring.logprobs:
            return word_reply_form(PAIRWISE_SCALE.answer_options())
        return PAIRWISE_SCALE.reply_instruction


def _side_name(side: Term) -> str:
    """The name of a side in the data, or an empty text where the side is computed."""
    match side:
        case ColumnRef(name):
            return name
        case GetField(_, key):
            return key
        case LoopVariable(what):
            return what
        case _:
            return ""


# ── from answers to a decision ──


def _pair_draws(scoring: PairwiseScoring) -> list[PairDraw]:
    numbers = range(1, scoring.samples + 1) if scoring.samples > 1 else (0,)
    members = range(len(scoring.panel))
    orders = (0, 1) if scoring.swap else (0,)
    return [
        PairDraw(order, member, number)
        for order in orders
        for number in numbers
        for member in members
    ]


def _combine_orders(
    scoring: PairwiseScoring, draws: Sequence[PairDraw], answers: Answers
) -> Outcome:
    """One decision. It needs a verdict of each order, or of the one that decides alone."""
    order_count = 2 if scoring.swap else 1
    orders = [_pool_order(scoring, draws, answers, order) for order in range(order_count)]
    attempts = sum(order.attempts for order in orders)
    needed = orders[:1] if scoring.decide == "first_only" else orders
    failed = next((order for order in needed if isinstance(order, Unscored)), None)
    if failed is not None:
        return replace(failed, attempts=attempts)
    scores = [order for order in orders if isinstance(order, Score)]
    preferences = [_preference_for_first(score, order) for order, score in enumerate(scores)]
    decision = decide_preference(scoring.decide, preferences)
    p = decision.p if scoring.has_probability else None
    details = Preference(p, decision.flagged, decision.habit)
    reason = _comparison_reason(scoring, scores)
    return Score(decision.value, reason, None, attempts, details=details)


def _pool_order(
    scoring: PairwiseScoring, draws: Sequence[PairDraw], answers: Answers, order: int
) -> Outcome:
    """How much the draws of one order prefer the text that it shows as A."""
    votes: Votes = [
        (scoring.panel[draw.member].label, answers[draw]) for draw in draws if draw.order == order
    ]
    return pool_votes("mean", PAIRWISE_SCALE, votes, len(votes))


def _preference_for_first(score: Score, order: int) -> float:
    # The swapped order shows the first of `compare` as B.
    p = float(score.scalar_value)
    return 1 - p if order else p


def _comparison_reason(scoring: PairwiseScoring, scores: Sequence[Score]) -> str | None:
    # The reasons of judges speak of A and B, so each one starts with what A was.
    names = _shown_sides(scoring)
    pairs = zip(names, scores, strict=False)
    lines = [f"A is {name}: {score.reason}" for name, score in pairs if score.reason]
    return "\n".join(lines) or None


def _shown_sides(scoring: PairwiseScoring) -> list[str]:
    sides = [_side_name(side) for side in scoring.sides]
    if all(sides) and sides[0] != sides[1]:
        return [f"`{name}`" for name in sides]
    return ["the first", "the second"]


# ── the decision: numbers only ──


@dataclass(frozen=True, slots=True)
class Decision:
    """A comparison: `value` is 1 for the first, 0 for the second, 0.5 for neither.

    `p` is the mean over the orders of how much the first is preferred, from 0 to 1. `flagged` says
    whether the orders disagree. It and `habit` are None where there is only one order.
    """

    value: float
    p: float
    flagged: bool | None = None
    habit: Habit | None = None


def decide_preference(decide: DecisionRule, orders: Sequence[float]) -> Decision:
    """The decision of one order or two.

    >>> decide_preference("average", [0.9, 0.35])
    Decision(value=1.0, p=0.625, flagged=True, habit='first')
    >>> decide_preference("agree", [0.9, 0.35]).value
    0.5

    Each number says how much an order prefers the first of `compare`, from 0 to 1.
    """
    sides = [side_of(p) for p in orders]
    p = fsum(orders) / len(orders)
    value = _decision_value(decide, sides, p)
    if len(orders) == 1:
        return Decision(value, p)
    return Decision(value, p, len(set(sides)) > 1, _habit(sides))


def side_of(p: float) -> float:
    """The side that a probability prefers: 1, 0 or, in the middle, 0.5.

    >>> side_of(0.51), side_of(0.5), side_of(0.2)
    (1.0, 0.5, 0.0)
    """
    if abs(p - 0.5) < _TIE_TOLERANCE:
        return 0.5
    return float(p > 0.5)


def _decision_value(decide: DecisionRule, sides: Sequence[float], p: float) -> float:
    match decide:
        case "agree":
            return sides[0] if len(set(sides)) == 1 else 0.5
        case "average":
            return side_of(p)
        case "sum_sign":
            return side_of(sum(sides) / len(sides))
        case "first_only":
            return sides[0]
        case _:
            assert_never(decide)


def _habit(sides: Sequence[float]) -> Habit:
    # The swapped order shows the second text first. To prefer the first of `compare` in the order
    # as
    # written, and the second one in the swapped order, is to prefer the text in the first place.
    match tuple(sides):
        case (one, other) if one == other:
            return "consistent"
        case (1.0, 0.0):
            return "first"
        case (0.0, 1.0):
            return "second"
        case _:
            return "undecided"
