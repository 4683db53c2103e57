"""The scales: which verdicts a judge may give, and the score of each. One file per kind of scale.

All that differs from kind to kind is a method or property of the class: see `Scale`, which
documents each of them. No other package looks at the class of a scale. To add a kind, add its file
here; a kind that a spec writes as one word also gets an entry in `WORD_SCALES`.

The internal kinds `LabelOrder` and `FreeText` are imported from their own modules: no spec writes
them, so a check need not load them. The package is plain data. It imports nothing of `rmg_dsl` but
`suggest`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rmg_dsl.scales.base import (
    ColumnKind,
    JsonSchema,
    Scale,
    ScaleProblem,
    ScoreType,
    Value,
    object_schema,
)
from rmg_dsl.scales.labels import Labels
from rmg_dsl.scales.points import Points, PointsCriterion
from rmg_dsl.scales.reading import (
    CriterionAnswer,
    DuplicateKeys,
    NoVerdict,
    OffScale,
    shorten_quote,
)
from rmg_dsl.scales.real import Real
from rmg_dsl.scales.whole import Whole
from rmg_dsl.scales.yes_no import YesNo

WORD_SCALES: Mapping[str, Callable[[bool], Scale]] = {"bool": YesNo, "points": Points}
"""The scales that a spec writes as one word; each is made from whether `lower` follows the word."""

WRITTEN_FORMS = ("1..5", "0.0..1.0", '"good" | "bad"', '("bad"=0 | "good"=1)', *WORD_SCALES)
"""How a spec writes the kinds of scales, one example of each, for messages."""

__all__ = [
    "WORD_SCALES",
    "WRITTEN_FORMS",
    "ColumnKind",
    "CriterionAnswer",
    "DuplicateKeys",
    "JsonSchema",
    "Labels",
    "NoVerdict",
    "OffScale",
    "Points",
    "PointsCriterion",
    "Real",
    "Scale",
    "ScaleProblem",
    "ScoreType",
    "Value",
    "Whole",
    "YesNo",
    "object_schema",
    "shorten_quote",
]
