"""Values of many rows in little memory: 8 bytes a row, 4 more in a column that holds texts."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import TypeAlias, overload

CompactValue: TypeAlias = float | str | None

_NONE = float("nan")


class CompactColumn(Sequence[CompactValue]):
    """A column that only grows: numbers, texts and gaps. It stores a bool as 1 or 0, a text once.

    >>> column = CompactColumn()
    >>> for value in (4, None, "good", True, "good"):
    ...     column.append(value)
    >>> list(column), len(column)
    ([4.0, None, 'good', 1.0, 'good'], 5)

    A value that is neither a number nor a text is a TypeError, a number too large for a float an
    OverflowError.
    """

    __slots__ = ("_codes", "_numbers", "_texts")

    def __init__(self) -> None:
        self._numbers = array("d")
        self._texts: dict[str, int] = {}  # each text with its code, from 1
        self._codes: array[int] | None = None  # 0 beside a number; none while there was no text

    def append(self, value: CompactValue) -> None:
        """Add the value of one more row."""
        code = 0
        if isinstance(value, str):
            code = self._texts.setdefault(value, len(self._texts) + 1)
        # Most columns hold numbers only: the codes are stored from the first text on.
        if code and self._codes is None:
            self._codes = array("I", bytes(4 * len(self._numbers)))
        self._numbers.append(_NONE if code or value is None else float(value))
        if self._codes is not None:
            self._codes.append(code)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[CompactValue]:
        if self._codes is None:
            return (None if number != number else number for number in self._numbers)
        texts = [None, *self._texts]
        pairs = zip(self._numbers, self._codes, strict=True)
        return (texts[code] if code or number != number else number for number, code in pairs)

    @overload
    def __getitem__(self, index: int) -> CompactValue: ...

    @overload
    def __getitem__(self, index: slice) -> list[CompactValue]: ...

    def __getitem__(self, index: int | slice) -> CompactValue | list[CompactValue]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        code = 0 if self._codes is None else self._codes[index]
        if code:
            return next(text for text, text_code in self._texts.items() if text_code == code)
        number = self._numbers[index]
        return None if number != number else number
