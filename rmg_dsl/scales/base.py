"""What every kind of scale has: values, the wording for judges, rules for the checker."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias, TypeGuard

from rmg_dsl.scales.reading import CriterionAnswer

Value: TypeAlias = float | int | bool | str
JsonSchema: TypeAlias = dict[str, object]
ColumnKind: TypeAlias = Literal["integer", "number", "bool", "text"]

VERDICT_KEYS = ("score", "rating", "grade")
"""Keys that may hold the verdict of any scale where a reply has no key `verdict`."""


class ScoreType(NamedTuple):
    """What the scores of a scale can be. `rmg_dsl.ir.types` makes a `Type` of it.

    `low` and `high` bound the scores, both included. `direction` is 1 where higher is better, -1
    where lower is better, 0 where there is no order. `labels` are the scores of kind `label`.
    """

    kind: Literal["number", "bool", "label", "text", "list"]
    low: float = -math.inf
    high: float = math.inf
    direction: int = 0
    labels: tuple[str, ...] = ()


class ScaleProblem(NamedTuple):
    """A mistake in a written scale; each of `fixes` is a text to write instead and a title."""

    code: str
    message: str
    help: str
    fixes: tuple[tuple[str, str], ...] = ()


class Scale(ABC):
    """One kind of scale: the verdicts that a judge may choose, and the score of each.

    >>> from rmg_dsl.scales import Labels
    >>> scale = Labels(("bad", "good"), (0.0, 1.0))
    >>> scale.levels, scale.value_of("good"), scale.worst_first(["good", "bad"])
    (('bad', 'good'), 1.0, ['bad', 'good'])

    A verdict and its score are the same, except on labels with values. `str()` gives the scale as a
    spec writes it. Scales are immutable, and equal when they offer the same. Subclasses are frozen
    dataclasses with slots.
    """

    __slots__ = ()

    # ── values ──

    @property
    def lower(self) -> bool:
        """Whether a lower score is better."""
        return False

    @property
    @abstractmethod
    def score_type(self) -> ScoreType:
        """What the scores can be."""

    @property
    def level_count(self) -> int | None:
        """How many verdicts there are, or None where they cannot be counted."""
        return None

    @property
    def levels(self) -> tuple[Value, ...]:
        """The verdicts in the order of the scale; empty where they cannot be counted."""
        return ()

    @property
    def offered_scores(self) -> tuple[float | str, ...] | None:
        """The scores from low to high, or labels as written; None where they are too many."""
        return None

    @property
    def words(self) -> tuple[str, ...]:
        """The labels that a judge chooses from; empty on scales of any other kind."""
        return ()

    @property
    def word_values(self) -> Mapping[str, float]:
        """The value of each label; empty where labels have no values, and on other kinds."""
        return {}

    @property
    def worst(self) -> Value | None:
        """The worst verdict, or None where nothing bounds the verdicts."""
        return None

    @property
    def has_order(self) -> bool:
        """Whether verdicts count as numbers, so that they have a mean, a spread and a worst one."""
        return True

    @property
    def has_criteria(self) -> bool:
        """Whether the verdict is a yes or no for each criterion of a rubric."""
        return False

    @property
    def is_text(self) -> bool:
        """Whether the reply is a text and not a verdict."""
        return False

    @property
    def continuous_reason(self) -> str:
        """Why the scores are no categories, as a phrase; empty where they are categories."""
        return ""

    @property
    def is_continuous(self) -> bool:
        return bool(self.continuous_reason)

    @property
    def mean_scale(self) -> Scale:
        """The scale of a mean of several draws."""
        return self

    @property
    def mean_floor(self) -> float:
        """The bound below which no mean of rows is shown."""
        return self.score_type.low

    @property
    @abstractmethod
    def column_kind(self) -> ColumnKind | None:
        """The kind of a result column that holds the scores, or None where the values decide."""

    # ── verdicts and scores ──

    def value_of(self, verdict: Value) -> Value:
        """The score that a verdict stands for."""
        return verdict

    def label_of(self, verdict: Value) -> str | None:
        """The word behind a score that is a number; None where the score says it all."""
        return None

    def number_of(self, verdict: Value) -> float:
        """The score as a number. Only for scales with an order."""
        value = self.value_of(verdict)
        assert not isinstance(value, str), "labels without values have no number"
        return float(value)

    def worst_first(self, verdicts: Iterable[Value]) -> list[Value]:
        """The verdicts, the worst first; as they came where the scale has no order."""
        if not self.has_order:
            return list(verdicts)
        return sorted(verdicts, key=self.number_of, reverse=self.lower)

    def fit(self, value: Value) -> Value | None:
        """The verdict that a computed value is, or None where the value is not on the scale."""
        return None

    def verdict_at(self, share: float) -> Value | None:
        """The verdict at a share (0 to 1) of the way from the worst end; None without ends."""
        return None

    # ── what a judge reads and replies ──

    @property
    @abstractmethod
    def verdict_instruction(self) -> str:
        """The sentence for a judge that says what the verdict may be."""

    @property
    def word_instruction(self) -> str:
        """What a judge that replies with one word must know of the scale beside the words."""
        return ""

    @property
    def reply_instruction(self) -> str:
        """The sentence for a judge that says how to reply."""
        # The reason comes first, so that the verdict follows from it.
        return (
            "Reply with one JSON object and nothing else, the reason first: "
            f'{{"reason": "one or two sentences", "verdict": {self._verdict_example}}}'
        )

    @property
    def _verdict_example(self) -> str:
        """The verdict in the JSON object of `reply_instruction`."""
        raise NotImplementedError

    def answer_options(self) -> tuple[tuple[str, Value], ...]:
        """For each verdict a word that every tokenizer reads as one token, such as a letter.

        Raises ValueError where the verdicts cannot be counted.
        """
        raise ValueError(f"the verdicts on {self} cannot be counted")

    def reply_properties(self, criteria_count: int) -> dict[str, JsonSchema]:
        """The JSON Schema of each key of a reply, in the order in which a judge writes them."""
        return {"reason": {"type": "string"}, "verdict": self.verdict_schema}

    @property
    def verdict_schema(self) -> JsonSchema:
        """The JSON Schema of the verdict."""
        raise NotImplementedError

    @property
    def other_verdict_keys(self) -> tuple[str, ...]:
        """The keys that are read where a reply has no key `verdict`."""
        return VERDICT_KEYS

    @abstractmethod
    def read_verdict(self, raw: object, criteria_count: int) -> Value | tuple[CriterionAnswer, ...]:
        """The verdict that a JSON value is; with criteria, the answer to each of them.

        Raises NoVerdict for a value that was not offered, OffScale for a number out of bounds.
        """

    # ── what the checker asks ──

    def low_to_high(self) -> Scale:
        """The same scale with its bounds in order."""
        return self

    def problems(self, written: str) -> tuple[ScaleProblem, ...]:
        """The mistakes in a scale that a spec writes as `written`."""
        problems = self._own_problems(written)
        if self.lower and not self._takes_lower:
            help = 'give the labels values: `("bad"=0 | "good"=1)`'
            problems += (ScaleProblem("RMG307", "`lower` needs a scale with an order", help),)
        return problems

    def _own_problems(self, written: str) -> tuple[ScaleProblem, ...]:
        return ()

    @property
    def _takes_lower(self) -> bool:
        """Whether `lower` may follow the scale."""
        return self.has_order

    def accepts_level(self, value: Value) -> bool:
        """Whether a line of a rubric may describe this verdict."""
        return True

    def level_help(self, value: Value) -> str:
        """What to write instead of a level that is not on the scale."""
        return f"the scale is {self}"

    def holds(self, kind: str, low: float, high: float) -> bool:
        """Whether values of a type can be on the scale; its bounds may be infinite."""
        return True

    def pool_problem(self, pool: str) -> tuple[str, str] | None:
        """Why draws cannot be pooled so, as a message and a help text; None where they can."""
        if pool == "majority" and self.is_continuous:
            message = f"on {self} no two draws need be alike, so that none has a majority"
            return message, "write `pool = median`"
        return None


def is_number(value: Value) -> TypeGuard[float]:
    """Whether a value is a number. A bool is none."""
    return not isinstance(value, bool | str)


def round_half_up(number: float) -> int:
    """The nearest whole number, halves upwards."""
    # Python's own rounding goes to the nearest even number, and would favour even verdicts.
    return math.floor(number + 0.5)


def quote_words(words: Iterable[str], separator: str) -> str:
    """Put each word in double quotes, and join them."""
    return separator.join(f'"{word}"' for word in words)


def object_schema(properties: dict[str, JsonSchema]) -> JsonSchema:
    """The JSON Schema of an object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }
