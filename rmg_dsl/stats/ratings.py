"""Ratings, read as what a statistic works on: categories or numbers, with the gaps left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Category = int | str
Rating = bool | int | float | str | None
Ratings = Sequence[object]
"""A column of ratings. Its values are checked when they are read."""


def is_missing_rating(value: object) -> bool:
    """Is there no rating? None is a gap, and so is NaN, which is how frames write one.

    >>> [is_missing_rating(value) for value in (None, float("nan"), 0, "")]
    [True, True, False, False]
    """
    return value is None or (isinstance(value, float) and math.isnan(value))


def rating_as_category(value: object) -> Category:
    """The category that a rating names.

    >>> rating_as_category(True), rating_as_category(4.0), rating_as_category("good")
    (1, 4, 'good')

    A bool is 1 or 0, a whole float its whole number, a text itself; a text never equals a number.
    Anything else, as the mean 3.33 of several draws, is a ValueError.
    """
    if isinstance(value, str):
        return value
    # A bool is an int in Python, so that it is covered here.
    if isinstance(value, int):
        return int(value)
    # Frames store whole numbers as floats where a column has gaps.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"a category is a whole number, a bool or a text, and {value!r} is none")


def rating_as_number(value: object) -> float:
    """A rating as a number; a bool counts as 1 or 0.

    >>> rating_as_number(True), rating_as_number(3)
    (1.0, 3.0)

    A text, an infinity or a number too large for a float is a ValueError.
    """
    if not isinstance(value, int | float):
        raise ValueError(f"a number is wanted, and {value!r} is none")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a finite number is wanted, and this one is not")
    return number


def sort_categories(categories: Iterable[Category]) -> list[Category]:
    """Distinct categories in a fixed order: numbers by size, then texts by their letters.

    >>> sort_categories(["b", 10, 9, "a", 9])
    [9, 10, 'a', 'b']
    """
    return sorted(set(categories), key=category_sort_key)


def category_sort_key(value: Category | float) -> tuple[bool, Category | float]:
    """A key by which numbers and texts can be sorted together."""
    # Python compares no number with a text: the flag decides before it would.
    return isinstance(value, str), value


def categories_or_none(values: Iterable[object]) -> list[Category] | None:
    """The distinct categories among the values, in order, or None where one is no category.

    >>> categories_or_none([2, None, True, 2.0]), categories_or_none([3, 3.33])
    ([1, 2], None)

    Gaps are left out, so that only gaps give an empty list.
    """
    try:
        return sort_categories(
            rating_as_category(value) for value in values if not is_missing_rating(value)
        )
    except ValueError:
        return None


def numbers_or_none(values: Iterable[object]) -> list[float] | None:
    """The values without the gaps as numbers, or None where one is no finite number.

    >>> numbers_or_none([2, None, True]), numbers_or_none([1, "2"])
    ([2.0, 1.0], None)
    """
    try:
        return [rating_as_number(value) for value in values if not is_missing_rating(value)]
    except ValueError:
        return None


def label_indexes(row: Sequence[object], labels: Sequence[object]) -> list[int | None]:
    """The row with each rating replaced by its place among the labels of the scale, from 0.

    >>> label_indexes(["ok", None, "good"], ["bad", "ok", "good"])
    [1, None, 2]

    A rating that is no label of the scale is a ValueError.
    """
    return [_label_index(value, labels) for value in row]


def _label_index(value: object, labels: Sequence[object]) -> int | None:
    if is_missing_rating(value):
        return None
    try:
        return labels.index(value)
    except ValueError:
        names = ", ".join(map(repr, labels))
        raise ValueError(f"{value!r} is none of the labels {names}") from None


def as_rows(columns: Sequence[Ratings]) -> list[tuple[object, ...]]:
    """Columns of one length as rows; columns of several lengths are a ValueError.

    >>> as_rows([[1, 2], [3, None]])
    [(1, 3), (2, None)]
    """
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"the columns have different lengths: {', '.join(map(str, lengths))}")
    return list(zip(*columns, strict=True))
