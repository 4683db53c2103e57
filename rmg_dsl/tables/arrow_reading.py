"""Reading files of Arrow record batches: parquet and Arrow IPC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import IO, TYPE_CHECKING, BinaryIO

from rmg_dsl.tables.arrow_columns import column_decoder, import_pyarrow
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.rows import Row, Table, quote_names, repeated_names

if TYPE_CHECKING:
    import pyarrow as pa

READ_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class ArrowContainer:
    """How a file format stores record batches.

    `name` is for messages, with its article. `inspect` reads the schema and the number of rows.
    `read_batches` yields batches; a batch larger than 1,000 rows is cut while it is decoded.
    `open_writer` opens a writer with the methods `write_table(table, max_rows)` and `close()`.
    """

    name: str
    inspect: Callable[[BinaryIO], tuple[pa.Schema, int]]
    read_batches: Callable[[BinaryIO], Iterator[pa.RecordBatch]]
    open_writer: Callable[[IO[bytes], pa.Schema], pa.ipc.RecordBatchFileWriter]


def read_container(container: ArrowContainer, source: Input) -> Table:
    """Read a file as a stream of batches; one that cannot be read raises `DataError`."""
    pa = import_pyarrow()
    try:
        with source.open() as stream:
            schema, count = container.inspect(stream)
    except (pa.ArrowException, OSError) as error:
        problem = _first_error_line(error)
        raise source.data_error(f"not {container.name} that can be read: {problem}") from None
    if repeated := repeated_names(schema.names):
        names = quote_names(repeated)
        raise source.data_error(
            f"the columns {names} stand more than once; give each a name of its own"
        )

    def rows() -> Iterator[Row]:
        return container_rows(container, source)

    return Table(tuple(schema.names), rows, count, name=source.name)


def container_rows(container: ArrowContainer, source: Input) -> Iterator[Row]:
    """The rows of a file as plain values; 1,000 of them are decoded at a time."""
    pa = import_pyarrow()
    try:
        with source.open() as stream:
            yield from batch_rows(container.read_batches(stream))
    except (pa.ArrowException, OSError) as error:
        raise source.data_error(f"the file is damaged: {_first_error_line(error)}") from None


def batch_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
    """The rows of record batches as plain values; 1,000 of them are decoded at a time."""
    for batch in batches:
        for start in range(0, batch.num_rows, READ_ROWS):
            yield from _decode_batch(batch.slice(start, READ_ROWS))


def _decode_batch(batch: pa.RecordBatch) -> Iterator[Row]:
    names = batch.schema.names
    decoders = [column_decoder(schema_field) for schema_field in batch.schema]
    columns = [decode(array) for decode, array in zip(decoders, batch.columns, strict=True)]
    # A file without columns can still have rows.
    rows = zip(*columns, strict=True) if columns else repeat((), batch.num_rows)
    for cells in rows:
        yield dict(zip(names, cells, strict=True))


def _first_error_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    if lines:
        return lines[0]
    return type(error).__name__
