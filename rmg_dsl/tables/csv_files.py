"""CSV and TSV, both ways. Only an empty cell is missing, and nothing becomes a number that would not print back."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from rmg_dsl.tables.inputs import Input, find_utf8_error, open_text
from rmg_dsl.tables.json_files import json_text
from rmg_dsl.tables.rows import Row, Table, quote_names, repeated_names

_CellParser: TypeAlias = Callable[[str], Any]
_Number = TypeVar("_Number", int, float)
# The csv module stops at 128 KB a cell, less than one long context, and its limit is a setting of the whole process:
# it is only ever raised. More than 2**31 - 1 does not fit everywhere.
_MAX_CELL_CHARS = 2**31 - 1
_SURVEY_BATCH_ROWS = 256


def read_csv(found: Input, delimiter: str = ",") -> Table:
    """A CSV file as a table; a first walk checks every line and decides the columns' types, so memory stays flat.

    An empty cell is None. A column is numeric where every other cell prints back the same as an int or a float (`12`,
    `-3`, `0.5`; not `007`, `1.50`, `1e5`), and bool where every other cell is `True` or `False`; all else is text.
    A header cell without a name is `Unnamed: N`, as in pandas. Blank lines are skipped. A line with more or fewer
    cells than the header, an open quote, and bytes that are not UTF-8 are a `DataError` that names the line.
    """
    columns = _header(found, delimiter)
    tests, count = _survey_columns(_data_records(found, delimiter, len(columns)), len(columns))
    readers = {
        name: _FAST_CELL_PARSERS[test]
        for name, test in zip(columns, tests, strict=True)
        if test is not None
    }
    return Table(
        columns, lambda: _csv_rows(found, delimiter, columns, readers), count, name=found.name
    )


def _csv_rows(
    found: Input, delimiter: str, columns: Sequence[str], readers: Mapping[str, _CellParser]
) -> Iterator[Row]:
    try:
        for cells in _data_records(found, delimiter, len(columns)):
            row: Row = dict(zip(columns, cells, strict=True))
            for name, read in readers.items():
                if row[name]:
                    row[name] = read(row[name])
            if "" in cells:
                row.update(
                    (name, None) for name, cell in zip(columns, cells, strict=True) if not cell
                )
            yield row
    except (ValueError, KeyError) as error:
        raise found.data_error(f"the file changed while it was read: {error}") from None


def _csv_records(found: Input, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of the line that it starts on."""
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL_CHARS))
    with open_text(found) as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        start = 1
        try:
            for cells in reader:
                if cells:
                    yield start, cells
                start = reader.line_num + 1
        except csv.Error as error:
            raise found.data_error(_explain_csv_error(str(error)), start) from None
        except UnicodeDecodeError:
            raise find_utf8_error(found) from None


def _explain_csv_error(problem: str) -> str:
    if "unexpected end of data" in problem:
        return 'a quote that opens in this record is never closed; write a quote inside a quoted cell as ""'
    if "expected after" in problem:
        return (
            'text follows a closing quote in this record; write a quote inside a quoted cell as ""'
        )
    return f"not CSV: {problem}"


def _header(found: Input, delimiter: str) -> tuple[str, ...]:
    _, cells = next(_csv_records(found, delimiter), (1, []))
    if not cells:
        raise found.data_error("the file is empty; a table needs a header")
    columns = tuple(cell or f"Unnamed: {place}" for place, cell in enumerate(cells))
    if twice := repeated_names(columns):
        raise found.data_error(
            f"the header names {quote_names(twice)} more than once; give each column a name of its own",
            1,
        )
    return columns


def _data_records(found: Input, delimiter: str, width: int) -> Iterator[list[str]]:
    lines = _csv_records(found, delimiter)
    next(lines, None)
    for line, cells in lines:
        if len(cells) != width:
            advice = (
                "quote a cell that holds the separator"
                if len(cells) > width
                else "is the record cut off?"
            )
            raise found.data_error(
                f"{len(cells)} cells where the header has {width} columns; {advice}", line
            )
        yield cells


# ── what the cells of a column are ───────────────────────────────────────────────────────────────────────────────


def _survey_columns(
    records: Iterator[list[str]], width: int
) -> tuple[list[_CellParser | None], int]:
    """What holds for every cell of each column, and the number of records; None where there is no such test."""
    tests: list[_CellParser | None] = [None] * width
    count = 0
    while batch := list(islice(records, _SURVEY_BATCH_ROWS)):
        count += len(batch)
        for place, column in enumerate(zip(*batch, strict=True)):
            if tests[place] is not str and (cells := list(filter(None, column))):
                tests[place] = _narrowest_parser(tests[place], cells)
    return [None if test is str else test for test in tests], count


def _narrowest_parser(before: _CellParser | None, cells: Sequence[str]) -> _CellParser:
    """The first test that all these cells pass, of those that all the earlier ones passed too."""
    return next((test for test in _REMAINING_PARSERS[before] if None not in map(test, cells)), str)


def parse_number_cell(cell: str) -> int | float | None:
    """The number that prints as this cell, or None.

    >>> parse_number_cell("12"), parse_number_cell("-0.5"), parse_number_cell("007"), parse_number_cell("1.50"), parse_number_cell("1e5"), parse_number_cell("nan")
    (12, -0.5, None, None, None, None)
    """
    whole = _parse_int_cell(cell)
    return _parse_float_cell(cell) if whole is None else whole


def _parse_int_cell(cell: str) -> int | None:
    return _parse_exact_number(cell, int)


def _parse_float_cell(cell: str) -> float | None:
    return _parse_exact_number(cell, float)


def _parse_exact_number(cell: str, kind: type[_Number]) -> _Number | None:
    if cell[-1:] not in "0123456789":
        return None
    try:
        value = kind(cell)
    except ValueError:  # no such number, or an integer of thousands of digits
        return None
    return value if repr(value) == cell else None


def _parse_bool_cell(cell: str) -> bool | None:
    return _BOOL_CELLS.get(cell)


_BOOL_CELLS = {"True": True, "False": False}
# What may still hold of a column after a test has held so far, the narrowest first.
_REMAINING_PARSERS: Mapping[_CellParser | None, tuple[_CellParser, ...]] = {
    None: (_parse_int_cell, _parse_float_cell, parse_number_cell, _parse_bool_cell),
    _parse_int_cell: (_parse_int_cell, parse_number_cell),
    _parse_float_cell: (_parse_float_cell, parse_number_cell),
    parse_number_cell: (parse_number_cell,),
    _parse_bool_cell: (_parse_bool_cell,),
}
# How a cell is read that is known to pass.
_FAST_CELL_PARSERS: Mapping[_CellParser, _CellParser] = {
    _parse_int_cell: int,
    _parse_float_cell: float,
    parse_number_cell: parse_number_cell,
    _parse_bool_cell: _BOOL_CELLS.__getitem__,
}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────


class CsvText:
    """CSV as text, batch by batch: the header, then a record for each row, which has exactly the columns in order.

    >>> text = CsvText(["a", "b"])
    >>> text.head, text.rows([{"a": 1, "b": "x\\ny"}, {"a": None, "b": [0.5]}]), text.tail
    ('a,b\\n', '1,"x\\ny"\\n,[0.5]\\n', '')
    """

    tail = ""

    def __init__(self, columns: Sequence[str], delimiter: str = ",") -> None:
        self._columns, self._records = columns, _RecordBuffer()
        self._writer = csv.writer(self._records, delimiter=delimiter)

    @property
    def head(self) -> str:
        return self._records_text([self._columns])

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> str:
        """The records of these rows."""
        return self._records_text(map(_csv_cells, rows))

    def _records_text(self, records: Iterable[Sequence[Any]]) -> str:
        self._writer.writerows(records)
        # Written with \r\n, so that the writer quotes cells that hold either, and shortened to \n afterwards.
        return "".join([f"{record[:-2]}\n" for record in self._records.take_all()])


class _RecordBuffer:
    """A file for `csv.writer` that keeps each record by itself until they are taken."""

    def __init__(self) -> None:
        self._pending: list[str] = []

    def write(self, record: str) -> None:
        self._pending.append(record)

    def take_all(self) -> list[str]:
        held, self._pending = self._pending, []
        return held


# What `csv.writer` writes as `cell` does: most cells, so that most need no call of their own.
_CSV_NATIVE_TYPES = frozenset({str, int, bool, type(None)})


def _csv_cells(row: Mapping[str, Any]) -> list[Any]:
    return [
        value if type(value) in _CSV_NATIVE_TYPES else csv_cell_text(value)
        for value in row.values()
    ]


def csv_cell_text(value: Any) -> str:
    """A plain value as the text of a CSV cell: numbers so that they read back the same, nested values as JSON text.

    >>> [csv_cell_text(value) for value in (None, 4, 4.0, 0.1 + 0.2, True, "007", ["a"])]
    ['', '4', '4.0', '0.30000000000000004', 'True', '007', '["a"]']
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return json_text(value) if isinstance(value, list | dict) else str(value)
