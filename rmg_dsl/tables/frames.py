"""Frames of pandas, in and out. The frame of the user is never changed.

pandas is imported inside the functions that need it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rmg_dsl.errors import DataError
from rmg_dsl.ir.columns import STATUS, ColumnKind
from rmg_dsl.results import Status
from rmg_dsl.tables.rows import Cell, Row, Table, quote_names, repeated_names
from rmg_dsl.tables.values import to_plain, writable_text

if TYPE_CHECKING:
    import pandas as pd
    from pandas.api.extensions import ExtensionArray

_DTYPES = {"number": "Float64", "integer": "Int64", "bool": "boolean", "text": "string"}
STATUSES = tuple(status.value for status in Status)


@dataclass(frozen=True, slots=True)
class ColumnData:
    """The values of one column, with None where there is none, and the kind that decides the dtype.

    `number` is Float64, `integer` Int64, `bool` boolean and `text` string, each with `pd.NA` for
    None. `status` is a categorical with every status, in their order. `any` is object, with the
    values as they are.
    """

    kind: ColumnKind
    values: list[Cell]


def is_frame(data: object) -> bool:
    """Whether this is a pandas DataFrame.

    >>> is_frame([{"a": 1}])
    False

    This does not import pandas: without it in `sys.modules`, nothing can be one.
    """
    frame = getattr(sys.modules.get("pandas"), "DataFrame", None)
    return frame is not None and isinstance(data, frame)


def frame_table(frame: pd.DataFrame, name: str = "the frame") -> Table:
    """A frame as a table; column names that are repeated or not text raise `DataError`."""
    columns = _text_labels(frame, name)
    if repeated := repeated_names(columns):
        names = quote_names(repeated)
        advice = "give each a name of its own"
        raise DataError(f"{name}: the columns {names} stand more than once; {advice}")

    def rows() -> Iterator[Row]:
        for cells in frame.itertuples(index=False, name=None):
            yield dict(zip(columns, map(to_plain, cells), strict=True))

    def empty_rows() -> Iterator[Row]:
        # `itertuples` yields nothing for a frame without columns, which can still have rows.
        return iter([{} for _ in range(len(frame))])

    return Table(columns, rows if columns else empty_rows, len(frame), frame, name)


def _text_labels(frame: pd.DataFrame, name: str) -> tuple[str, ...]:
    labels: list[object] = list(frame.columns)
    wrong = [label for label in labels if not isinstance(label, str)]
    if wrong:
        names = quote_names(wrong[:5])
        problem = f"column names must be text, these are not: {names}"
        raise DataError(f"{name}: {problem}; {_rename_advice(wrong)}")
    return tuple(str(label) for label in labels)


def _rename_advice(labels: Sequence[object]) -> str:
    if isinstance(labels[0], tuple):
        joined = '["_".join(map(str, names)) for names in frame.columns]'
        return f"for two levels write frame.columns = {joined}"
    return "write frame.columns = frame.columns.astype(str)"


def take_pandas_rows(origin: object, places: Sequence[int]) -> object:
    """The rows of a frame at these places, in this order; None for anything else."""
    if is_frame(origin):
        return cast("pd.DataFrame", origin).iloc[list(places)]
    return None


def to_pandas_frame(table: Table, new_columns: Mapping[str, ColumnData]) -> pd.DataFrame:
    """A new frame with the columns of the table, then the new ones.

    >>> from rmg_dsl.tables import ColumnData, open_table
    >>> table = open_table([{"answer": "yes"}, {"answer": "no"}])
    >>> to_pandas_frame(table, {"relevance": ColumnData("number", [4.0, None])})
      answer  relevance
    0    yes        4.0
    1     no       <NA>

    Where the rows came from a frame, the new frame has its columns, dtypes, row order and index.
    Otherwise the dtypes are the nullable ones that fit the values. A new column with the name of an
    existing one raises `DataError`.
    """
    refuse_clash(table, new_columns)
    if not is_frame(table.origin):
        return _build_frame({**_input_columns(table), **new_columns})
    frame = cast("pd.DataFrame", table.origin).copy(deep=False)
    if not new_columns:
        return frame
    return _append_columns(frame, new_columns)


def refuse_clash(table: Table, new_columns: Mapping[str, ColumnData]) -> None:
    """Raise `DataError` where a new column has the name of one of the table."""
    existing = set(table.columns)
    if clash := [name for name in new_columns if name in existing]:
        names = quote_names(clash)
        advice = "rename them, or give a prefix"
        raise DataError(f"{table.name} has the columns {names} already; {advice}")


def _append_columns(frame: pd.DataFrame, new_columns: Mapping[str, ColumnData]) -> pd.DataFrame:
    import pandas as pd

    # All at once: columns added one by one make pandas warn of a fragmented frame.
    added = pd.DataFrame({name: _pandas_array(column) for name, column in new_columns.items()})
    if len(added) != len(frame):
        raise DataError(f"the new columns have {len(added)} values for {len(frame)} rows")
    added.index = frame.index
    wide = pd.concat([frame, added], axis=1)
    # `concat` loses the name of the columns and the attributes of the frame.
    wide.columns = wide.columns.set_names(list(frame.columns.names))
    wide.attrs = dict(frame.attrs)
    return wide


def _build_frame(columns: Mapping[str, ColumnData], count: int | None = None) -> pd.DataFrame:
    import pandas as pd

    if count is None:
        count = max((len(column.values) for column in columns.values()), default=0)
    arrays = {writable_text(name): _pandas_array(column) for name, column in columns.items()}
    return pd.DataFrame(arrays, index=pd.RangeIndex(count), columns=pd.Index(list(arrays)))


def _input_columns(table: Table) -> dict[str, ColumnData]:
    values: dict[str, list[Cell]] = {name: [] for name in table.columns}
    for row in table.rows():
        for name, column in values.items():
            column.append(row[name])
    return {name: ColumnData(kind_of(column), column) for name, column in values.items()}


def kind_of(values: Sequence[Cell]) -> ColumnKind:
    """The kind that holds all of these plain values exactly.

    >>> kind_of([1, None]), kind_of([1, 2.5]), kind_of(["a"]), kind_of([True])
    ('integer', 'number', 'text', 'bool')
    >>> kind_of([1, "a"]), kind_of([None])
    ('any', 'any')
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "bool"
    if kinds == {str}:
        return "text"
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return "integer"
    if kinds and kinds <= {int, float} and all(map(_fits_float, values)):
        return "number"
    return "any"


def _fits_float(value: Cell) -> bool:
    # Beyond 2**53 a float skips integers.
    return not isinstance(value, int) or abs(value) <= 2**53


def _pandas_array(column: ColumnData) -> pd.Series[Any] | pd.Categorical | ExtensionArray:
    import pandas as pd

    if column.kind == "any":
        return pd.Series(column.values, dtype="object")
    values = [to_plain(value) for value in column.values]
    match column.kind:
        case "status":
            return pd.Categorical(values, categories=_categories(values))
        case "text":
            values = [None if value is None else writable_text(str(value)) for value in values]
        case "number":
            values = [None if value is None else float(value) for value in values]
    dtype: Any = _DTYPES[column.kind]
    array: ExtensionArray = pd.array(values, dtype=dtype)
    return array


def _categories(values: Sequence[Cell]) -> list[str]:
    """Every status in its order, then the other words."""
    # A categorical drops a value without a category, and does not say so.
    other = [str(value) for value in values if value is not None and value not in STATUSES]
    return [*STATUSES, *dict.fromkeys(other)]


def records_to_frame(
    rows: Sequence[Mapping[str, Cell]],
    columns: Sequence[str],
    kinds: Mapping[str, ColumnKind] | None = None,
) -> pd.DataFrame:
    """A frame of these columns from records; a value that a record lacks is `pd.NA`.

    >>> from rmg_dsl.tables import records_to_frame
    >>> kinds = {"n": "integer", "mean": "number"}
    >>> records_to_frame([{"grader": "brief", "n": 3}], ["grader", "n", "mean"], kinds)
      grader  n  mean
    0  brief  3  <NA>

    A column without a kind gets the one that fits its values; without values it is text.
    """
    data: dict[str, ColumnData] = {}
    for name in columns:
        values = [to_plain(row.get(name)) for row in rows]
        kind = (kinds or {}).get(name) or _kind_or_text(values)
        data[name] = ColumnData(kind, values)
    return _build_frame(data, len(rows))


def _kind_or_text(values: Sequence[Cell]) -> ColumnKind:
    if all(value is None for value in values):
        return "text"
    return kind_of(values)


def saved_frame(table: Table) -> pd.DataFrame:
    """The frame of a table that was read from a file.

    A column that ends in `_status` and holds only statuses becomes a column of statuses.
    """
    columns = _input_columns(table)
    for name, column in columns.items():
        if name.endswith(STATUS.suffix) and _holds_statuses(column):
            columns[name] = ColumnData("status", column.values)
    return _build_frame(columns, table.count)


def _holds_statuses(column: ColumnData) -> bool:
    if column.kind != "text":
        return False
    words = set(column.values) - {None}
    return bool(words) and words <= set(STATUSES)
