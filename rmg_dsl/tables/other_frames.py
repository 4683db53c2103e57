"""Frames of whatever library: pandas here, the others (polars, pyarrow) through narwhals, which is an extra.

A frame comes back as the kind that went in. Of the others too, no library is imported that is not there already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rmg_dsl.errors import UsageError
from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables import frames
from rmg_dsl.tables.frames import ColumnData
from rmg_dsl.tables.rows import Row, Table
from rmg_dsl.tables.values import to_plain, writable_text

_LIBRARIES = ("polars", "pyarrow")


def is_other_frame(data: object) -> bool:
    """Whether this is a frame of another library than pandas, known by its type.

    >>> is_other_frame([{"a": 1}])
    False
    """
    kind = type(data)
    return kind.__module__.partition(".")[0] in _LIBRARIES and kind.__name__ in (
        "DataFrame",
        "LazyFrame",
        "Table",
    )


def other_frame_table(data: Any, name: str = "the frame") -> Table:
    """Such a frame as a table. Raises UsageError for one that is not computed yet, and where narwhals is missing."""
    if hasattr(data, "collect"):
        raise UsageError(
            f"the data is a {type(data).__name__}: nothing is computed yet; give its .collect()"
        )
    kept = (
        data.clone() if hasattr(data, "clone") else data
    )  # what is done to a frame later is no matter of the run's
    frame = _to_narwhals(kept)
    columns = tuple(frame.columns)

    def rows() -> Iterator[Row]:
        for cells in frame.iter_rows():
            yield dict(zip(columns, map(to_plain, cells), strict=True))

    return Table(columns, rows, len(frame), kept, name)


def take_rows(origin: object, places: Sequence[int]) -> object:
    """The rows of a frame at these places, in this order; of anything else nothing."""
    return (
        _to_narwhals(origin)[list(places)].to_native()
        if is_other_frame(origin)
        else frames.take_pandas_rows(origin, places)
    )


def to_frame(table: Table, new_columns: Mapping[str, ColumnData]) -> Any:
    """A new frame of the kind that the rows came from, of pandas where they came from none: see `frames.to_frame`.

    Another library's has the same columns; a status is an enum where there are enums, what holds lists or objects of
    several kinds is JSON text.
    """
    if not is_other_frame(table.origin):
        return frames.to_pandas_frame(table, new_columns)
    frames.refuse_clash(table, new_columns)
    frame = _to_narwhals(table.origin)
    return frame.with_columns(
        *(_series(frame, name, column) for name, column in new_columns.items())
    ).to_native()


def _to_narwhals(data: object) -> Any:
    try:
        import narwhals as nw
    except ImportError:
        library = type(data).__module__.partition(".")[0]
        raise UsageError(
            f'frames of {library} need narwhals: pip install "rmg-dsl[polars]"'
        ) from None
    return nw.from_native(data, eager_only=True)


def _series(frame: Any, name: str, column: ColumnData) -> Any:
    import narwhals as nw

    kinds = {
        "number": nw.Float64,
        "integer": nw.Int64,
        "bool": nw.Boolean,
        "text": nw.String,
        "any": nw.String,
    }
    kind: Any = kinds.get(column.kind) or _status_dtype(frame)
    return nw.new_series(
        name,
        [_series_value(value, column.kind) for value in column.values],
        kind,
        backend=frame.implementation,
    )


def _status_dtype(frame: Any) -> Any:
    import narwhals as nw

    return nw.Enum(frames.STATUSES) if frame.implementation.is_polars() else nw.String


def _series_value(value: Any, kind: ColumnKind) -> Any:
    value = to_plain(value)
    if value is None or kind in ("integer", "bool"):
        return value
    if kind == "number":
        return float(value)
    return writable_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
