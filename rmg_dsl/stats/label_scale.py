"""Verdicts of people beside the scale of a judge: the same words, the same values, and what is on neither."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rmg_dsl.ir.types import Type
from rmg_dsl.scales import Scale
from rmg_dsl.stats.ratings import is_missing_rating


def labels_of(scale: Scale | None) -> tuple[float | str, ...] | None:
    """The verdicts of a scale in their order, where it offers so many and no more.

    >>> from rmg_dsl.scales import Labels, Whole
    >>> labels_of(Whole(1, 3)), labels_of(Labels(("good", "bad"), (1, 0))), labels_of(None)
    ((1, 2, 3), (0, 1), None)
    """
    return None if scale is None else scale.offered_scores


def words_to_values(column: Sequence[object], scale: Scale | None) -> Sequence[object]:
    """Words that a scale gives a value, as that value: people write the word, the judge's score is its value.

    >>> from rmg_dsl.scales import Labels
    >>> words_to_values(["good", 0, None], Labels(("good", "bad"), (1, 0)))
    [1, 0, None]
    """
    if scale is None or not scale.word_values:
        return column
    values = scale.word_values
    return [values.get(value, value) if isinstance(value, str) else value for value in column]


def first_off_scale(column: Iterable[object], kind: Type) -> object:
    """The first rating that a type of values does not hold; None where all are on it.

    >>> from rmg_dsl.ir.types import type_of_scale
    >>> from rmg_dsl.scales import Whole
    >>> first_off_scale([3, None, 7], type_of_scale(Whole(1, 5))), first_off_scale([3, 5.0], type_of_scale(Whole(1, 5)))
    (7, None)
    """
    offered: tuple[float | str, ...] | None = labels_of(kind.scale) or kind.labels or None
    return next(
        (
            value
            for value in column
            if not is_missing_rating(value) and not _is_on_scale(value, kind, offered)
        ),
        None,
    )


def _is_on_scale(value: Any, kind: Type, offered: tuple[float | str, ...] | None) -> bool:
    if offered is not None:
        return value in offered
    return kind.kind != "number" or (
        isinstance(value, int | float) and kind.low <= value <= kind.high
    )


def format_rating(value: object) -> str:
    """A rating in a message: a number without a point that says nothing, a text in quotes.

    >>> format_rating(7.0), format_rating("n/a")
    ('7', '"n/a"')
    """
    return f"{value:g}" if isinstance(value, int | float) else f'"{value}"'


def check_same_kind(columns: Sequence[Iterable[object]], names: Sequence[str]) -> None:
    """Raise ValueError where one column holds nothing but texts and another one nothing but numbers.

    Such raters can never agree, so that what they have in common would be 0 or less and say nothing.

    >>> check_same_kind([[1, 2], ["1", None]], ["judge", "person"])
    Traceback (most recent call last):
    ...
    ValueError: `judge` has numbers and `person` has texts: they can never agree
    """
    kinds = [
        {
            "texts" if isinstance(value, str) else "numbers"
            for value in c
            if not is_missing_rating(value)
        }
        for c in columns
    ]
    known = [(name, found) for name, found in zip(names, kinds, strict=True) if found]
    for name, found in known[1:]:
        if found.isdisjoint(known[0][1]):
            one, other = (" and ".join(sorted(each)) for each in (known[0][1], found))
            raise ValueError(
                f"`{known[0][0]}` has {one} and `{name}` has {other}: they can never agree"
            )
