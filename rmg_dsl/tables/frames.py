"""Pandas frames in and out: a new frame, the user's own never changed. Pandas is imported inside, when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rmg_dsl.errors import DataError
from rmg_dsl.ir.columns import STATUS, ColumnKind
from rmg_dsl.results import Status
from rmg_dsl.tables.rows import Row, Table, quote_names, repeated_names
from rmg_dsl.tables.values import to_plain, writable_text

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = {"number": "Float64", "integer": "Int64", "bool": "boolean", "text": "string"}
STATUSES = tuple(status.value for status in Status)


@dataclass(frozen=True, slots=True)
class ColumnData:
    """The values of one column, None where there is none, and what they are: it decides the dtype.

    `number` is Float64, `integer` Int64, `bool` boolean and `text` string, each with `pd.NA` for None; `status` is a
    categorical with every status, in their order; `any` is object, the values as they are.
    """

    kind: ColumnKind
    values: list[Any]


def is_frame(data: object) -> bool:
    """Whether this is a pandas DataFrame, without importing pandas: where it is not imported nothing is one.

    >>> is_frame([{"a": 1}])
    False
    """
    frame = getattr(sys.modules.get("pandas"), "DataFrame", None)
    return frame is not None and isinstance(data, frame)


def frame_table(frame: pd.DataFrame, name: str = "the frame") -> Table:
    """A frame as a table; its column names must be text and differ, anything else is a `DataError`."""
    labels: list[Any] = list(frame.columns)
    odd = [label for label in labels if not isinstance(label, str)]
    if odd:
        raise DataError(
            f"{name}: column names must be text, these are not: {quote_names(odd[:5])}; {_rename_advice(odd)}"
        )
    columns = tuple(str(label) for label in labels)
    if twice := repeated_names(columns):
        raise DataError(
            f"{name}: the columns {quote_names(twice)} stand more than once; give each a name of its own"
        )

    def rows() -> Iterator[Row]:
        for cells in frame.itertuples(index=False, name=None):
            yield dict(zip(columns, map(to_plain, cells), strict=True))

    walk = rows if columns else lambda: iter([{} for _ in range(len(frame))])
    return Table(columns, walk, len(frame), frame, name)


def _rename_advice(odd: Sequence[object]) -> str:
    if isinstance(odd[0], tuple):
        return 'for two levels write frame.columns = ["_".join(map(str, names)) for names in frame.columns]'
    return "write frame.columns = frame.columns.astype(str)"


def take_pandas_rows(origin: object, places: Sequence[int]) -> object:
    """The rows of a frame at these places, in this order; of anything else nothing."""
    return origin.iloc[list(places)] if is_frame(origin) else None  # type: ignore[attr-defined] # a frame, by `is_frame`


def to_pandas_frame(table: Table, new_columns: Mapping[str, ColumnData]) -> pd.DataFrame:
    """A new frame: the table's columns, then the new ones; the input is left as it was.

    >>> from rmg_dsl.tables import ColumnData, open_table
    >>> table = open_table([{"answer": "yes"}, {"answer": "no"}])
    >>> to_pandas_frame(table, {"relevance": ColumnData("number", [4.0, None])})
      answer  relevance
    0    yes        4.0
    1     no       <NA>

    Where the rows came from a frame, its columns, their dtypes, the row order and the index are kept, whatever the
    index is; else the dtypes are the nullable ones that fit the values. A name that the table has already is a
    `DataError`.
    """
    refuse_clash(table, new_columns)
    if not is_frame(table.origin):
        return _build_frame({**_input_columns(table), **new_columns})
    frame: pd.DataFrame = table.origin.copy(deep=False)  # type: ignore[attr-defined] # a frame, by `is_frame`
    return _append_columns(frame, new_columns) if new_columns else frame


def refuse_clash(table: Table, new_columns: Mapping[str, ColumnData]) -> None:
    """No new column takes the place of one that is there."""
    if clash := [name for name in new_columns if name in set(table.columns)]:
        raise DataError(
            f"{table.name} has the columns {quote_names(clash)} already; rename them, or give a prefix"
        )


def _append_columns(frame: pd.DataFrame, new_columns: Mapping[str, ColumnData]) -> pd.DataFrame:
    """All at once: columns added one by one leave a frame that pandas calls fragmented."""
    import pandas as pd

    added = pd.DataFrame({name: _pandas_array(column) for name, column in new_columns.items()})
    if len(added) != len(frame):
        raise DataError(f"the new columns have {len(added)} values for {len(frame)} rows")
    added.index = frame.index
    wide = pd.concat([frame, added], axis=1)
    wide.columns = wide.columns.set_names(list(frame.columns.names))
    wide.attrs = dict(frame.attrs)
    return wide


def _build_frame(columns: Mapping[str, ColumnData], count: int | None = None) -> pd.DataFrame:
    import pandas as pd

    lengths = {len(column.values) for column in columns.values()}
    rows = max(lengths, default=0) if count is None else count
    arrays = {writable_text(name): _pandas_array(column) for name, column in columns.items()}
    return pd.DataFrame(arrays, index=pd.RangeIndex(rows), columns=pd.Index(list(arrays)))


def _input_columns(table: Table) -> dict[str, ColumnData]:
    values: dict[str, list[Any]] = {name: [] for name in table.columns}
    for row in table.rows():
        for name, column in values.items():
            column.append(row[name])
    return {name: ColumnData(kind_of(column), column) for name, column in values.items()}


def kind_of(values: Sequence[Any]) -> ColumnKind:
    """The kind that holds all of these plain values exactly.

    >>> kind_of([1, None]), kind_of([1, 2.5]), kind_of(["a"]), kind_of([True]), kind_of([1, "a"]), kind_of([None])
    ('integer', 'number', 'text', 'bool', 'any', 'any')
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "bool"
    if kinds == {str}:
        return "text"
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return "integer"
    exact = kinds and kinds <= {int, float} and all(_is_exact(value) for value in values)
    return "number" if exact else "any"


def _is_exact(value: Any) -> bool:
    return not isinstance(value, int) or abs(value) <= 2**53


def _pandas_array(column: ColumnData) -> Any:
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
    return pd.array(values, dtype=dtype)


def _categories(values: Sequence[Any]) -> list[str]:
    """Every status in its order, then words that are none: a categorical would drop them without a word."""
    return [
        *STATUSES,
        *dict.fromkeys(
            str(value) for value in values if value is not None and value not in STATUSES
        ),
    ]


def records_to_frame(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    kinds: Mapping[str, ColumnKind] | None = None,
) -> pd.DataFrame:
    """A frame of these columns from records, for tables such as the summary; what a record lacks is `pd.NA`.

    >>> from rmg_dsl.tables import records_to_frame
    >>> records_to_frame([{"grader": "brief", "n": 3}], ["grader", "n", "mean"], {"n": "integer", "mean": "number"})
      grader  n  mean
    0  brief  3  <NA>

    A column without a kind gets the one that fits its values, text where there are none.
    """
    values = {name: [to_plain(row.get(name)) for row in rows] for name in columns}
    chosen = kinds or {}
    return _build_frame(
        {name: ColumnData(chosen.get(name) or _kind_or_text(v), v) for name, v in values.items()},
        len(rows),
    )


def _kind_or_text(values: Sequence[Any]) -> ColumnKind:
    return "text" if all(value is None for value in values) else kind_of(values)


def saved_frame(table: Table) -> pd.DataFrame:
    """A table that was saved as a frame again: a column that ends in `_status` and holds only statuses is one."""
    columns = _input_columns(table)
    for name, column in columns.items():
        held = (
            set(column.values) - {None}
            if name.endswith(STATUS.suffix) and column.kind == "text"
            else set()
        )
        if held and held <= set(STATUSES):
            columns[name] = ColumnData("status", column.values)
    return _build_frame(columns, table.count)
