"""The JSON Schema of a reply: only verdicts that the scale allows."""

from __future__ import annotations

from functools import cache
from typing import Any, assert_never

from rmg_dsl.scales import LabelOrder, Labels, Points, Real, Scale, Whole, YesNo

# More levels than this make an enum that providers reject; a range is then the better shape.
MOST_LEVELS = 101


@cache
def reply_schema(scale: Scale, criteria: int = 0) -> dict[str, Any]:
    """The schema of `{"reason": …, "verdict": …}`, the reason first: it improves the verdict.

    On `points` the verdict is an object with an entry for each criterion, by its number. The schema
    is made once per scale: do not change it.

    >>> from rmg_dsl.scales import Whole
    >>> reply_schema(Whole(1, 3))["properties"]["verdict"]
    {'type': 'integer', 'enum': [1, 2, 3]}
    """
    if isinstance(scale, Points):
        entry = _object_schema({"reason": {"type": "string"}, "met": {"type": "boolean"}})
        return _object_schema(
            {"verdict": _object_schema({str(n): entry for n in range(1, criteria + 1)})}
        )
    return _object_schema({"reason": {"type": "string"}, "verdict": _verdict_schema(scale)})


def _object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _verdict_schema(scale: Whole | Real | YesNo | Labels | LabelOrder) -> dict[str, Any]:
    match scale:
        case Whole(low, high):
            offered = high - low + 1 <= MOST_LEVELS
            return {"type": "integer"} | (
                {"enum": [*scale.levels]} if offered else {"minimum": low, "maximum": high}
            )
        case Real(low, high):
            return {"type": "number", "minimum": low, "maximum": high}
        case YesNo():
            return {"type": "boolean"}
        case Labels(labels):
            return {"type": "string", "enum": [*labels]}
        case LabelOrder(labels):
            size = len(labels)
            return {
                "type": "array",
                "items": {"type": "string", "enum": [*labels]},
                "minItems": size,
                "maxItems": size,
            }
        case _:
            assert_never(scale)


@cache
def response_format(scale: Scale, criteria: int = 0) -> dict[str, Any]:
    """The field `response_format` of a chat completion: the schema, and that it is strict."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "strict": True, "schema": reply_schema(scale, criteria)},
    }
