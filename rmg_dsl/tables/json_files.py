"""JSON: one list of objects. The only format that is read whole; it is written as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, cast

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.inputs import Input, find_utf8_error, open_text
from rmg_dsl.tables.json_text import (
    DECODER,
    broken_json_error,
    json_kind,
    json_text,
    unreadable_json_error,
)
from rmg_dsl.tables.rows import Cell, Row, Table, align_rows, union
from rmg_dsl.tables.sinks import Sink, TextSink


def read_json(source: Input) -> Table:
    """Read a file that holds one list of objects, all of it into memory.

    A file that holds anything else raises `DataError`; where the mistake is one of syntax, the
    error names the line and the column.
    """
    rows = _require_object_list(source, _parse_json_file(source))
    columns = union(rows)

    def aligned_rows() -> Iterator[Row]:
        return align_rows(rows, columns)

    return Table(columns, aligned_rows, len(rows), name=source.name)


def _parse_json_file(source: Input) -> Cell:
    text = _read_all_text(source)
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        # A second object after the first one: most likely JSON lines under the wrong ending.
        looks_like_lines = error.msg == "Extra data" and text.lstrip()[:1] == "{"
        advice = "; a file with one object per line ends in .jsonl" if looks_like_lines else ""
        raise broken_json_error(source, error, error.lineno, advice) from None
    except (ValueError, RecursionError) as error:
        raise unreadable_json_error(source, error) from None


def _read_all_text(source: Input) -> str:
    try:
        with open_text(source) as stream:
            return stream.read()
    except UnicodeDecodeError:
        raise find_utf8_error(source) from None


def _require_object_list(source: Input, data: Cell) -> list[Row]:
    if not isinstance(data, list):
        kind, advice = json_kind(data), _object_list_advice(data)
        raise source.data_error(f"the file holds {kind}, not a list of objects{advice}")
    for place, item in enumerate(data, 1):
        if not isinstance(item, dict):
            kind = json_kind(item)
            raise source.data_error(f"item {place} of the list is {kind}, not an object")
    return cast(list[Row], data)


def _object_list_advice(data: Cell) -> str:
    """What to do; an object with exactly one list most likely wraps the rows."""
    items = data.items() if isinstance(data, dict) else ()
    list_keys = [key for key, item in items if isinstance(item, list)]
    if len(list_keys) == 1:
        return (
            f"; save the list under {list_keys[0]!r} as a file of its own, "
            "or pass it from Python as a list of dicts"
        )
    return "; write [{...}, {...}], or one object per line in a .jsonl file"


class JsonListText:
    """JSON as text, batch by batch: one list, one object per line inside it.

    >>> text = JsonListText()
    >>> text.rows([{"a": 1}]) + text.rows([{"a": 2}]) + text.tail
    '[\\n{"a": 1},\\n{"a": 2}\\n]\\n'
    """

    head = ""

    def __init__(self) -> None:
        self._separator = "["

    def rows(self, rows: Iterable[Mapping[str, Cell]]) -> str:
        """The text of at least one object, with the separator from the batch before."""
        text = self._separator + ",".join([f"\n{json_text(row)}" for row in rows])
        self._separator = ","
        return text

    @property
    def tail(self) -> str:
        if self._separator == "[":
            return "[]\n"
        return "\n]\n"


def open_json_sink(
    stream: IO[bytes], _columns: Sequence[str], _kinds: Mapping[str, ColumnKind]
) -> Sink:
    """Open a sink that writes one list of objects."""
    return TextSink(stream, JsonListText())
