"""Columns of Arrow data: a type for each column that gives every value back, and its values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

from rmg_dsl.errors import DataError
from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.json_text import json_text
from rmg_dsl.tables.rows import Cell
from rmg_dsl.tables.values import to_plain, writable_text

if TYPE_CHECKING:
    import pyarrow as pa

# In the metadata of a column: its cells are JSON text, to be decoded when they are read.
JSON_MARK = b"rmg.json"
_MAX_DEPTH = 50
_MAX_EXACT_INTEGER = 2**53  # beyond it a float skips integers
_INITIAL_TYPES: dict[ColumnKind, type] = {
    "number": float,
    "integer": int,
    "bool": bool,
    "text": str,
    "status": str,
}


def import_pyarrow() -> ModuleType:
    """Import pyarrow, an extra; a `DataError` says how to install it.

    It is imported only when a file that needs it is read or written.
    """
    try:
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            'files of this format need pyarrow: pip install "rmg-dsl[parquet]"'
        ) from None
    pyarrow_module: ModuleType = pyarrow
    return pyarrow_module


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def column_decoder(schema_field: pa.Field) -> Callable[[pa.Array], list[Cell]]:
    """The function that turns the arrays of a column into plain values."""
    if JSON_MARK in (schema_field.metadata or {}):
        return _decode_json_cells
    types = import_pyarrow().types
    kind = schema_field.type
    # Text, integers and bools are plain already: no call per value.
    native_tests = (types.is_string, types.is_large_string, types.is_integer, types.is_boolean)
    if any(test(kind) for test in native_tests):
        return _native_cells
    return _plain_cells


def _decode_json_cells(array: pa.Array) -> list[Cell]:
    return [None if text is None else json.loads(text) for text in array.to_pylist()]


def _native_cells(array: pa.Array) -> list[Cell]:
    values: list[Cell] = array.to_pylist()
    return values


def _plain_cells(array: pa.Array) -> list[Cell]:
    # A map, as Spark writes it, is an object; without the option it would be a list of pairs.
    return [to_plain(value) for value in array.to_pylist(maps_as_pydicts="lossy")]


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def arrow_array(schema_field: pa.Field, cells: Sequence[Cell]) -> pa.Array:
    """The cells of a column as an array of the type of its field."""
    pa = import_pyarrow()
    if JSON_MARK in (schema_field.metadata or {}):
        return pa.array([_json_cell(value) for value in cells], pa.string())
    try:
        return pa.array(cells, schema_field.type)
    except UnicodeEncodeError:
        return pa.array([_writable_cell(value) for value in cells], schema_field.type)


def _json_cell(value: Cell) -> str | None:
    if value is None:
        return None
    return writable_text(json_text(value))


def _writable_cell(value: str | None) -> str | None:
    if value is None:
        return None
    return writable_text(value)


@dataclass(slots=True)
class ColumnProfile:
    """The values that a column has held so far; they decide its type.

    `nested_type` is the type of its lists and objects. `is_exact` is False as soon as no such type
    gives all of them back.
    """

    kinds: set[type] = field(default_factory=set)
    lowest: int = 0
    highest: int = 0
    nested_type: pa.DataType | None = None
    is_exact: bool = True

    @classmethod
    def for_kind(cls, kind: ColumnKind) -> ColumnProfile:
        """The profile of a column whose kind is known before its first value."""
        if kind in _INITIAL_TYPES:
            return cls({_INITIAL_TYPES[kind]})
        return cls()

    def observe(self, cells: Iterable[Cell]) -> None:
        """Widen the profile so that it covers these cells too."""
        values = [value for value in cells if value is not None]
        kinds = set(map(type, values))
        self.kinds |= kinds
        if int in kinds:
            # `type`, because a bool is an int by `isinstance`.
            integers = [value for value in values if type(value) is int]
            self.lowest = min(self.lowest, *integers)
            self.highest = max(self.highest, *integers)
        if kinds and self.kinds <= {list, dict} and self.is_exact:
            self._observe_nested(values)

    def _observe_nested(self, values: list[Cell]) -> None:
        array = _exact_arrow_array(values, self.nested_type)
        if array is None:
            self.is_exact = False
        elif self.nested_type is None:
            self.is_exact = _is_storable_type(array.type, _MAX_DEPTH)
        self.nested_type = array.type if array is not None and self.is_exact else None

    def arrow_field(self, name: str) -> pa.Field:
        """The field of a schema: JSON text under a mark where no Arrow type holds all values."""
        pa = import_pyarrow()
        kind, name = self._arrow_type(pa), writable_text(name)
        if kind is None:
            return pa.field(name, pa.string(), metadata={JSON_MARK: b"1"})
        return pa.field(name, kind)

    def _arrow_type(self, pa: ModuleType) -> pa.DataType | None:
        # A column without a value is text, which reads back as None.
        if self.kinds <= {str}:
            return pa.string()
        if self.kinds == {bool}:
            return pa.bool_()
        if self.kinds == {int} and self._fits(-(2**63), 2**63 - 1):
            return pa.int64()
        if self.kinds <= {int, float} and self._fits(-_MAX_EXACT_INTEGER, _MAX_EXACT_INTEGER):
            return pa.float64()
        if self.kinds <= {list, dict}:
            return self.nested_type
        return None

    def _fits(self, lowest: int, highest: int) -> bool:
        return lowest <= self.lowest and self.highest <= highest


def _exact_arrow_array(values: list[Cell], kind: pa.DataType | None) -> pa.Array | None:
    """The values as an array that gives them back exactly, or None."""
    pa = import_pyarrow()
    try:
        array = pa.array(values, type=kind)
        # The JSON text compares the order of keys and tells 1 from 1.0 and True, which `==` does
        # not.
        is_exact = json_text(array.to_pylist()) == json_text(values)
    # Arrow holds no value that is nested some hundred levels deep.
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, RecursionError):
        return None
    return array if is_exact else None


def _is_storable_type(kind: pa.DataType, depth: int) -> bool:
    """Whether parquet has the type: it has no object without keys and no list without a type.

    What is nested more than `depth` levels deep is stored as JSON text: Arrow's own code fails.
    """
    if not depth:
        return False
    types = import_pyarrow().types
    if types.is_struct(kind):
        parts = [kind.field(place).type for place in range(kind.num_fields)]
        return bool(parts) and all(_is_storable_type(part, depth - 1) for part in parts)
    if types.is_list(kind):
        return _is_storable_type(kind.value_type, depth - 1)
    return not types.is_null(kind)
