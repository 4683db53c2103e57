"""Ratings of people on the scale of a judge: its labels, the values of words, what is off it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rmg_dsl.ir.types import Type
from rmg_dsl.scales import NoVerdict, Scale
from rmg_dsl.stats.ratings import is_missing_rating


def labels_of(scale: Scale | None) -> tuple[float | str, ...] | None:
    """The verdicts that a scale offers, in order; None for a scale with any number between.

    >>> from rmg_dsl.scales import Labels, Whole
    >>> labels_of(Whole(1, 3)), labels_of(Labels(("good", "bad"), (1, 0))), labels_of(None)
    ((1, 2, 3), (0, 1), None)
    """
    return None if scale is None else scale.offered_scores


def words_to_values(column: Sequence[object], scale: Scale | None) -> Sequence[object]:
    """Replace each word of a scale by its score: people write words in any capitals, as judges do.

    >>> from rmg_dsl.scales import Labels, YesNo
    >>> words_to_values(["good", 0, None], Labels(("good", "bad"), (1, 0)))
    [1, 0, None]
    >>> words_to_values([" Kind", "cold", "odd"], Labels(("kind", "cold")))
    ['kind', 'cold', 'odd']
    >>> words_to_values(["Yes", "no", True], YesNo())
    [True, False, True]

    What is no word of the scale stays as it is.
    """
    if scale is None or not (scale.words or scale.column_kind == "bool"):
        return column
    return [_word_to_value(value, scale) if isinstance(value, str) else value for value in column]


def _word_to_value(word: str, scale: Scale) -> object:
    try:
        verdict = scale.read_verdict(word, 0)
    except NoVerdict:
        return word
    assert not isinstance(verdict, tuple)
    return scale.value_of(verdict)


def first_off_scale(column: Iterable[object], kind: Type) -> object:
    """The first rating that a type does not allow; None where it allows all.

    >>> from rmg_dsl.ir.types import type_of_scale
    >>> from rmg_dsl.scales import Whole
    >>> kind = type_of_scale(Whole(1, 5))
    >>> first_off_scale([3, None, 7], kind), first_off_scale([3, 5.0], kind)
    (7, None)
    """
    # Labels may come from a scale, or from people who have written them.
    labels: tuple[float | str, ...] = labels_of(kind.scale) or kind.labels
    for value in column:
        if not is_missing_rating(value) and not _is_on_scale(value, kind, labels):
            return value
    return None


def _is_on_scale(value: object, kind: Type, labels: tuple[float | str, ...]) -> bool:
    if labels:
        return value in labels
    if kind.kind != "number":
        return True
    return isinstance(value, int | float) and kind.low <= value <= kind.high


def format_rating(value: object) -> str:
    """A rating as a message shows it: 7.0 as 7, a text in quotes.

    >>> format_rating(7.0), format_rating("n/a")
    ('7', '"n/a"')
    """
    if isinstance(value, int | float):
        return f"{value:g}"
    return f'"{value}"'


def check_same_kind(columns: Sequence[Iterable[object]], names: Sequence[str]) -> None:
    """Raise ValueError where one column holds only texts and another one only numbers.

    Such raters can never agree: their agreement would be 0 or less, and mean nothing.

    >>> check_same_kind([[1, 2], ["1", None]], ["judge", "person"])
    Traceback (most recent call last):
    ...
    ValueError: `judge` has numbers and `person` has texts: they can never agree
    """
    # A column of both kinds can agree with either.
    kinds = [_value_kinds(column) for column in columns]
    rated = [(name, kind) for name, kind in zip(names, kinds, strict=True) if kind]
    for name, kind in rated[1:]:
        first_name, first_kind = rated[0]
        if kind.isdisjoint(first_kind):
            one = " and ".join(sorted(first_kind))
            other = " and ".join(sorted(kind))
            message = f"`{first_name}` has {one} and `{name}` has {other}: they can never agree"
            raise ValueError(message)


def _value_kinds(column: Iterable[object]) -> set[str]:
    """Which of texts and numbers a column holds."""
    ratings = [value for value in column if not is_missing_rating(value)]
    return {"texts" if isinstance(rating, str) else "numbers" for rating in ratings}
