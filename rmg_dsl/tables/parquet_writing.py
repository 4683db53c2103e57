"""Writing parquet: a type for each column that gives every value back, found while the rows come."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, cast

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.json_files import json_text
from rmg_dsl.tables.parquet_files import JSON_MARK, import_pyarrow, parquet_rows
from rmg_dsl.tables.rows import Row
from rmg_dsl.tables.values import writable_text

_GROUP_ROWS, _GROUP_BYTES = 10_000, 2**25
_MERGE_BATCH_ROWS = 1_000
_MAX_PARTS = 16
_MAX_EXACT_INTEGER = 2**53  # beyond it a float skips integers
_INITIAL_TYPES: Mapping[ColumnKind, type] = {
    "number": float,
    "integer": int,
    "bool": bool,
    "text": str,
    "status": str,
}


class ParquetWriter:
    """Writes batches of plain rows, each with exactly the columns in order, as row groups.

    A column is of the type that gives back all its values: text, bool, 64-bit integers, floats (where every integer
    beside them is one that a float holds), lists and objects that come back exactly as they are; else JSON text under
    a mark, which reading undoes. `kinds` name what is known of a column beforehand. A value that does not fit what
    came before widens the column: what is written then is set aside, and at the end all of it gets the last types.
    """

    def __init__(
        self, stream: IO[bytes], columns: Sequence[str], kinds: Mapping[str, ColumnKind]
    ) -> None:
        self._pa = import_pyarrow()
        self._stream = stream
        self._profiles = {name: _ColumnProfile.for_kind(kinds.get(name, "any")) for name in columns}
        self._spilled_files: list[IO[bytes]] = []
        self._group = _RowGroupWriter(self._pa, stream, self._schema())

    def write(self, rows: Sequence[Row]) -> None:
        """Take at least one row."""
        cells = list(zip(*(row.values() for row in rows), strict=True))
        for held, column in zip(self._profiles.values(), cells, strict=True):
            held.observe(self._pa, column)
        schema = self._schema()
        if not schema.equals(self._group.schema, check_metadata=True):
            self._spill_written_rows()
            self._group = _RowGroupWriter(self._pa, self._stream, schema)
        self._group.add(cells, len(rows))

    def close(self) -> None:
        """Write what stands at the end of the file."""
        if not self._spilled_files:
            self._group.close()
            return
        self._spill_written_rows()
        self._merge_into(self._stream)

    def drop(self) -> None:
        """Let go of everything, finished or not."""
        with suppress(Exception):  # pyarrow writes the end of a file that nobody wants any more
            self._group.drop()
        for part in self._spilled_files:
            part.close()

    def _schema(self) -> Any:
        return self._pa.schema(
            [held.arrow_field(self._pa, name) for name, held in self._profiles.items()]
        )

    # ── columns that became wider ──

    def _spill_written_rows(self) -> None:
        """Keep what was written so far, and begin the file anew."""
        if not self._group.written_row_count:
            return
        self._group.close()
        self._spilled_files.append(self._scratch_file())
        self._stream.seek(0)
        shutil.copyfileobj(self._stream, self._spilled_files[-1])
        self._stream.seek(0)
        self._stream.truncate()
        if len(self._spilled_files) > _MAX_PARTS:
            one = self._scratch_file()
            self._merge_into(one)
            self._spilled_files = [one]

    def _scratch_file(self) -> IO[bytes]:
        """A file without a name beside the target, where there is room for all the rows."""
        return TemporaryFile(dir=os.path.dirname(self._stream.name))

    def _merge_into(self, stream: IO[bytes]) -> None:
        group = _RowGroupWriter(self._pa, stream, self._schema())
        rows = self._spilled_rows()
        while batch := list(islice(rows, _MERGE_BATCH_ROWS)):
            group.add(list(zip(*(row.values() for row in batch), strict=True)), len(batch))
        group.close()

    def _spilled_rows(self) -> Iterator[Row]:
        for part in self._spilled_files:
            yield from parquet_rows(Input("what was written so far", partial(cast, BinaryIO, part)))


class _RowGroupWriter:
    """A parquet file of one schema; batches are gathered into row groups of some thousand rows."""

    def __init__(self, pa: Any, stream: IO[bytes], schema: Any) -> None:
        self.schema, self.written_row_count = schema, 0
        self._pa, self._stream = pa, stream
        self._writer: Any = None
        self._batches: list[Any] = []

    def add(self, cells: Sequence[Sequence[Any]], count: int) -> None:
        """Take some rows, column by column."""
        arrays = [
            _arrow_array(self._pa, field, column)
            for field, column in zip(self.schema, cells, strict=True)
        ]
        self._batches.append(self._pa.RecordBatch.from_arrays(arrays, schema=self.schema))
        self.written_row_count += count
        gathered = (
            sum(batch.num_rows for batch in self._batches),
            sum(batch.nbytes for batch in self._batches),
        )
        if gathered[0] >= _GROUP_ROWS or gathered[1] >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        self._flush()
        self._writer.close()

    def drop(self) -> None:
        """Let go of the file."""
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = self._pa.parquet.ParquetWriter(self._stream, self.schema)
        if self._batches:
            table = self._pa.Table.from_batches(self._batches)
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._batches = []


def _arrow_array(pa: Any, field: Any, cells: Sequence[Any]) -> Any:
    if JSON_MARK in (field.metadata or {}):
        return pa.array(
            [None if value is None else writable_text(json_text(value)) for value in cells],
            pa.string(),
        )
    try:
        return pa.array(cells, field.type)
    except UnicodeEncodeError:
        return pa.array(
            [None if value is None else writable_text(value) for value in cells], field.type
        )


# ── the type of a column ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _ColumnProfile:
    """What a column has held so far, which decides its type; `nested` is that of its lists and objects, if any."""

    kinds: set[type] = field(default_factory=set)
    lowest: int = 0
    highest: int = 0
    nested_type: Any = None
    is_exact: bool = True

    @classmethod
    def for_kind(cls, kind: ColumnKind) -> _ColumnProfile:
        return cls({_INITIAL_TYPES[kind]} if kind in _INITIAL_TYPES else set())

    def observe(self, pa: Any, cells: Iterable[Any]) -> None:
        """Look at more values."""
        values = [value for value in cells if value is not None]
        kinds = set(map(type, values))
        self.kinds |= kinds
        if int in kinds:
            whole = [value for value in values if type(value) is int]
            self.lowest, self.highest = min(self.lowest, *whole), max(self.highest, *whole)
        if kinds and self.kinds <= {list, dict} and self.is_exact:
            self._observe_nested(pa, values)

    def _observe_nested(self, pa: Any, values: list[Any]) -> None:
        array = _exact_arrow_array(pa, values, self.nested_type)
        self.is_exact = array is not None and (
            self.nested_type is not None or _is_storable_type(pa, array.type)
        )
        self.nested_type = array.type if self.is_exact else None

    def arrow_field(self, pa: Any, name: str) -> Any:
        """The column of a schema."""
        found = self._arrow_type(pa)
        return (
            pa.field(name, pa.string(), metadata={JSON_MARK: b"1"})
            if found is None
            else pa.field(name, found)
        )

    def _arrow_type(self, pa: Any) -> Any:
        """A column without a value is text, which reads back as None."""
        if self.kinds <= {str}:
            return pa.string()
        if self.kinds == {bool}:
            return pa.bool_()
        if self.kinds == {int} and self.lowest >= -(2**63) and self.highest < 2**63:
            return pa.int64()
        if (
            self.kinds <= {int, float}
            and self.lowest >= -_MAX_EXACT_INTEGER
            and self.highest <= _MAX_EXACT_INTEGER
        ):
            return pa.float64()
        return self.nested_type if self.kinds <= {list, dict} else None


def _exact_arrow_array(pa: Any, values: list[Any], kind: Any) -> Any:
    """The values as an array that gives them back exactly, or None."""
    try:
        array = pa.array(values, type=kind)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return None
    return array if json_text(array.to_pylist()) == json_text(values) else None


def _is_storable_type(pa: Any, kind: Any) -> bool:
    """Parquet has no object without keys, and no type for lists that are always empty."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(
            _is_storable_type(pa, kind.field(place).type) for place in range(kind.num_fields)
        )
    return (
        _is_storable_type(pa, kind.value_type)
        if pa.types.is_list(kind)
        else not pa.types.is_null(kind)
    )
