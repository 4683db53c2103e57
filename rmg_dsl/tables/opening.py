"""Open data of any supported kind as a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, cast

from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.tables.formats import reader_of, sniff_reader
from rmg_dsl.tables.frames import frame_table, is_frame, saved_frame
from rmg_dsl.tables.inputs import file_input, stdin_input
from rmg_dsl.tables.other_frames import is_other_frame, other_frame_table
from rmg_dsl.tables.rows import Row, Table, quote_names, union
from rmg_dsl.tables.selection import limit_rows, sample_rows
from rmg_dsl.tables.values import to_plain

if TYPE_CHECKING:
    import pandas as pd


def open_table(data: object, *, stdin: IO[str] | IO[bytes] | None = None) -> Table:
    """The rows of a frame, of a list of dicts, or of a file, for any number of walks.

    >>> rows = [{"answer": "yes", "score": float("nan")}, {"answer": "no", "note": "late"}]
    >>> table = open_table(rows)
    >>> table.columns, table.count
    (('answer', 'score', 'note'), 2)
    >>> list(table)[1]
    {'answer': 'no', 'score': None, 'note': 'late'}

    `data` is a frame of pandas, polars or pyarrow; a list (or any iterable) of mappings; a path
    that ends in one of the readable endings of `FORMATS`; or `-` for standard input, whose first
    characters tell the format. Files are read as streams, except JSON. Values are Python's own, and
    every null is None (see `to_plain`).

    A file that is missing, empty, broken or not UTF-8, and column names that are repeated or not
    text, raise `DataError` with the place. Data of another type, and a path with an unknown
    ending, raise `UsageError`.
    """
    if is_frame(data):
        return frame_table(cast("pd.DataFrame", data))
    if is_other_frame(data):
        return other_frame_table(data)
    if isinstance(data, str | os.PathLike):
        return _file_table(os.fspath(cast("str | os.PathLike[str]", data)), stdin)
    if isinstance(data, Mapping):
        advice = "give a list of dicts, one per row, or pandas.DataFrame(data)"
        raise UsageError(f"the data is one dict; {advice}")
    if isinstance(data, Table):
        return data
    if not isinstance(data, Iterable) or isinstance(data, bytes | bytearray):
        advice = f"give a frame, a list of dicts, or a path{_conversion_advice(data)}"
        raise UsageError(f"the data is {type(data).__name__}; {advice}")
    return _rows_table(list(data), _conversion_advice(data))


def _conversion_advice(data: object) -> str:
    for method in ("to_frame", "to_pandas"):
        if hasattr(data, method):
            return f"; .{method}() of it makes a frame"
    return ""


def _file_table(path: str, stdin: IO[str] | IO[bytes] | None) -> Table:
    if path == "-":
        start, source = stdin_input(stdin)
        return sniff_reader(start)(source)
    # The ending first: a file of an unknown format is refused before it is opened.
    read = reader_of(path)
    return read(file_input(path))


def _rows_table(rows: list[object], advice: str) -> Table:
    for place, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            kind = type(row).__name__
            raise DataError(f"row {place} of the data is {kind}, not a dict{advice}")
    mappings = cast("list[Mapping[str, object]]", rows)
    columns: tuple[object, ...] = union(mappings)
    if wrong := [name for name in columns if not isinstance(name, str)]:
        keys = quote_names(wrong[:5])
        raise DataError(f"the keys of the rows must be text, these are not: {keys}")
    names = cast("tuple[str, ...]", columns)

    def plain_rows() -> Iterator[Row]:
        for row in mappings:
            yield {name: to_plain(row.get(name)) for name in names}

    return Table(names, plain_rows, len(mappings), name="the list of rows")


def read_frame(
    path: str | os.PathLike[str],
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """A data file as a frame, by the rules of `open_table`; what `write_table` saved reads back.

    >>> import pathlib, tempfile
    >>> from rmg_dsl.tables import read_frame, write_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "out.csv")
    ...     write_table(path, ["id", "tone_status"], [{"id": "007", "tone_status": "ok"}])
    ...     read_frame(path).dtypes.astype(str).to_dict()
    {'id': 'string', 'tone_status': 'category'}

    Dtypes are the nullable ones. A column that ends in `_status` and holds only statuses is a
    categorical. `limit` takes the first rows, and `sample` draws some of them by `seed`.
    """
    table = limit_rows(_file_table(os.fspath(path), None), limit)
    return saved_frame(sample_rows(table, sample, seed))
