"""JSON values as text and back: what the JSON formats, CSV cells and Arrow columns share."""

from __future__ import annotations

import json

from rmg_dsl.errors import DataError
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.rows import Cell
from rmg_dsl.tables.values import replace_infinities

_CONSTANTS = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}
DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__)
# One encoder for all rows: `json.dumps` with other than default settings makes one per call.
_encode_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode
_KINDS = {
    "list": "a list",
    "dict": "an object",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "a bool",
}


def json_text(value: object) -> str:
    """Encode a plain value as JSON on one line, with non-ASCII characters as they are.

    >>> json_text({"name": "Zoë", "score": float("inf")})
    '{"name": "Zoë", "score": null}'

    NaN and infinities become `null`; an object of another type becomes its `str`.
    """
    try:
        return _encode_json(value)
    except ValueError:
        return _encode_json(replace_infinities(value))


def json_kind(value: Cell) -> str:
    """Name the JSON kind of a decoded value, for a message.

    >>> json_kind([1]), json_kind(None)
    ('a list', 'null')
    """
    return _KINDS.get(type(value).__name__, "null")


def broken_json_error(
    source: Input, error: json.JSONDecodeError, line: int, advice: str
) -> DataError:
    """The `DataError` for a syntax error: `line` is the line in the file."""
    return source.data_error(f"broken JSON: {error.msg} at column {error.colno}{advice}", line)


def unreadable_json_error(source: Input, error: Exception, line: int | None = None) -> DataError:
    """The `DataError` for JSON beyond Python's limits: very long integers, very deep nesting."""
    return source.data_error(f"JSON that cannot be read: {error}", line)
