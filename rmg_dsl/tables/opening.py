"""Whatever a caller calls data, as a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.tables.csv_files import read_csv
from rmg_dsl.tables.frames import frame_table, is_frame, saved_frame
from rmg_dsl.tables.inputs import Input, file_input, format_of, stdin_input
from rmg_dsl.tables.json_files import read_json, read_jsonl
from rmg_dsl.tables.other_frames import is_other_frame, other_frame_table
from rmg_dsl.tables.parquet_files import read_parquet
from rmg_dsl.tables.rows import Row, Table, quote_names, union
from rmg_dsl.tables.selection import limit_rows, sample_rows
from rmg_dsl.tables.values import to_plain

if TYPE_CHECKING:
    import pandas as pd

_READERS_BY_FORMAT: Mapping[str, Callable[[Input], Table]] = {
    "csv": read_csv,
    "tsv": partial(read_csv, delimiter="\t"),
    "jsonl": read_jsonl,
    "json": read_json,
    "parquet": read_parquet,
}


def open_table(data: Any, *, stdin: IO[str] | IO[bytes] | None = None) -> Table:
    """The rows of a frame, of a list of dicts, or of a file, to be walked as often as wanted.

    >>> table = open_table([{"answer": "yes", "score": float("nan")}, {"answer": "no", "note": "late"}])
    >>> table.columns, table.count
    (('answer', 'score', 'note'), 2)
    >>> list(table)[1]
    {'answer': 'no', 'score': None, 'note': 'late'}

    `data` is a frame of pandas, polars or pyarrow; a list (or any iterable) of mappings; a path that ends in .csv,
    .tsv, .jsonl, .ndjson, .json or .parquet; or `-` for standard input, whose first characters tell JSON and JSON lines
    from CSV. Files are streams: all but .json are never held whole. Values are Python's own, every null is None (see
    `plain`).

    A file that is missing, empty, broken, or not UTF-8, and names of columns that are not text or stand twice, are a
    `DataError` that says where; what is no data at all is a `UsageError`.
    """
    if is_frame(data):
        return frame_table(data)
    if is_other_frame(data):
        return other_frame_table(data)
    if isinstance(data, str | os.PathLike):
        return _file_table(os.fspath(cast("str | os.PathLike[str]", data)), stdin)
    if isinstance(data, Mapping):
        raise UsageError(
            "the data is one dict; give a list of dicts, one per row, or pandas.DataFrame(data)"
        )
    if isinstance(data, Table):
        return data
    if not isinstance(data, Iterable) or isinstance(data, bytes | bytearray):
        raise UsageError(
            f"the data is {type(data).__name__}; give a frame, a list of dicts, or a path{_conversion_advice(data)}"
        )
    return _rows_table(
        data if isinstance(data, list | tuple) else list(data), _conversion_advice(data)
    )


def _conversion_advice(data: object) -> str:
    for method in ("to_pandas", "to_frame"):
        if hasattr(data, method):
            return f"; .{method}() of it makes a frame"
    return ""


def _file_table(path: str, stdin: IO[str] | IO[bytes] | None) -> Table:
    if path == "-":
        kind, found = stdin_input(stdin)
    else:
        kind = format_of(path)
        found = file_input(path)
    return _READERS_BY_FORMAT[kind](found)


def _rows_table(data: Iterable[Any], advice: str) -> Table:
    rows = list(data)
    for place, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise DataError(f"row {place} of the data is {type(row).__name__}, not a dict{advice}")
    columns: tuple[Any, ...] = union(rows)
    if odd := [name for name in columns if not isinstance(name, str)]:
        raise DataError(f"the keys of the rows must be text, these are not: {quote_names(odd[:5])}")

    def plain_rows() -> Iterable[Row]:
        return ({name: to_plain(row.get(name)) for name in columns} for row in rows)

    return Table(columns, lambda: iter(plain_rows()), len(rows), name="the list of rows")


def read_frame(
    path: str | os.PathLike[str],
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """A data file as a frame, by the rules of `open_table`: what `write_table` saved comes back as it was.

    >>> import pathlib, tempfile
    >>> from rmg_dsl.tables import read_frame, write_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "out.csv")
    ...     write_table(path, ["id", "tone_status"], [{"id": "007", "tone_status": "ok"}])
    ...     read_frame(path).dtypes.astype(str).to_dict()
    {'id': 'string', 'tone_status': 'category'}

    Dtypes are the nullable ones; a column that ends in `_status` and holds nothing but statuses is a categorical.
    `limit` takes the first rows, and `sample` draws some of them by `seed`.
    """
    table = limit_rows(_file_table(os.fspath(path), None), limit)
    return saved_frame(sample_rows(table, sample, seed))
