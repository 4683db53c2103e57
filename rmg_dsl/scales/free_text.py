"""The internal scale of a writer: the reply is a text. No spec writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn

from rmg_dsl.scales.base import Scale, ScoreType
from rmg_dsl.scales.reading import NoVerdict


@dataclass(frozen=True, slots=True)
class FreeText(Scale):
    """Any text, and no verdict: what a writer of drafts replies with."""

    def __str__(self) -> str:
        return "a text"

    @property
    def score_type(self) -> ScoreType:
        return ScoreType("text")

    @property
    def has_order(self) -> bool:
        return False

    @property
    def is_text(self) -> bool:
        return True

    @property
    def column_kind(self) -> Literal["text"]:
        return "text"

    @property
    def verdict_instruction(self) -> str:
        return ""

    @property
    def reply_instruction(self) -> str:
        return "Reply with the whole text, and with nothing else."

    def read_verdict(self, raw: object, criteria_count: int) -> NoReturn:
        raise NoVerdict("a text was asked for, and no verdict")
