"""Reading parquet; pyarrow is an extra, imported only when a parquet file is read or written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

from rmg_dsl.errors import DataError
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.rows import Row, Table, quote_names, repeated_names
from rmg_dsl.tables.values import to_plain

JSON_MARK = (
    b"rmg.json"  # in a column's metadata: its cells are JSON text, to be read back as the values
)
_READ_ROWS = 1_000
_READ_BYTES = 2**20  # of each column: not a whole row group, which may be the whole file


def import_pyarrow() -> Any:
    """The library, or a `DataError` that says how to get it."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError('parquet files need pyarrow: pip install "rmg-dsl[parquet]"') from None
    return pyarrow


def read_parquet(found: Input) -> Table:
    """A parquet file as a table, read in batches; a file that is none, or is damaged, is a `DataError`."""
    pa = import_pyarrow()
    try:
        with found.open() as stream, pa.parquet.ParquetFile(stream) as file:
            schema, count = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise found.data_error(
            f"not a parquet file that can be read: {_first_error_line(error)}"
        ) from None
    if twice := repeated_names(schema.names):
        raise found.data_error(
            f"the columns {quote_names(twice)} stand more than once; give each a name of its own"
        )
    return Table(tuple(schema.names), lambda: parquet_rows(found), count, name=found.name)


def _first_error_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def parquet_rows(found: Input) -> Iterator[Row]:
    """The rows of a parquet file as plain values, a batch of them in memory at a time."""
    pa = import_pyarrow()
    # By one thread: of what several have done with, pyarrow keeps more and more.
    try:
        with (
            found.open() as stream,
            pa.parquet.ParquetFile(stream, buffer_size=_READ_BYTES) as file,
        ):
            schema = file.schema_arrow
            readers = [_column_reader(pa, field) for field in schema]
            for batch in file.iter_batches(batch_size=_READ_ROWS, use_threads=False):
                columns = [read(array) for read, array in zip(readers, batch.columns, strict=True)]
                rows = zip(*columns, strict=True) if columns else repeat((), batch.num_rows)
                yield from (dict(zip(schema.names, cells, strict=True)) for cells in rows)
    except (pa.ArrowException, OSError) as error:
        raise found.data_error(f"the file is damaged: {_first_error_line(error)}") from None


def _column_reader(pa: Any, field: Any) -> Callable[[Any], list[Any]]:
    """How a column becomes plain values: texts, whole numbers and bools are that already."""
    if JSON_MARK in (field.metadata or {}):
        return lambda array: [
            None if text is None else json.loads(text) for text in array.to_pylist()
        ]
    types, kind = pa.types, field.type
    if any(
        test(kind)
        for test in (types.is_string, types.is_large_string, types.is_integer, types.is_boolean)
    ):
        return lambda array: array.to_pylist()
    return lambda array: [to_plain(value) for value in array.to_pylist()]
