"""The scale of words, with or without values: `"good" | "bad"`, `("bad"=0 | "good"=1)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase

from rmg_dsl.scales.base import (
    VERDICT_KEYS,
    ColumnKind,
    JsonSchema,
    Scale,
    ScaleProblem,
    ScoreType,
    Value,
    quote_words,
    round_half_up,
)
from rmg_dsl.scales.reading import read_label, reject_containers
from rmg_dsl.suggest import suggest_name


@dataclass(frozen=True, slots=True)
class Labels(Scale):
    """Words to choose from.

    >>> str(Labels(("a", "b"))), str(Labels(("bad", "ok", "good"), (0, 0.5, 1)))
    ('"a" | "b"', '("bad"=0 | "ok"=0.5 | "good"=1)')

    With `values` the score is the value of the word, without them it is the word.
    """

    labels: tuple[str, ...]
    values: tuple[float, ...] | None = None
    lower: bool = False

    def __str__(self) -> str:
        if self.values is None:
            return quote_words(self.labels, " | ")
        pairs = zip(self.labels, self.values, strict=True)
        written = " | ".join(f'"{label}"={value:g}' for label, value in pairs)
        return f"({written})" + " lower" * self.lower

    @property
    def score_type(self) -> ScoreType:
        if self.values is None:
            return ScoreType("label", labels=self.labels)
        values = self.values or (0,)
        return ScoreType("number", min(values), max(values), -1 if self.lower else 1)

    @property
    def level_count(self) -> int:
        return len(self.labels)

    @property
    def levels(self) -> tuple[str, ...]:
        return self.labels

    @property
    def words(self) -> tuple[str, ...]:
        return self.labels

    @property
    def word_values(self) -> Mapping[str, float]:
        return dict(zip(self.labels, self.values or (), strict=False))

    @property
    def offered_scores(self) -> tuple[float | str, ...]:
        if self.values is None:
            return self.labels
        return tuple(sorted(set(self.values)))

    @property
    def worst(self) -> Value:
        return self.worst_first(self.labels)[0]

    @property
    def has_order(self) -> bool:
        return self.values is not None

    @property
    def column_kind(self) -> ColumnKind:
        return "text" if self.values is None else "number"

    # ── verdicts and scores ──

    def value_of(self, verdict: Value) -> float | str:
        label = str(verdict)
        return label if self.values is None else self.values[self.labels.index(label)]

    def label_of(self, verdict: Value) -> str | None:
        return None if self.values is None else str(verdict)

    def fit(self, value: Value) -> str | None:
        return value if isinstance(value, str) and value in self.labels else None

    def verdict_at(self, share: float) -> Value | None:
        if self.values is None:
            return None
        ranked = self.worst_first(self.labels)
        return ranked[round_half_up(share * (len(ranked) - 1))]

    # ── what a judge reads and replies ──

    @property
    def verdict_instruction(self) -> str:
        return f"The verdict is one of these words: {quote_words(self.labels, ', ')}."

    @property
    def _verdict_example(self) -> str:
        return quote_words(self.labels, " or ")

    def answer_options(self) -> tuple[tuple[str, Value], ...]:
        # Letters, because a label may be several tokens, or begin like another one.
        return tuple(zip(ascii_uppercase, self.labels, strict=False))

    @property
    def verdict_schema(self) -> JsonSchema:
        return {"type": "string", "enum": [*self.labels]}

    @property
    def other_verdict_keys(self) -> tuple[str, ...]:
        return (*VERDICT_KEYS, "label")

    def read_verdict(self, raw: object, criteria_count: int) -> str:
        reject_containers(raw)
        return read_label(raw, self.labels)

    # ── what the checker asks ──

    def _own_problems(self, written: str) -> tuple[ScaleProblem, ...]:
        folded = [label.strip().casefold() for label in self.labels]
        repeated = [label for label in self.labels if folded.count(label.strip().casefold()) > 1]
        if repeated:
            help = "labels differ by more than capitals and blanks"
            return (ScaleProblem("RMG307", f'the label "{min(repeated)}" is offered twice', help),)
        if "" in folded:
            help = "a label is a word that a judge can choose"
            return (ScaleProblem("RMG307", "an empty label", help),)
        if len(self.labels) < 2:
            help = 'offer two or more: `"good" | "bad"`'
            message = "a scale of one label leaves nothing to choose"
            return (ScaleProblem("RMG307", message, help),)
        return ()

    def accepts_level(self, value: Value) -> bool:
        return value in self.labels

    def level_help(self, value: Value) -> str:
        close = suggest_name(str(value), self.labels)
        return f'did you mean "{close}"?' if close else f"the scale is {self}"

    def holds(self, kind: str, low: float, high: float) -> bool:
        return kind not in ("number", "bool")

    def pool_problem(self, pool: str) -> tuple[str, str] | None:
        if self.values is None and pool != "majority":
            return f"labels without values have no {pool}", "write `pool = majority`"
        return None
