"""Parquet, read and written as a stream of row groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, BinaryIO

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.arrow_columns import import_pyarrow
from rmg_dsl.tables.arrow_reading import READ_ROWS, ArrowContainer, read_container
from rmg_dsl.tables.arrow_writing import ArrowSink
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.rows import Table
from rmg_dsl.tables.sinks import Sink

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_READ_BYTES = 2**20  # of each column: a whole row group may be the whole file


def _inspect_parquet(stream: BinaryIO) -> tuple[pa.Schema, int]:
    with import_pyarrow().parquet.ParquetFile(stream) as file:
        return file.schema_arrow, file.metadata.num_rows


def _read_parquet_batches(stream: BinaryIO) -> Iterator[pa.RecordBatch]:
    with import_pyarrow().parquet.ParquetFile(stream, buffer_size=_READ_BYTES) as file:
        # One thread: with several, pyarrow frees less memory than it takes, and memory grows.
        yield from file.iter_batches(batch_size=READ_ROWS, use_threads=False)


def _open_parquet_writer(stream: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    return import_pyarrow().parquet.ParquetWriter(stream, schema)


_PARQUET = ArrowContainer(
    "a parquet file", _inspect_parquet, _read_parquet_batches, _open_parquet_writer
)


def read_parquet(source: Input) -> Table:
    """Read a parquet file as a stream, in constant memory.

    A file that is not parquet, or is damaged, raises `DataError`.
    """
    return read_container(_PARQUET, source)


def open_parquet_sink(
    stream: IO[bytes], columns: Sequence[str], kinds: Mapping[str, ColumnKind]
) -> Sink:
    """Open a sink that writes row groups of 10,000 rows."""
    return ArrowSink(_PARQUET, stream, columns, kinds)
