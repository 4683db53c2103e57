"""JSON and JSON lines, both ways."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rmg_dsl.tables.inputs import Input, decode_line, find_utf8_error, open_text
from rmg_dsl.tables.rows import Row, Table, union
from rmg_dsl.tables.values import replace_infinities

_CONSTANTS = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}
_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__)
_KINDS = {
    "list": "a list",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "a bool",
}


def read_jsonl(found: Input) -> Table:
    """A file of one JSON object per line as a table; a first walk checks every line and collects the columns.

    Columns stand in the order in which they are first seen; a row that lacks one has None there. Blank lines are
    skipped. A line that is broken or no object is a `DataError` that names it.
    """
    columns, count = _collect_columns(_json_line_rows(found))
    if not count:
        raise found.data_error("the file is empty; a table needs at least one row")
    return Table(
        columns, lambda: align_rows(_json_line_rows(found), columns), count, name=found.name
    )


def _collect_columns(rows: Iterable[Row]) -> tuple[tuple[str, ...], int]:
    seen: dict[str, None] = {}
    count = 0
    for row in rows:
        if not row.keys() <= seen.keys():
            seen.update(dict.fromkeys(row))
        count += 1
    return tuple(seen), count


def align_rows(rows: Iterable[Row], columns: tuple[str, ...]) -> Iterator[Row]:
    """Rows with every column, in order, None where there is nothing.

    >>> list(align_rows([{"b": 1}], ("a", "b")))
    [{'a': None, 'b': 1}]
    """
    for row in rows:
        yield row if (*row,) == columns else {name: row.get(name) for name in columns}


def _json_line_rows(found: Input) -> Iterator[Row]:
    with found.open() as stream:
        for line, raw in enumerate(stream, 1):
            text = decode_line(found, line, raw).strip()
            if text:
                yield _parse_json_line(found, line, text)


def _parse_json_line(found: Input, line: int, text: str) -> Row:
    try:
        item, end = _DECODER.raw_decode(text)
        if end != len(text):
            raise json.JSONDecodeError("Extra data", text, end)
    except json.JSONDecodeError as error:
        advice = (
            "; a file with one list of objects ends in .json"
            if line == 1 and text[0] == "["
            else ""
        )
        raise found.data_error(
            f"broken JSON: {error.msg} at column {error.colno}{advice}", line
        ) from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # an integer of thousands of digits, brackets a thousand deep
        raise found.data_error(f"JSON that cannot be read: {error}", line) from None
    if not isinstance(item, dict):
        advice = "; a file with one list of objects ends in .json" if isinstance(item, list) else ""
        raise found.data_error(f"this line is {_json_kind(item)}, not an object{advice}", line)
    return item


def _json_kind(item: Any) -> str:
    return _KINDS.get(type(item).__name__, "an object" if isinstance(item, dict) else "null")


def read_json(found: Input) -> Table:
    """A file that holds one list of objects as a table; unlike the other formats it is read whole."""
    rows = _require_object_list(found, _parse_json_file(found))
    columns = union(rows)
    return Table(columns, lambda: align_rows(rows, columns), len(rows), name=found.name)


def _parse_json_file(found: Input) -> Any:
    try:
        with open_text(found) as stream:
            text = stream.read()
    except UnicodeDecodeError:
        raise find_utf8_error(found) from None
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        lines = error.msg == "Extra data" and text.lstrip()[:1] == "{"
        advice = "; a file with one object per line ends in .jsonl" if lines else ""
        raise found.data_error(
            f"broken JSON: {error.msg} at column {error.colno}{advice}", error.lineno
        ) from None
    except (ValueError, RecursionError) as error:
        raise found.data_error(f"JSON that cannot be read: {error}") from None


def _require_object_list(found: Input, data: Any) -> list[Row]:
    if not isinstance(data, list):
        raise found.data_error(
            f"the file holds {_json_kind(data)}, not a list of objects{_object_list_advice(data)}"
        )
    for place, item in enumerate(data, 1):
        if not isinstance(item, dict):
            raise found.data_error(f"item {place} of the list is {_json_kind(item)}, not an object")
    return data


def _object_list_advice(data: Any) -> str:
    lists = (
        [key for key, item in data.items() if isinstance(item, list)]
        if isinstance(data, dict)
        else []
    )
    if len(lists) == 1:
        return f"; save the list under {lists[0]!r} as a file of its own, or pass it from Python as a list of dicts"
    return "; write [{...}, {...}], or one object per line in a .jsonl file"


def json_text(value: Any) -> str:
    """A plain value as JSON on one line, readable as it is; what is not finite is `null`, other objects their text.

    >>> json_text({"name": "Zoë", "score": float("inf")})
    '{"name": "Zoë", "score": null}'
    """
    try:
        return _encode_json(value)
    except ValueError:
        return _encode_json(replace_infinities(value))


# One encoder for all: `json.dumps` with settings of its own makes a new one for each call.
_encode_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode


class JsonLinesText:
    """JSON lines as text, batch by batch: one object per line.

    >>> JsonLinesText().rows([{"a": 1}, {"a": None}])
    '{"a": 1}\\n{"a": null}\\n'
    """

    head = tail = ""

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> str:
        """The lines of these rows."""
        return "".join([f"{json_text(row)}\n" for row in rows])


class JsonListText:
    """JSON as text, batch by batch: one list, one object per line inside it.

    >>> text = JsonListText()
    >>> text.rows([{"a": 1}]) + text.rows([{"a": 2}]) + text.tail
    '[\\n{"a": 1},\\n{"a": 2}\\n]\\n'
    """

    head = ""

    def __init__(self) -> None:
        self._separator = "["

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> str:
        """At least one object, and before each what separates it from the one before."""
        text = self._separator + ",".join([f"\n{json_text(row)}" for row in rows])
        self._separator = ","
        return text

    @property
    def tail(self) -> str:
        return "[]\n" if self._separator == "[" else "\n]\n"
