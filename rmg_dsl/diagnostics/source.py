"""The text of a spec with a name, and positions in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of a source, in characters: from `start` up to, not including, `end`."""

    start: int
    end: int


class Position(NamedTuple):
    """A place as people count it: lines and columns from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Source:
    """A spec's text under the name that messages show (`quality.rmg`, `In[7]`).

    Line ends are `\\n` and there is no byte-order mark: `Source.read` and `Source.of` see to that.
    `first_line` is the number of the first line, for a cell whose magic line counts.

    >>> Source.of("rmg 1\\r\\nparam a = 1").position(6)
    Position(line=2, column=1)
    """

    name: str
    text: str
    first_line: int = 1
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lengths = (len(line) + 1 for line in self.text.split("\n"))
        object.__setattr__(self, "_starts", tuple(accumulate(lengths, initial=0))[:-1])

    @classmethod
    def of(cls, text: str, name: str = "<spec>", first_line: int = 1) -> Source:
        return cls(
            name, text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), first_line
        )

    def position(self, offset: int) -> Position:
        row = bisect_right(self._starts, offset) - 1
        return Position(row + self.first_line, offset - self._starts[row] + 1)

    def line_at(self, offset: int) -> str:
        start = self._starts[bisect_right(self._starts, offset) - 1]
        return self.text[start:].split("\n", 1)[0] if start < len(self.text) else ""

    def line_span(self, offset: int) -> Span:
        start = self._starts[bisect_right(self._starts, offset) - 1]
        return Span(start, start + len(self.line_at(offset)))
