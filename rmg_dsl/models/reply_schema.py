"""The shape that a reply must have, as JSON Schema: only verdicts that the scale offers."""

from __future__ import annotations

from functools import cache

from rmg_dsl.scales import JsonSchema, Scale, object_schema


@cache
def reply_schema(scale: Scale, criteria: int = 0) -> JsonSchema:
    """The object `{"reason": …, "verdict": …}` for one scale, the reason first: a model that has argued decides better.

    On `points` the verdict is an object with an entry for each criterion, by its number. Made once per scale; not to
    be changed by its readers.

    >>> from rmg_dsl.scales import Whole
    >>> reply_schema(Whole(1, 3))["properties"]["verdict"]
    {'type': 'integer', 'enum': [1, 2, 3]}
    """
    return object_schema(scale.reply_properties(criteria))


@cache
def response_format(scale: Scale, criteria: int = 0) -> JsonSchema:
    """What `response_format` says for one scale: the schema, and that it is strict."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "strict": True, "schema": reply_schema(scale, criteria)},
    }
