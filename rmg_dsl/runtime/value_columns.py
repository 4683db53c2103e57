"""Values of many rows in little memory: 8 bytes a number, 4 more a row in a column that holds texts."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

_NONE = float("nan")


class CompactColumn(Sequence[Any]):
    """A column that only grows: numbers, texts and gaps. A bool is kept as 1 or 0, a text once for all its rows.

    >>> column = CompactColumn()
    >>> for value in (4, None, "good", True, "good"):
    ...     column.append(value)
    >>> list(column), len(column)
    ([4.0, None, 'good', 1.0, 'good'], 5)

    What is neither number nor text is a TypeError, a number too large for a float an OverflowError.
    """

    __slots__ = ("_codes", "_numbers", "_texts")

    def __init__(self) -> None:
        self._numbers = array("d")
        self._texts: dict[str, int] = {}  # each text with its code, from 1
        self._codes: array[int] | None = None  # 0 beside a number; none while there was no text

    def append(self, value: float | str | None) -> None:
        code = self._texts.setdefault(value, len(self._texts) + 1) if isinstance(value, str) else 0
        if code and self._codes is None:
            self._codes = array("I", bytes(4 * len(self._numbers)))
        self._numbers.append(_NONE if code or value is None else float(value))
        if self._codes is not None:
            self._codes.append(code)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Any]:
        if self._codes is None:
            return (None if number != number else number for number in self._numbers)
        texts = [None, *self._texts]
        pairs = zip(self._numbers, self._codes, strict=True)
        return (texts[code] if code or number != number else number for number, code in pairs)

    def __getitem__(self, place: Any) -> Any:
        code, number = self._codes[place] if self._codes is not None else 0, self._numbers[place]
        if code:
            return next(text for text, known in self._texts.items() if known == code)
        return None if number != number else number
