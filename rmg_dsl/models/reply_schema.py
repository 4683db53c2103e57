"""The JSON Schema of a reply: only verdicts that the scale allows."""

from __future__ import annotations

from functools import cache

from rmg_dsl.scales import JsonSchema, Scale, object_schema


@cache
def reply_schema(scale: Scale, criteria: int = 0) -> JsonSchema:
    """The schema of `{"reason": …, "verdict": …}`, the reason first: it improves the verdict.

    On `points` the verdict is an object with an entry for each criterion, by its number. The schema
    is made once per scale: do not change it.

    >>> from rmg_dsl.scales import Whole
    >>> reply_schema(Whole(1, 3))["properties"]["verdict"]
    {'type': 'integer', 'enum': [1, 2, 3]}
    """
    return object_schema(scale.reply_properties(criteria))


@cache
def response_format(scale: Scale, criteria: int = 0) -> JsonSchema:
    """The field `response_format` of a chat completion: the schema, and that it is strict."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "strict": True, "schema": reply_schema(scale, criteria)},
    }
