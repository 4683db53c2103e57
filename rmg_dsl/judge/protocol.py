"""The protocol of a step that asks judges: its enquiries, and the outcome of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.messages import Question
from rmg_dsl.results import Outcome
from rmg_dsl.scales import Value

EnquiryKey: TypeAlias = tuple[int, ...]
"""Identifies an enquiry within its step. Each kind of asker defines the meaning of the numbers."""

DraftPlace: TypeAlias = tuple[int, int]
"""Identifies a draft of a row: the step of its loop, and its place there."""

Answers: TypeAlias = Mapping[EnquiryKey, Outcome]
ConditionCheck: TypeAlias = Callable[[Term, Mapping[str, Value | None]], bool]
"""Whether a condition holds on the row, with values for `score`, `spread` and `confidence`."""


class Enquiry(NamedTuple):
    """One question on its way: its step, its key there, the question, the model and the draw.

    Draw 0 is the only one of its judge, at temperature 0; repeats are numbered from 1. `draft` is
    set where the question is about a draft of the row and not about the row as it came.
    """

    step: int
    key: EnquiryKey
    question: Question
    model: ModelUse
    draw: int = 0
    draft: DraftPlace | None = None


class Asker(Protocol):
    """The questions of one step, their models, and the outcome of the answers. Pure, no state.

    `bound` are the named terms whose values a question needs. `only` is the key of the one enquiry
    whose answer is the step's outcome, where there is exactly one.
    """

    @property
    def bound(self) -> Sequence[tuple[str, Term]]: ...

    @property
    def only(self) -> EnquiryKey | None: ...

    def resolve(self, answers: Answers, holds: ConditionCheck) -> Outcome | Sequence[EnquiryKey]:
        """The outcome, or the enquiries that are needed and have no answer yet.

        Equal answers give an equal result, in whatever order they came.
        """
        ...

    def question(self, key: EnquiryKey, values: Mapping[str, object]) -> Question:
        """The question of an enquiry about a row with these named values. Raises MissingInput."""
        ...

    def model_for(self, key: EnquiryKey) -> tuple[ModelUse, int]:
        """The model of an enquiry, and the number of the draw."""
        ...
