"""Cells of a text file such as CSV: text to a text function, a number where a number is wanted.

A CSV file does not say which of its cells are numbers. If the other rows decided it, a row could
get another score in another file. So each cell is read by its use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Typed: TypeAlias = Any
"""A value of the data: what a cell holds is known only where it is used."""

# Zeros in front make a name: 007 is not 7.
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_TRUTHS = {"true": True, "false": False}


class CellText(str):
    """The text of a cell. `column_value` is what the column as a whole makes of it, for output.

    >>> CellText("4.00").number, CellText("4.00").exact_number, CellText("True").truth
    (4.0, None, True)
    """

    __slots__ = ("_parse",)

    _parse: Callable[[str], Typed] | None

    def __new__(cls, text: str, parse: Callable[[str], Typed] | None = None) -> CellText:
        """A cell; `parse` gives the value of its column."""
        cell = super().__new__(cls, text)
        cell._parse = parse
        return cell

    @property
    def column_value(self) -> Typed:
        """The value in the output: of the type that fits every cell of the column."""
        return str(self) if self._parse is None else self._parse(str(self))

    @property
    def number(self) -> int | float | None:
        """The number that the cell writes, in any usual spelling; None for another text."""
        text = self.strip()
        if not _NUMBER.fullmatch(text):
            return None
        try:
            return int(text)
        except ValueError:
            return float(text)

    @property
    def exact_number(self) -> int | float | None:
        """The number that prints as this cell: `12` and `0.5`, not `007` and `1.50`."""
        number = self.number
        return number if repr(number) == str(self) else None

    @property
    def truth(self) -> bool | None:
        """The bool that the cell writes, in any capitals."""
        return _TRUTHS.get(self.lower())

    @property
    def container(self) -> list[Typed] | dict[str, Typed] | None:
        """The list or object that the cell holds as JSON; None for another text."""
        if self.lstrip()[:1] not in ("[", "{"):
            return None
        try:
            value = json.loads(self)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, list | dict) else None

    @property
    def plain(self) -> Typed:
        """A number or a bool where the cell prints one, else the text: for prompts and Python."""
        number = self.exact_number
        if number is not None:
            return number
        return {"True": True, "False": False}.get(self, str(self))


def unpack_cell(value: Typed) -> Typed:
    """A list or object where a cell holds one as JSON; any other value as it is.

    >>> unpack_cell(CellText("[1, 2]")), unpack_cell("[1, 2]")
    ([1, 2], '[1, 2]')
    """
    if type(value) is CellText:
        container = value.container
        return value if container is None else container
    return value


def column_values(row: Mapping[Any, Typed]) -> dict[Any, Typed]:
    """A row as it is written: each cell with the type of its column.

    >>> column_values({"a": CellText("12", int), "b": CellText("12")})
    {'a': 12, 'b': '12'}
    """
    return {
        name: value.column_value if type(value) is CellText else value
        for name, value in row.items()
    }
