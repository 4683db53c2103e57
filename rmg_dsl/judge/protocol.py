"""What is on its way to a judge: one enquiry for each draw, and what a step that asks can say of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.messages import Question
from rmg_dsl.results import Outcome
from rmg_dsl.scales import Value

EnquiryKey: TypeAlias = tuple[int, ...]
"""Which of a step's enquiries this is; what its numbers mean, the step's asker knows."""

DraftPlace: TypeAlias = tuple[int, int]
"""Which draft of a row: the step of the loop that it belongs to, and its place there."""

Answers: TypeAlias = Mapping[EnquiryKey, Outcome]
ConditionCheck: TypeAlias = Callable[[Term, Mapping[str, Value | None]], bool]
"""Whether a condition of the spec holds on the row, where its own words (`score`, `spread` …) have these values."""


class Enquiry(NamedTuple):
    """One question on its way: for which step, as which of its enquiries, to whom, and as which draw.

    Draw 0 is the only one of its judge, at temperature 0; repeats are numbered from 1. Where it is about a draft of
    the row, and not about the row as it came, `draft` says which.
    """

    step: int
    key: EnquiryKey
    question: Question
    model: ModelUse
    draw: int = 0
    draft: DraftPlace | None = None


class Asker(Protocol):
    """Knows for one step that asks: what to ask, whom, and what the answers come to. Pure, and stateless.

    `bound` are the values that a question is made of. `only` is the key of the one enquiry whose answer is the step's
    outcome as it is, where there is no more to it.
    """

    @property
    def bound(self) -> Sequence[tuple[str, Term]]: ...

    @property
    def only(self) -> EnquiryKey | None: ...

    def resolve(self, answers: Answers, holds: ConditionCheck) -> Outcome | Sequence[EnquiryKey]:
        """What the answers so far come to, or the enquiries that are needed and have no answer yet.

        Equal answers give the same, in whatever order they came: what is asked never depends on who was faster.
        """
        ...

    def question(self, key: EnquiryKey, values: Mapping[str, Any]) -> Question:
        """The question of an enquiry about a row whose named values these are; raises MissingInput."""
        ...

    def model_for(self, key: EnquiryKey) -> tuple[ModelUse, int]:
        """The model that an enquiry goes to, and as which draw."""
        ...
