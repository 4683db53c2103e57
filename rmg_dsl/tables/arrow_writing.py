"""Writing files of Arrow record batches: the types of the columns are found while the rows come."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.arrow_columns import ColumnProfile, arrow_array, import_pyarrow
from rmg_dsl.tables.arrow_reading import ArrowContainer, container_rows
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.rows import Cell, Row

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_ROWS = 10_000
_GROUP_BYTES = 2**25
_MERGE_BATCH_ROWS = 1_000
_MAX_PARTS = 16


class ArrowSink:
    """Writes batches of plain rows as record batches; each row has exactly the columns, in order.

    A column gets the type that gives back all its values: text, bool, 64-bit integers, floats
    (where a float holds every integer beside them), lists and objects that come back exactly.
    Any other column is JSON text under a mark, which reading decodes. `kinds` are the kinds of
    columns that are known beforehand.

    A value that does not fit the type of its column widens it. The rows written so far then move
    to a temporary file, and at the end all rows are written with the final types.
    """

    def __init__(
        self,
        container: ArrowContainer,
        stream: IO[bytes],
        columns: Sequence[str],
        kinds: Mapping[str, ColumnKind],
    ) -> None:
        import_pyarrow()
        self._container = container
        self._stream = stream
        self._profiles = {name: ColumnProfile.for_kind(kinds.get(name, "any")) for name in columns}
        self._spilled_files: list[IO[bytes]] = []
        self._group = _GroupWriter(container, stream, self._schema())

    def write(self, rows: Sequence[Row]) -> None:
        """Write a batch of at least one row."""
        columns = _transpose(rows)
        for profile, cells in zip(self._profiles.values(), columns, strict=True):
            profile.observe(cells)
        schema = self._schema()
        if not schema.equals(self._group.schema, check_metadata=True):
            self._spill_written_rows()
            self._group = _GroupWriter(self._container, self._stream, schema)
        self._group.add(columns, len(rows))

    def close(self) -> None:
        """Write the end of the file."""
        if not self._spilled_files:
            self._group.close()
            return
        self._spill_written_rows()
        self._merge_into(self._stream)

    def drop(self) -> None:
        """Close the writer and the temporary files, whether the file is complete or not."""
        # pyarrow writes the footer of the file when it closes, and the stream may be closed or
        # the disk full. The file is thrown away, so no such failure matters.
        with suppress(Exception):
            self._group.drop()
        for part in self._spilled_files:
            part.close()

    def _schema(self) -> pa.Schema:
        fields = [profile.arrow_field(name) for name, profile in self._profiles.items()]
        return import_pyarrow().schema(fields)

    # ── columns that became wider ──

    def _spill_written_rows(self) -> None:
        """Move the rows written so far to a temporary file, and empty the target."""
        if not self._group.written_row_count:
            return
        self._group.close()
        part = self._open_temporary_file()
        self._spilled_files.append(part)
        self._stream.seek(0)
        shutil.copyfileobj(self._stream, part)
        self._stream.seek(0)
        self._stream.truncate()
        # Columns may widen many times: without a merge there would be as many open files.
        if len(self._spilled_files) > _MAX_PARTS:
            merged = self._open_temporary_file()
            self._merge_into(merged)
            self._spilled_files = [merged]

    def _open_temporary_file(self) -> IO[bytes]:
        # In the folder of the target: its disk has room for all the rows.
        return TemporaryFile(dir=os.path.dirname(self._stream.name))

    def _merge_into(self, stream: IO[bytes]) -> None:
        group = _GroupWriter(self._container, stream, self._schema())
        rows = self._spilled_rows()
        while batch := list(islice(rows, _MERGE_BATCH_ROWS)):
            group.add(_transpose(batch), len(batch))
        group.close()

    def _spilled_rows(self) -> Iterator[Row]:
        for part in self._spilled_files:
            source = Input("what was written so far", partial(cast, BinaryIO, part))
            yield from container_rows(self._container, source)


def _transpose(rows: Sequence[Row]) -> list[tuple[Cell, ...]]:
    return list(zip(*(row.values() for row in rows), strict=True))


class _GroupWriter:
    """Writes a file of one schema; batches are gathered into groups of some thousand rows."""

    def __init__(self, container: ArrowContainer, stream: IO[bytes], schema: pa.Schema) -> None:
        self.schema = schema
        self.written_row_count = 0
        self._container = container
        self._stream = stream
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._batches: list[pa.RecordBatch] = []

    def add(self, columns: Sequence[Sequence[Cell]], row_count: int) -> None:
        """Write rows, given column by column."""
        pairs = zip(self.schema, columns, strict=True)
        arrays = [arrow_array(schema_field, cells) for schema_field, cells in pairs]
        batch = import_pyarrow().RecordBatch.from_arrays(arrays, schema=self.schema)
        self._batches.append(batch)
        self.written_row_count += row_count
        pending_rows = sum(batch.num_rows for batch in self._batches)
        pending_bytes = sum(batch.nbytes for batch in self._batches)
        # Larger groups compress better; the limit of bytes bounds the memory of long rows.
        if pending_rows >= _GROUP_ROWS or pending_bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write the pending rows and the end of the file."""
        self._flush()
        self._open_writer().close()
        # A second `close`, by `drop`, would write a second footer.
        self._writer = None

    def drop(self) -> None:
        """Close the writer without the pending rows."""
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if self._batches:
            table = import_pyarrow().Table.from_batches(self._batches)
            self._open_writer().write_table(table, table.num_rows)
            self._batches = []

    def _open_writer(self) -> pa.ipc.RecordBatchFileWriter:
        # Opened late: until the first group the types of the columns may still change.
        if self._writer is None:
            self._writer = self._container.open_writer(self._stream, self.schema)
        return self._writer
