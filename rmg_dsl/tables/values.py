"""Cells as plain Python values, whatever library made the data.

This module imports neither numpy, pandas nor pyarrow.
"""

from __future__ import annotations

import base64
import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Set
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import cast
from uuid import UUID

from rmg_dsl.tables.rows import Cell

# By name: the types themselves would need an import of pandas.
_NULL_TYPE_NAMES = frozenset({"NAType", "NaTType"})
_PLAIN_TYPES: frozenset[type] = frozenset({str, int, bool, type(None)})


def to_plain(value: object) -> Cell:
    """Convert a value to Python's own types, with every kind of null as `None`.

    >>> to_plain({"score": float("nan"), "tags": ("a", "b")})
    {'score': None, 'tags': ['a', 'b']}

    None, NaN, `pd.NA`, `NaT` and a Decimal NaN become `None`, inside lists and dicts too. Tuples,
    sets, numpy arrays and pyarrow lists become lists; mappings become dicts whose keys are text.
    Numpy scalars and enum members become their values. A Decimal becomes an int where it is written
    as one, else a float. Dates, times and timestamps become ISO 8601 text, durations seconds, UUIDs
    and paths text, bytes text where they are UTF-8, else base64. An object of any other type is
    returned as it is. The argument itself is never changed.
    """
    kind = type(value)
    # The frequent types first: this function is called for every cell.
    if kind in _PLAIN_TYPES:
        return value
    if kind is float:
        return None if value != value else value
    if kind is list:
        return _plain_list(cast("list[object]", value))
    if kind is dict:
        return _plain_dict(cast("dict[object, object]", value))
    if kind.__name__ in _NULL_TYPE_NAMES:
        return None
    return _convert_value(value)


def _plain_list(value: Iterable[object]) -> list[Cell]:
    return [to_plain(item) for item in value]


def _plain_dict(value: Mapping[object, object]) -> dict[str, Cell]:
    # Most keys are text, for which `str` would be a call per key.
    return {key if type(key) is str else str(key): to_plain(item) for key, item in value.items()}


def _plain_set(value: Set[object]) -> list[Cell]:
    # A set has no order: sorted, the same set gives the same list in every process.
    return _plain_list(sorted(value, key=repr))


def _plain_enum(value: Enum) -> Cell:
    return to_plain(value.value)


def _plain_float(value: float) -> Cell:
    return to_plain(float.__float__(value))


def _plain_decimal(value: Decimal) -> int | float | None:
    if value.is_nan():
        return None
    if value.is_finite() and cast(int, value.as_tuple().exponent) >= 0:
        return int(value)
    return float(value)


def _plain_bytes(value: bytes | bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _plain_date(value: datetime.date | datetime.time) -> str:
    return value.isoformat()


# The first type that fits decides: an enum of text is an enum, and a datetime is a date as well.
_CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[[Cell], Cell]], ...] = (
    ((Enum,), _plain_enum),
    ((str,), str.__str__),
    ((int,), int.__int__),
    ((float,), _plain_float),
    ((Decimal,), _plain_decimal),
    ((Fraction,), float),
    ((datetime.date, datetime.time), _plain_date),
    ((datetime.timedelta,), datetime.timedelta.total_seconds),
    ((Mapping,), _plain_dict),
    ((tuple, list), _plain_list),
    ((Set,), _plain_set),
    ((bytes, bytearray), _plain_bytes),
    ((PurePath, UUID), str),
)


def _convert_value(value: object) -> Cell:
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    return _convert_foreign(value)


def _convert_foreign(value: Cell) -> Cell:
    """Convert an object of numpy, pyarrow or pandas, recognized by its methods."""
    if type(value).__name__ in {"datetime64", "timedelta64"}:
        return _numpy_time(value)
    if getattr(value, "ndim", 0):
        # Item by item: `tolist()` turns nanoseconds into bare integers.
        return _plain_list(value)
    for method in ("as_py", "to_pylist", "tolist"):
        if hasattr(value, method):
            return _convert_inner(value, getattr(value, method)())
    library = type(value).__module__.partition(".")[0]
    if library == "pandas":
        return str(value)
    return value


def _convert_inner(value: object, inner: object) -> Cell:
    # A number of numpy that is wider than a float gives itself: without the check, no end.
    if type(inner) is type(value):
        return _convert_wide_number(inner)
    return to_plain(inner)


def _convert_wide_number(value: Cell) -> Cell:
    if hasattr(value, "__float__"):
        return to_plain(float(value))
    return value


def _numpy_time(value: Cell) -> str | float | None:
    if str(value) == "NaT":
        return None
    if type(value).__name__ == "datetime64":
        return str(value)
    return float(value.astype("timedelta64[ns]").astype("int64")) / 1e9


def replace_infinities(value: Cell) -> Cell:
    """Replace infinities and NaN in a plain value by `None`: JSON has no such numbers.

    >>> replace_infinities([1.5, float("inf")])
    [1.5, None]
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [replace_infinities(item) for item in value]
    if isinstance(value, dict):
        return {key: replace_infinities(item) for key, item in value.items()}
    return value


def writable_text(text: str) -> str:
    r"""Text that UTF-8 can hold: half of a surrogate pair becomes its escape.

    >>> writable_text("fine"), writable_text("half \ud83d")
    ('fine', 'half \\ud83d')

    Some models emit such halves.
    """
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
