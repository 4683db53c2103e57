"""Frames of polars and pyarrow, through narwhals, which is an extra. pandas has `frames`.

A frame comes back as the kind that went in. No library is imported that the data does not use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables import frames
from rmg_dsl.tables.arrow_reading import batch_rows
from rmg_dsl.tables.frames import ColumnData
from rmg_dsl.tables.rows import Cell, Row, Table, quote_names, repeated_names
from rmg_dsl.tables.values import to_plain, writable_text

if TYPE_CHECKING:
    import narwhals as nw
    from narwhals.typing import IntoDType

    NarwhalsFrame = nw.DataFrame[Any]
    NarwhalsSeries = nw.Series[Any]

_LIBRARIES = ("polars", "pyarrow")
_FRAME_CLASSES = ("DataFrame", "LazyFrame", "Table")


def is_other_frame(data: object) -> bool:
    """Whether this is a frame of polars or pyarrow, recognized by the name of its type.

    >>> is_other_frame([{"a": 1}])
    False
    """
    kind = type(data)
    library = kind.__module__.partition(".")[0]
    return library in _LIBRARIES and kind.__name__ in _FRAME_CLASSES


def other_frame_table(data: Any, name: str = "the frame") -> Table:
    """Such a frame as a table.

    A lazy frame raises `UsageError`, and so does any frame where narwhals is missing.
    """
    if hasattr(data, "collect"):
        problem = "nothing is computed yet; give its .collect()"
        raise UsageError(f"the data is a {type(data).__name__}: {problem}")
    # A copy: the caller may change the frame while the run reads it.
    origin = data.clone() if hasattr(data, "clone") else data
    # Arrow allows a name twice.
    if repeated := repeated_names(getattr(origin, "column_names", ())):
        names = quote_names(repeated)
        raise DataError(f"{name}: the columns {names} stand more than once; rename them")
    frame = _to_narwhals(origin)
    columns = tuple(frame.columns)

    def rows() -> Iterator[Row]:
        # Arrow's own values: its maps are objects, and narwhals gives lists of pairs.
        if hasattr(origin, "to_batches"):
            yield from batch_rows(origin.to_batches())
            return
        for cells in frame.iter_rows():
            yield dict(zip(columns, map(to_plain, cells), strict=True))

    return Table(columns, rows, len(frame), origin, name)


def take_rows(origin: object, places: Sequence[int]) -> object:
    """The rows of a frame at these places, in this order; None for anything else."""
    if is_other_frame(origin):
        return _to_narwhals(origin)[list(places)].to_native()
    return frames.take_pandas_rows(origin, places)


def to_frame(table: Table, new_columns: Mapping[str, ColumnData]) -> Any:
    """A new frame of the library that the rows came from, else of pandas: see `to_pandas_frame`.

    A frame of another library has the same columns. A status is an enum where the library has
    enums. A column of lists, or of values of several types, is JSON text.
    """
    if not is_other_frame(table.origin):
        return frames.to_pandas_frame(table, new_columns)
    frames.refuse_clash(table, new_columns)
    frame = _to_narwhals(table.origin)
    added = [_series(frame, name, column) for name, column in new_columns.items()]
    return frame.with_columns(*added).to_native()


def _to_narwhals(data: Any) -> NarwhalsFrame:
    try:
        import narwhals as nw
    except ImportError:
        library = type(data).__module__.partition(".")[0]
        advice = 'pip install "rmg-dsl[polars]"'
        raise UsageError(f"frames of {library} need narwhals: {advice}") from None
    return nw.from_native(data, eager_only=True)


def _series(frame: NarwhalsFrame, name: str, column: ColumnData) -> NarwhalsSeries:
    import narwhals as nw

    values = [_series_value(value, column.kind) for value in column.values]
    dtype = _dtype_of(frame, column.kind)
    return nw.new_series(name, values, dtype, backend=frame.implementation)


def _dtype_of(frame: NarwhalsFrame, kind: ColumnKind) -> IntoDType:
    import narwhals as nw

    if kind == "status" and frame.implementation.is_polars():
        return nw.Enum(frames.STATUSES)
    dtypes: dict[ColumnKind, IntoDType] = {
        "number": nw.Float64,
        "integer": nw.Int64,
        "bool": nw.Boolean,
    }
    return dtypes.get(kind, nw.String)


def _series_value(value: object, kind: ColumnKind) -> Cell:
    plain = to_plain(value)
    if plain is None or kind in ("integer", "bool"):
        return plain
    if kind == "number":
        return float(plain)
    if isinstance(plain, str):
        return writable_text(plain)
    return writable_text(json.dumps(plain, ensure_ascii=False))
