"""CSV and TSV, both ways. Only an empty cell is missing, and nothing becomes a number that would not print back."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from rmg_dsl.tables.inputs import Input, text_of, undecodable
from rmg_dsl.tables.json_files import json_text
from rmg_dsl.tables.rows import Row, Table, quoted, repeated

_Reader: TypeAlias = Callable[[str], Any]
# The csv module stops at 128 KB a cell, less than one long context, and its limit is a setting of the whole process:
# it is only ever raised. More than 2**31 - 1 does not fit everywhere.
_WIDEST_CELL = 2**31 - 1


def read_csv(found: Input, delimiter: str = ",") -> Table:
    """A CSV file as a table; a first walk checks every line and decides the columns' types, so memory stays flat.

    An empty cell is None. A column is numeric where every other cell prints back the same as an int or a float (`12`,
    `-3`, `0.5`; not `007`, `1.50`, `1e5`), and bool where every other cell is `True` or `False`; all else is text.
    A header cell without a name is `Unnamed: N`, as in pandas. Blank lines are skipped. A line with more or fewer
    cells than the header, an open quote, and bytes that are not UTF-8 are a `DataError` that names the line.
    """
    columns = _header(found, delimiter)
    readers, count = _survey(_body(found, delimiter, len(columns)), len(columns))

    def rows() -> Iterator[Row]:
        for cells in _body(found, delimiter, len(columns)):
            triples = zip(columns, readers, cells, strict=True)
            yield {name: read(cell) if cell else None for name, read, cell in triples}

    return Table(columns, rows, count, name=found.name)


def _lines(found: Input, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of the line that it starts on."""
    csv.field_size_limit(max(csv.field_size_limit(), _WIDEST_CELL))
    with text_of(found) as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        start = 1
        try:
            for cells in reader:
                if cells:
                    yield start, cells
                start = reader.line_num + 1
        except csv.Error as error:
            raise found.fault(_explained(str(error)), start) from None
        except UnicodeDecodeError:
            raise undecodable(found) from None


def _explained(problem: str) -> str:
    if "unexpected end of data" in problem:
        return 'a quote that opens in this record is never closed; write a quote inside a quoted cell as ""'
    if "expected after" in problem:
        return 'text follows a closing quote in this record; write a quote inside a quoted cell as ""'
    return f"not CSV: {problem}"


def _header(found: Input, delimiter: str) -> tuple[str, ...]:
    _, cells = next(_lines(found, delimiter), (1, []))
    if not cells:
        raise found.fault("the file is empty; a table needs a header")
    columns = tuple(cell or f"Unnamed: {place}" for place, cell in enumerate(cells))
    if twice := repeated(columns):
        raise found.fault(f"the header names {quoted(twice)} more than once; give each column a name of its own", 1)
    return columns


def _body(found: Input, delimiter: str, width: int) -> Iterator[list[str]]:
    lines = _lines(found, delimiter)
    next(lines, None)
    for line, cells in lines:
        if len(cells) != width:
            advice = "quote a cell that holds the separator" if len(cells) > width else "is the record cut off?"
            raise found.fault(f"{len(cells)} cells where the header has {width} columns; {advice}", line)
        yield cells


def _survey(records: Iterable[list[str]], width: int) -> tuple[tuple[_Reader, ...], int]:
    """How to read each column, and the number of records: a reader stays possible until a cell does not print back."""
    possible: list[list[_Reader]] = [[number, _truth] for _ in range(width)]
    count = 0
    for cells in records:
        count += 1
        for place, cell in enumerate(cells):
            if cell and possible[place]:
                possible[place] = [read for read in possible[place] if read(cell) is not None]
    return tuple(left[0] if left else str for left in possible), count


def number(cell: str) -> int | float | None:
    """The number that prints as this cell, or None.

    >>> number("12"), number("-0.5"), number("007"), number("1.50"), number("1e5"), number("nan")
    (12, -0.5, None, None, None, None)
    """
    if cell[-1:] not in "0123456789":
        return None
    for kind in (int, float):
        try:
            value = kind(cell)
        except ValueError:  # no such number, or an integer of thousands of digits
            continue
        return value if repr(value) == cell else None
    return None


def _truth(cell: str) -> bool | None:
    return {"True": True, "False": False}.get(cell)


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], delimiter: str = ",") -> Iterator[str]:
    """The header and one record per row, ready to be written."""
    writer = csv.writer(_Echo(), delimiter=delimiter)
    yield _record(writer, columns)
    for row in rows:
        yield _record(writer, [cell(row.get(name)) for name in columns])


class _Echo:
    """A file for `csv.writer` that hands each record back instead of keeping it."""

    def write(self, record: str) -> str:
        return record


def _record(writer: Any, cells: Sequence[str]) -> str:
    # Written with \r\n, so that the writer quotes cells that hold either, and shortened to \n afterwards.
    record: str = writer.writerow(cells)
    return record[:-2] + "\n"


def cell(value: Any) -> str:
    """A plain value as the text of a CSV cell: numbers so that they read back the same, nested values as JSON text.

    >>> [cell(value) for value in (None, 4, 4.0, 0.1 + 0.2, True, "007", ["a"])]
    ['', '4', '4.0', '0.30000000000000004', 'True', '007', '["a"]']
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return json_text(value) if isinstance(value, list | dict) else str(value)
