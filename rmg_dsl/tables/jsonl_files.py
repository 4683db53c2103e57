"""JSON lines: one object per line, read and written as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.inputs import Input, decode_line
from rmg_dsl.tables.json_text import (
    DECODER,
    broken_json_error,
    json_kind,
    json_text,
    unreadable_json_error,
)
from rmg_dsl.tables.rows import Cell, Row, Table, align_rows
from rmg_dsl.tables.sinks import Sink, TextSink

_LINE_ADVICE = "; in JSON lines every line is a whole object, and this one goes on below"
_LIST_ADVICE = "; a file with one list of objects ends in .json"


def read_jsonl(source: Input) -> Table:
    """Read a file of one JSON object per line, as a stream.

    A first walk checks every line and collects the columns, in the order in which they first
    appear. A row that lacks a column has None there. Blank lines are skipped. A line that is not a
    JSON object raises `DataError` with the number of the line.
    """
    columns, count = _collect_columns(_json_line_rows(source))
    if not count:
        raise source.data_error("the file is empty; a table needs at least one row")

    def rows() -> Iterator[Row]:
        return align_rows(_json_line_rows(source), columns)

    return Table(columns, rows, count, name=source.name)


def _collect_columns(rows: Iterable[Row]) -> tuple[tuple[str, ...], int]:
    columns: dict[str, None] = {}
    count = 0
    for row in rows:
        # Most rows bring no new column: the comparison is cheaper than the update.
        if not row.keys() <= columns.keys():
            columns.update(dict.fromkeys(row))
        count += 1
    return tuple(columns), count


def _json_line_rows(source: Input) -> Iterator[Row]:
    with source.open() as stream:
        for line, raw in enumerate(stream, 1):
            text = decode_line(source, line, raw).strip()
            if text:
                yield _parse_json_line(source, line, text)


def _parse_json_line(source: Input, line: int, text: str) -> Row:
    item = _decode_json_line(source, line, text)
    if isinstance(item, dict):
        return item
    advice = _LIST_ADVICE if isinstance(item, list) else ""
    raise source.data_error(f"this line is {json_kind(item)}, not an object{advice}", line)


def _decode_json_line(source: Input, line: int, text: str) -> Cell:
    try:
        item, end = DECODER.raw_decode(text)
        if end != len(text):
            raise json.JSONDecodeError("Extra data", text, end)
    except json.JSONDecodeError as error:
        advice = ""
        if line == 1 and text[0] == "[":
            advice = _LIST_ADVICE
        elif text[0] == "{" and text[-1] != "}":
            advice = _LINE_ADVICE
        raise broken_json_error(source, error, line, advice) from None
    except (ValueError, RecursionError) as error:
        raise unreadable_json_error(source, error, line) from None
    return item


class JsonLinesText:
    """JSON lines as text, batch by batch: one object per line.

    >>> JsonLinesText().rows([{"a": 1}, {"a": None}])
    '{"a": 1}\\n{"a": null}\\n'
    """

    head = tail = ""

    def rows(self, rows: Iterable[Mapping[str, Cell]]) -> str:
        """The lines of these rows."""
        return "".join([f"{json_text(row)}\n" for row in rows])


def open_jsonl_sink(
    stream: IO[bytes], _columns: Sequence[str], _kinds: Mapping[str, ColumnKind]
) -> Sink:
    """Open a sink that writes JSON lines."""
    return TextSink(stream, JsonLinesText())
