"""Arrow IPC files (`.arrow`, `.feather`), read and written as a stream of record batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, BinaryIO

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.arrow_columns import import_pyarrow
from rmg_dsl.tables.arrow_reading import ArrowContainer, read_container
from rmg_dsl.tables.arrow_writing import ArrowSink
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.rows import Table
from rmg_dsl.tables.sinks import Sink

if TYPE_CHECKING:
    import pyarrow as pa


def _inspect_arrow(stream: BinaryIO) -> tuple[pa.Schema, int]:
    ipc = import_pyarrow().ipc
    schema = ipc.open_file(stream).schema
    # The footer does not hold the number of rows; the first column of each batch gives it.
    first = [0] if schema.names else []
    options = ipc.IpcReadOptions(included_fields=first, use_threads=False)
    reader = ipc.open_file(stream, options=options)
    places = range(reader.num_record_batches)
    return schema, sum(reader.get_batch(place).num_rows for place in places)


def _read_arrow_batches(stream: BinaryIO) -> Iterator[pa.RecordBatch]:
    ipc = import_pyarrow().ipc
    reader = ipc.open_file(stream, options=ipc.IpcReadOptions(use_threads=False))
    for place in range(reader.num_record_batches):
        batch = reader.get_batch(place)
        # Reading checks no offsets: those of a damaged file could point outside the memory.
        batch.validate(full=True)
        yield batch


def _open_arrow_writer(stream: IO[bytes], schema: pa.Schema) -> pa.ipc.RecordBatchFileWriter:
    # Not compressed: some readers of Arrow files cannot decompress.
    return import_pyarrow().ipc.new_file(stream, schema)


_ARROW = ArrowContainer(
    "an Arrow IPC file", _inspect_arrow, _read_arrow_batches, _open_arrow_writer
)


def read_arrow(source: Input) -> Table:
    """Read an Arrow IPC file as a stream; memory holds one record batch.

    A file that is not Arrow IPC, or is damaged, raises `DataError`. The older Feather version 1 and
    the Arrow stream format are not supported.
    """
    return read_container(_ARROW, source)


def open_arrow_sink(
    stream: IO[bytes], columns: Sequence[str], kinds: Mapping[str, ColumnKind]
) -> Sink:
    """Open a sink that writes record batches of 1,000 rows."""
    return ArrowSink(_ARROW, stream, columns, kinds)
