"""CSV and TSV, read and written as streams.

Only an empty cell is missing. A cell becomes a number only where the number prints back the same.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import IO, TypeAlias, TypeVar

from rmg_dsl.cells import CellText
from rmg_dsl.errors import DataError
from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.inputs import Input, find_utf8_error, open_text
from rmg_dsl.tables.json_text import json_text
from rmg_dsl.tables.rows import Cell, Row, Table, quote_names, repeated_names
from rmg_dsl.tables.sinks import Sink, TextSink

_CellParser: TypeAlias = Callable[[str], Cell]
_Number = TypeVar("_Number", int, float)
# The csv module stops at 128 KB per cell, less than one long context. Its limit is a setting of the
# whole process, so it is only ever raised. More than 2**31 - 1 does not fit on every platform.
_MAX_CELL_CHARS = 2**31 - 1
_SURVEY_BATCH_ROWS = 256
_OTHER_DELIMITERS = (";", "\t", "|", ",")
_QUOTE_ADVICE = 'write a quote inside a quoted cell as ""'


def read_csv(source: Input, delimiter: str = ",") -> Table:
    """Read a CSV file as a stream, in constant memory.

    A first walk checks every line and decides the types of the columns. An empty cell is None. A
    column is numeric where every other cell prints back the same as an int or a float (`12`, `-3`,
    `0.5`; not `007`, `1.50`, `1e5`), and bool where every other cell is `True` or `False`. Any
    other column is text. A header cell without a name becomes `Unnamed: N`, as in pandas. Blank
    lines are skipped. Where the header has one cell, and `;`, a tab or `|` parts it and the next
    line alike, that is the separator. A line with more or fewer cells than the header, an open
    quote, and bytes that are not UTF-8 raise `DataError` with the number of the line.
    """
    delimiter = _delimiter_of(source, delimiter)
    columns = _header(source, delimiter)
    records = _data_records(source, delimiter, len(columns))
    parsers, count = _survey_columns(records, len(columns))
    fast_parsers = {
        name: _FAST_CELL_PARSERS[parser]
        for name, parser in zip(columns, parsers, strict=True)
        if parser is not None
    }

    def rows() -> Iterator[Row]:
        return _csv_rows(source, delimiter, columns, fast_parsers)

    def cells() -> Iterator[Row]:
        return _csv_cell_rows(source, delimiter, columns, fast_parsers)

    return Table(columns, rows, count, name=source.name, cells=cells)


def _delimiter_of(source: Input, delimiter: str) -> str:
    """The separator of a file: the usual one, or the other one that parts its first two lines.

    Spreadsheets write `;` where the comma begins the decimals.
    """
    with suppress(DataError):
        # A header with two cells needs no other separator.
        if max(_first_widths(source, delimiter)[:1], default=0) > 1:
            return delimiter
        for other in _OTHER_DELIMITERS:
            widths = _first_widths(source, other)
            if widths and widths[0] > 1 and len(set(widths)) == 1:
                return other
    return delimiter


def _first_widths(source: Input, delimiter: str) -> list[int]:
    """The numbers of cells of the first two records."""
    return [len(cells) for _, cells in islice(_csv_records(source, delimiter), 2)]


read_tsv = partial(read_csv, delimiter="\t")


def _csv_rows(
    source: Input, delimiter: str, columns: Sequence[str], parsers: Mapping[str, _CellParser]
) -> Iterator[Row]:
    try:
        for cells in _data_records(source, delimiter, len(columns)):
            row: Row = dict(zip(columns, cells, strict=True))
            for name, parse in parsers.items():
                if row[name]:
                    row[name] = parse(row[name])
            # Text columns have no parser, and most rows have no empty cell: look for one first.
            if "" in cells:
                empty = [name for name, cell in zip(columns, cells, strict=True) if not cell]
                row.update(dict.fromkeys(empty))
            yield row
    except (ValueError, KeyError) as error:
        # Every cell passed its parser in the survey, so the bytes are not the same any more.
        raise source.data_error(f"the file changed while it was read: {error}") from None


def _csv_cell_rows(
    source: Input, delimiter: str, columns: Sequence[str], parsers: Mapping[str, _CellParser]
) -> Iterator[Row]:
    """The rows with each cell as its text: what it means is decided where it is used."""
    named_parsers = [(name, _strict_parser(parsers.get(name), source)) for name in columns]
    for record in _data_records(source, delimiter, len(columns)):
        yield {
            name: CellText(cell, parse) if cell else None
            for (name, parse), cell in zip(named_parsers, record, strict=True)
        }


def _strict_parser(parse: _CellParser | None, source: Input) -> _CellParser | None:
    """A parser that reports a cell which its column did not have when the file was opened."""
    if parse is None:
        return None

    def parse_or_report(cell: str) -> Cell:
        try:
            return parse(cell)
        except (ValueError, KeyError) as error:
            raise source.data_error(f"the file changed while it was read: {error}") from None

    return parse_or_report


def _csv_records(source: Input, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the number of the line that it starts on."""
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL_CHARS))
    with open_text(source) as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        start = 1
        try:
            for cells in reader:
                if cells:
                    yield start, cells
                start = reader.line_num + 1
        except csv.Error as error:
            raise source.data_error(_explain_csv_error(str(error)), start) from None
        except UnicodeDecodeError:
            raise find_utf8_error(source) from None


def _explain_csv_error(problem: str) -> str:
    if "unexpected end of data" in problem:
        return f"a quote that opens in this record is never closed; {_QUOTE_ADVICE}"
    if "expected after" in problem:
        return f"text follows a closing quote in this record; {_QUOTE_ADVICE}"
    return f"not CSV: {problem}"


def _header(source: Input, delimiter: str) -> tuple[str, ...]:
    _, cells = next(_csv_records(source, delimiter), (1, []))
    if not cells:
        raise source.data_error("the file is empty; a table needs a header")
    columns = tuple(cell or f"Unnamed: {place}" for place, cell in enumerate(cells))
    if repeated := repeated_names(columns):
        names = quote_names(repeated)
        advice = "give each column a name of its own"
        raise source.data_error(f"the header names {names} more than once; {advice}", 1)
    return columns


def _data_records(source: Input, delimiter: str, width: int) -> Iterator[list[str]]:
    """The cells of each record after the header; each has `width` cells."""
    records = _csv_records(source, delimiter)
    next(records, None)
    for line, cells in records:
        if len(cells) != width:
            raise source.data_error(_explain_width(len(cells), width), line)
        yield cells


def _explain_width(count: int, width: int) -> str:
    advice = "is the record cut off?"
    if count > width:
        advice = "quote a cell that holds the separator"
    return f"{count} cells where the header has {width} columns; {advice}"


# ── the types of the columns ─────────────────────────────────────────────────────────────────────


def _survey_columns(
    records: Iterator[list[str]], width: int
) -> tuple[list[_CellParser | None], int]:
    """The narrowest parser that fits every cell of each column, and the number of records.

    A column of text, and one without a value, has None.
    """
    parsers: list[_CellParser | None] = [None] * width
    count = 0
    while batch := list(islice(records, _SURVEY_BATCH_ROWS)):
        count += len(batch)
        for place, column in enumerate(zip(*batch, strict=True)):
            # Text fits every cell: such a column needs no further look.
            if parsers[place] is not str and (cells := list(filter(None, column))):
                parsers[place] = _narrowest_parser(parsers[place], cells)
    return [None if parser is str else parser for parser in parsers], count


def _narrowest_parser(previous: _CellParser | None, cells: Sequence[str]) -> _CellParser:
    """The first parser that fits these cells, of those that may fit all the earlier ones."""
    for parser in _WIDER_PARSERS[previous]:
        if None not in map(parser, cells):
            return parser
    return str


def parse_number_cell(cell: str) -> int | float | None:
    """The number that prints as this cell, or None.

    >>> [parse_number_cell(cell) for cell in ("12", "-0.5", "007", "1.50", "1e5", "nan")]
    [12, -0.5, None, None, None, None]
    """
    whole = _parse_int_cell(cell)
    if whole is None:
        return _parse_float_cell(cell)
    return whole


def _parse_int_cell(cell: str) -> int | None:
    return _parse_exact_number(cell, int)


def _parse_float_cell(cell: str) -> float | None:
    return _parse_exact_number(cell, float)


def _parse_exact_number(cell: str, kind: type[_Number]) -> _Number | None:
    # A quick refusal: an exception per cell of text would take most of the time of a survey.
    if cell[-1:] not in "0123456789":
        return None
    try:
        value = kind(cell)
    except ValueError:  # not a number, or an integer of thousands of digits
        return None
    if repr(value) == cell:
        return value
    return None


def _parse_bool_cell(cell: str) -> bool | None:
    return _BOOL_CELLS.get(cell)


_BOOL_CELLS = {"True": True, "False": False}
# The parsers that may fit a column after one has fitted its first cells, the narrowest first.
_WIDER_PARSERS: Mapping[_CellParser | None, tuple[_CellParser, ...]] = {
    None: (_parse_int_cell, _parse_float_cell, parse_number_cell, _parse_bool_cell),
    _parse_int_cell: (_parse_int_cell, parse_number_cell),
    _parse_float_cell: (_parse_float_cell, parse_number_cell),
    parse_number_cell: (parse_number_cell,),
    _parse_bool_cell: (_parse_bool_cell,),
}
# The parser of a cell after the survey: it need not check that the value prints back the same.
_FAST_CELL_PARSERS: Mapping[_CellParser, _CellParser] = {
    _parse_int_cell: int,
    _parse_float_cell: float,
    parse_number_cell: parse_number_cell,
    _parse_bool_cell: _BOOL_CELLS.__getitem__,
}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


class CsvText:
    """CSV as text, batch by batch: the header, then one record per row.

    >>> text = CsvText(["a", "b"])
    >>> text.head, text.rows([{"a": 1, "b": "x\\ny"}, {"a": None, "b": [0.5]}]), text.tail
    ('a,b\\n', '1,"x\\ny"\\n,[0.5]\\n', '')

    Every row has exactly the columns, in their order.
    """

    tail = ""

    def __init__(self, columns: Sequence[str], delimiter: str = ",") -> None:
        self._columns = columns
        self._records = _RecordBuffer()
        self._writer = csv.writer(self._records, delimiter=delimiter)

    @property
    def head(self) -> str:
        return self._records_text([self._columns])

    def rows(self, rows: Iterable[Mapping[str, Cell]]) -> str:
        """The records of these rows."""
        return self._records_text(map(_csv_cells, rows))

    def _records_text(self, records: Iterable[Sequence[Cell]]) -> str:
        self._writer.writerows(records)
        # The records end in \r\n, so that the writer quotes cells that hold either character;
        # they are shortened to \n here.
        return "".join([f"{record[:-2]}\n" for record in self._records.take_all()])


class _RecordBuffer:
    """A file for `csv.writer` that stores each record as one string."""

    def __init__(self) -> None:
        self._pending: list[str] = []

    def write(self, record: str) -> None:
        self._pending.append(record)

    def take_all(self) -> list[str]:
        records = self._pending
        self._pending = []
        return records


# `csv.writer` writes these as `csv_cell_text` does. Most cells are of these types and need no call.
_CSV_NATIVE_TYPES = frozenset({str, int, bool, type(None)})


def _csv_cells(row: Mapping[str, Cell]) -> list[Cell]:
    return [
        value if type(value) in _CSV_NATIVE_TYPES else csv_cell_text(value)
        for value in row.values()
    ]


def csv_cell_text(value: Cell) -> str:
    """Encode a plain value as the text of a CSV cell; numbers read back the same.

    >>> [csv_cell_text(value) for value in (None, 4, 4.0, 0.1 + 0.2, True, "007", ["a"])]
    ['', '4', '4.0', '0.30000000000000004', 'True', '007', '["a"]']

    Lists and dicts become JSON text; NaN and infinities become an empty cell.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, list | dict):
        return json_text(value)
    return str(value)


def open_csv_sink(
    stream: IO[bytes],
    columns: Sequence[str],
    _kinds: Mapping[str, ColumnKind],
    delimiter: str = ",",
) -> Sink:
    """Open a sink that writes a header and one record per row."""
    return TextSink(stream, CsvText(columns, delimiter))


open_tsv_sink = partial(open_csv_sink, delimiter="\t")
