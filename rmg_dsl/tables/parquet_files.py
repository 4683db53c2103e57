"""Parquet, both ways; pyarrow is an extra, imported only when a parquet file is read or written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from rmg_dsl.errors import DataError
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.json_files import json_text
from rmg_dsl.tables.rows import Row, Table, quoted, repeated
from rmg_dsl.tables.values import plain, writable_text

_READ_ROWS = 1_000
_GROUP_ROWS = 10_000
_JSON_MARK = b"rmg.json"  # in a column's metadata: its cells are JSON text, to be read back as the values
_EXACT = 2**53  # beyond it a float skips integers


def pyarrow() -> Any:
    """The library, or a `DataError` that says how to get it."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError('parquet files need pyarrow: pip install "rmg-dsl[parquet]"') from None
    return pyarrow


def read_parquet(found: Input) -> Table:
    """A parquet file as a table, read in batches; a file that is none, or is damaged, is a `DataError`."""
    pa = pyarrow()
    try:
        with found.open() as stream, pa.parquet.ParquetFile(stream) as file:
            schema, count = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise found.fault(f"not a parquet file that can be read: {_first_line(error)}") from None
    if twice := repeated(schema.names):
        raise found.fault(f"the columns {quoted(twice)} stand more than once; give each a name of its own")
    marked = frozenset(field.name for field in schema if _JSON_MARK in (field.metadata or {}))
    return Table(tuple(schema.names), lambda: _rows(found, marked), count, name=found.name)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _rows(found: Input, marked: frozenset[str]) -> Iterator[Row]:
    pa = pyarrow()
    try:
        with found.open() as stream, pa.parquet.ParquetFile(stream) as file:
            for batch in file.iter_batches(batch_size=_READ_ROWS):
                for row in batch.to_pylist():
                    yield {name: _read(value, name in marked) for name, value in row.items()}
    except (pa.ArrowException, OSError) as error:
        raise found.fault(f"the file is damaged: {_first_line(error)}") from None


def _read(value: Any, is_json: bool) -> Any:
    return plain(value) if not is_json or value is None else json.loads(value)


def write_parquet(stream: BinaryIO, columns: Sequence[str], sample: Iterable[Row], rows: Iterable[Row]) -> None:
    """Write plain rows in row groups; `sample` decides the columns' types, and a later value must fit them."""
    pa = pyarrow()
    schema = _schema(pa, columns, sample)
    walk, first = iter(rows), 1
    with pa.parquet.ParquetWriter(stream, schema) as writer:
        while group := list(islice(walk, _GROUP_ROWS)):
            writer.write_batch(_batch(pa, schema, group, first))
            first += len(group)


def _schema(pa: Any, columns: Sequence[str], sample: Iterable[Row]) -> Any:
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for row in sample:
        for name, column in values.items():
            if row.get(name) is not None:
                column.append(row[name])
    return pa.schema([_field(pa, name, column) for name, column in values.items()])


def _field(pa: Any, name: str, values: list[Any]) -> Any:
    found = _scalar(pa, values) or _nested(pa, values)
    return pa.field(name, pa.string(), metadata={_JSON_MARK: b"1"}) if found is None else pa.field(name, found)


def _scalar(pa: Any, values: list[Any]) -> Any:
    """The type of a column without nesting; a column without a value is text, which reads back as None."""
    kinds = {type(value) for value in values}
    if kinds <= {str}:
        return pa.string()
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64() if all(-(2**63) <= value < 2**63 for value in values) else None
    exact = kinds <= {int, float} and all(type(value) is float or abs(value) <= _EXACT for value in values)
    return pa.float64() if exact else None


def _nested(pa: Any, values: list[Any]) -> Any:
    """The native type of lists and objects that come back exactly as they are, else None."""
    if not all(isinstance(value, list | dict) for value in values):
        return None
    array = _same(pa, values, None)
    return array.type if array is not None and _fits(pa, array.type) else None


def _same(pa: Any, values: list[Any], kind: Any) -> Any:
    """The values as an array that gives them back exactly, or None."""
    try:
        array = pa.array(values, type=kind)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return None
    return array if all(map(_alike, array.to_pylist(), values)) else None


def _alike(one: Any, other: Any) -> bool:
    return json_text(one) == json_text(other)


def _fits(pa: Any, kind: Any) -> bool:
    """Parquet has no object without keys, and no type for lists that are always empty."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_fits(pa, kind.field(place).type) for place in range(kind.num_fields))
    return _fits(pa, kind.value_type) if pa.types.is_list(kind) else not pa.types.is_null(kind)


def _batch(pa: Any, schema: Any, group: list[Row], first: int) -> Any:
    return pa.RecordBatch.from_arrays([_array(pa, field, group, first) for field in schema], schema=schema)


def _array(pa: Any, field: Any, group: list[Row], first: int) -> Any:
    cells = [_written(row.get(field.name), _JSON_MARK in (field.metadata or {})) for row in group]
    for row, value in enumerate(cells, first):
        if value is not None and not _holds(pa, field.type, value):
            raise DataError(
                f"row {row}: `{field.name}` does not fit the column, which the rows before make {field.type}; "
                "write .jsonl, which takes any value"
            )
    return pa.array(cells, type=field.type)


def _written(value: Any, as_json: bool) -> Any:
    if as_json:
        return None if value is None else writable_text(json_text(value))
    return writable_text(value) if isinstance(value, str) else value


def _holds(pa: Any, kind: Any, value: Any) -> bool:
    """Whether the type gives this value back: asked here, because pyarrow cuts 1.5 to 1 without a word."""
    if pa.types.is_nested(kind):
        return _same(pa, [value], kind) is not None
    found = _scalar(pa, [value])
    widened = found == pa.int64() and kind == pa.float64() and abs(value) <= _EXACT
    return bool(found == kind or widened)
