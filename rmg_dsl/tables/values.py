"""Any cell as plain Python: what a row may hold, whoever made the data. Imports neither numpy, pandas nor pyarrow."""

from __future__ import annotations

import base64
import datetime
import math
from collections.abc import Callable, Mapping, Set
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

_NULL_TYPE_NAMES = frozenset(
    {"NAType", "NaTType"}
)  # by name, because naming the types would import pandas
_PLAIN_TYPES: frozenset[type] = frozenset({str, int, bool, type(None)})


def to_plain(value: Any) -> Any:
    """The same value in Python's own types, every kind of null as `None`; the value itself is never changed.

    >>> to_plain({"score": float("nan"), "tags": ("a", "b")})
    {'score': None, 'tags': ['a', 'b']}

    None, NaN, `pd.NA`, `NaT` and a Decimal NaN become `None`, inside lists and dicts too. Tuples, sets, numpy arrays
    and pyarrow lists become lists; mappings become dicts whose keys are text; numpy scalars and enum members become
    their values; a Decimal becomes an int where it is written as one, else a float. Dates, times and timestamps
    become ISO 8601 text, durations seconds, UUIDs and paths text, bytes text where they are UTF-8, else base64.
    An object of any other type stays what it is.
    """
    kind = type(value)
    if kind in _PLAIN_TYPES:
        return value
    if kind is float:
        return None if value != value else value
    if kind is list:
        return [to_plain(item) for item in value]
    if kind is dict:
        return _plain_dict(value)
    return None if kind.__name__ in _NULL_TYPE_NAMES else _convert_value(value)


def _plain_dict(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {key if type(key) is str else str(key): to_plain(item) for key, item in value.items()}


def _plain_decimal(value: Decimal) -> int | float | None:
    if value.is_nan():
        return None
    whole = value.is_finite() and cast(int, value.as_tuple().exponent) >= 0
    return int(value) if whole else float(value)


def _plain_bytes(value: bytes | bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


# The first kind that fits decides: an enum of text is an enum, and a datetime is a date as well.
_CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((Enum,), lambda value: to_plain(value.value)),
    ((str,), str.__str__),
    ((int,), int.__int__),
    ((float,), lambda value: to_plain(float.__float__(value))),
    ((Decimal,), _plain_decimal),
    ((Fraction,), float),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),
    ((datetime.timedelta,), lambda value: value.total_seconds()),
    ((Mapping,), _plain_dict),
    ((tuple, list), lambda value: [to_plain(item) for item in value]),
    (
        (Set,),
        lambda value: [to_plain(item) for item in sorted(value, key=repr)],
    ),  # sets have no order of their own
    ((bytes, bytearray), _plain_bytes),
    ((PurePath, UUID), str),
)


def _convert_value(value: Any) -> Any:
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    return _convert_foreign(value)


def _convert_foreign(value: Any) -> Any:
    """Numpy, pyarrow and pandas objects, known by their methods, because they may not be imported here."""
    library = type(value).__module__.partition(".")[0]
    if type(value).__name__ in {"datetime64", "timedelta64"}:
        return _numpy_time(value)
    if getattr(value, "ndim", 0):
        return [
            to_plain(item) for item in value
        ]  # item by item: tolist() would make bare integers of nanoseconds
    for method in ("as_py", "to_pylist", "tolist"):
        if hasattr(value, method):
            inner = getattr(value, method)()
            return (
                to_plain(inner) if type(inner) is not type(value) else _convert_wide_number(inner)
            )
    return str(value) if library == "pandas" else value


def _numpy_time(value: Any) -> str | float | None:
    if str(value) == "NaT":
        return None
    if type(value).__name__ == "datetime64":
        return str(value)
    return float(value.astype("timedelta64[ns]").astype("int64")) / 1e9


def _convert_wide_number(value: Any) -> Any:
    """A numpy number wider than Python's float: its `tolist()` gives itself."""
    return to_plain(float(value)) if hasattr(value, "__float__") else value


def replace_infinities(value: Any) -> Any:
    """A plain value without infinities, which JSON cannot write: they become `None`.

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
    r"""Text that UTF-8 can hold: half of a surrogate pair, which some models emit, becomes its escape.

    >>> writable_text("fine"), writable_text("half \ud83d")
    ('fine', 'half \\ud83d')
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
