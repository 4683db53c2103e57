"""Which of two is better: asked in both orders, and decided from all the answers, never from half of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rmg_dsl.ir.expr import Column, GetField, InLoop, Term
from rmg_dsl.ir.scoring import PAIR, Compared, ModelUse
from rmg_dsl.judge.order_effect import decided
from rmg_dsl.judge.pooling import Votes, pooled
from rmg_dsl.judge.probabilities import offers_on, wanted_word
from rmg_dsl.judge.prompt_layout import Wording, fenced_off, material_of, worded
from rmg_dsl.judge.protocol import Answers, Holds, Key
from rmg_dsl.judge.questions import reply_form
from rmg_dsl.messages import Question
from rmg_dsl.prompts.template import MissingInput, is_blank, outline
from rmg_dsl.results import Outcome, Preference, Score, Unscored

SIDES = ("a", "b")


class Turn(NamedTuple):
    """One draw: in which order (0 as written, 1 the other way round), which juror, and its number."""

    order: int
    juror: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class PairAsker:
    """Asks which of two is better; the values of `a` and `b` are the two, whatever they are called in the data."""

    grader: str
    compared: Compared
    bound: Sequence[tuple[str, Term]] = field(init=False)
    only: Key | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "bound", (*zip(SIDES, self.compared.sides, strict=True), *self.compared.bound)
        )

    def deliberate(self, answers: Answers, holds: Holds) -> Outcome | Sequence[Key]:  # noqa: ARG002 # nothing depends on the row
        turns = _turns(self.compared)
        missing = [turn for turn in turns if turn not in answers]
        return missing or _decided(self.compared, turns, answers)

    def whom(self, key: Key) -> tuple[ModelUse, int]:
        turn = Turn(*key)
        return self.compared.jurors[turn.juror], turn.number

    def question(self, key: Key, values: Mapping[str, Any]) -> Question:
        """The question about two of the row's values, in one of the orders; raises MissingInput where one is blank."""
        for name, side in zip(SIDES, self.compared.sides, strict=True):
            if is_blank(values[name]):
                raise MissingInput(_called(side) or name)
        if Turn(*key).order:
            values = {**values, "a": values["b"], "b": values["a"]}
        compared = self.compared
        names = frozenset(name for name, _ in self.bound)
        wording = Wording(compared.system, compared.prompt, compared.constants, names)
        offers = offers_on(PAIR) if compared.logprobs else ()
        return Question(
            self.grader,
            PAIR,
            worded(wording, values, self.rules),
            material_of(values),
            offers=offers,
        )

    def rules(self, tag: str) -> str:
        """What is said before the question. Which one is A, their order says: a prompt may call them otherwise."""
        variables = outline(self.compared.prompt).variables
        first, second = (
            ("B", "A")
            if [v.name for v in variables if v.name in SIDES][:1] == ["b"]
            else ("A", "B")
        )
        return "\n\n".join(
            [
                fenced_off(tag),
                f"Two texts are compared, A and B. {first} stands before {second}, which says nothing about them.",
                'The verdict is "A" where A is better, "B" where B is better, "tie" where neither is.',
                wanted_word(offers_on(PAIR)) if self.compared.logprobs else reply_form(PAIR),
            ]
        )


# ── from answers to a decision ───────────────────────────────────────────────────────────────────────────────────


def _turns(compared: Compared) -> list[Turn]:
    numbers = range(1, compared.samples + 1) if compared.samples > 1 else (0,)
    jurors = range(len(compared.jurors))
    orders = (0, 1) if compared.swap else (0,)
    return [
        Turn(order, juror, number) for order in orders for number in numbers for juror in jurors
    ]


def _decided(compared: Compared, turns: Sequence[Turn], answers: Answers) -> Outcome:
    """One decision of the orders. Where one of them has no verdict there is none, unless the other decides alone."""
    orders = [_order(compared, turns, answers, order) for order in range(1 + compared.swap)]
    attempts = sum(order.attempts for order in orders)
    needed = orders[:1] if compared.decide == "first_only" else orders
    failed = next((order for order in needed if isinstance(order, Unscored)), None)
    if failed is not None:
        return replace(failed, attempts=attempts)
    scores = [order for order in orders if isinstance(order, Score)]
    found = decided(
        compared.decide, [_preferred(score, place) for place, score in enumerate(scores)]
    )
    p = found.p if compared.has_chances else None
    return Score(
        found.value,
        _reason(compared, scores),
        None,
        attempts,
        beside=Preference(p, found.flagged, found.habit),
    )


def _order(compared: Compared, turns: Sequence[Turn], answers: Answers, order: int) -> Outcome:
    """How much the draws of one order prefer what it shows as A."""
    votes: Votes = [(compared.jurors[t.juror].label, answers[t]) for t in turns if t.order == order]
    return pooled("mean", PAIR, votes, len(votes))


def _preferred(score: Score, order: int) -> float:
    """How much an order prefers the first of `compare`, which it shows as A, or, turned round, as B."""
    p = float(score.single)
    return 1 - p if order else p


def _reason(compared: Compared, scores: Sequence[Score]) -> str | None:
    """The reasons speak of A and B: each with what A was."""
    sides = [_called(side) for side in compared.sides]
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


def _called(side: Term) -> str:
    """What a side is called in the data, or nothing where it is computed."""
    match side:
        case Column(name):
            return name
        case GetField(_, key):
            return key
        case InLoop(what):
            return what
        case _:
            return ""
