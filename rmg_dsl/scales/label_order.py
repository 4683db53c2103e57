"""The internal scale of a ranking: all labels in an order. No spec writes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rmg_dsl.scales.base import JsonSchema, Scale, ScoreType
from rmg_dsl.scales.reading import NoVerdict, read_label, reject_containers, shorten_quote

_SEPARATOR = " > "


@dataclass(frozen=True, slots=True)
class LabelOrder(Scale):
    """All of these labels, the best first: the verdict of one question about several candidates.

    >>> LabelOrder(("A", "B", "C")).read_verdict(["C", "A", "B"], 0)
    'C > A > B'
    """

    labels: tuple[str, ...]
    lower: bool = False

    def __str__(self) -> str:
        return f"an order of {', '.join(self.labels)}"

    @staticmethod
    def labels_in(value: str) -> list[str]:
        """The labels of a score, the best first."""
        return value.split(_SEPARATOR)

    @property
    def score_type(self) -> ScoreType:
        return ScoreType("list")

    @property
    def has_order(self) -> bool:
        return False

    @property
    def column_kind(self) -> None:
        return None

    # ── what a judge reads and replies ──

    @property
    def verdict_instruction(self) -> str:
        count = len(self.labels)
        return f"The verdict is the list of all {count} letters, each of them once, the best first."

    @property
    def _verdict_example(self) -> str:
        return f"[all {len(self.labels)} letters in quotes, the best first]"

    @property
    def verdict_schema(self) -> JsonSchema:
        size = len(self.labels)
        items = {"type": "string", "enum": [*self.labels]}
        return {"type": "array", "items": items, "minItems": size, "maxItems": size}

    def read_verdict(self, raw: object, criteria_count: int) -> str:
        if not isinstance(raw, list):
            reject_containers(raw)
            raise NoVerdict("the verdict is not a list")
        labels = [read_label(entry, self.labels) for entry in raw]
        self._require_each_once(labels)
        return _SEPARATOR.join(labels)

    def _require_each_once(self, labels: Sequence[str]) -> None:
        # An order of some labels would make up the places of the others.
        repeated = [label for label in self.labels if labels.count(label) > 1]
        missing = [label for label in self.labels if label not in labels]
        faults = []
        if repeated:
            faults.append(f'"{repeated[0]}" stands in the verdict twice')
        if missing:
            faults.append(f"the verdict leaves out {', '.join(map(json.dumps, missing))}")
        if faults:
            raise NoVerdict(shorten_quote("; ".join(faults)))
