"""Numbers in little room: a run may have a million of them for each grader."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain, repeat, starmap
from typing import Protocol

MAX_COUNTED_VALUES = 1_000


class Floats(Protocol):
    """Where numbers go of which there are many different ones."""

    def append(self, value: float, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[float]: ...


def floats_in_memory() -> Floats:
    """8 bytes each."""
    return array("d")


class Numbers(Collection[float]):
    """A bag of numbers, in no order: the first 1,000 different ones are counted, all others are kept as floats.

    >>> numbers = Numbers()
    >>> for value in (1, 5, 1): numbers.append(value)
    >>> sorted(numbers), len(numbers), numbers.count(1), numbers.count(2)
    ([1, 1, 5], 3, 2, 0)

    So the scores on a scale of levels take no room that grows, and others as much as `others` does for exact numbers.
    """

    __slots__ = ("_counts", "_others")

    def __init__(self, others: Floats | None = None) -> None:
        self._counts: dict[float, int] = {}
        self._others = floats_in_memory() if others is None else others

    def append(self, value: float) -> None:
        """One more."""
        counts = self._counts
        if value in counts:
            counts[value] += 1
        elif len(counts) < MAX_COUNTED_VALUES:
            counts[value] = 1
        else:
            self._others.append(value)

    def count(self, value: float) -> int:
        """How many are equal to this."""
        return self._counts.get(value) or sum(other == value for other in self._others)

    @property
    def distinct(self) -> AbstractSet[float]:
        """Each number that is there, at least once."""
        return self._counts.keys() | set(self._others) if len(self._others) else self._counts.keys()

    def __len__(self) -> int:
        return sum(self._counts.values()) + len(self._others)

    def __iter__(self) -> Iterator[float]:
        return chain(chain.from_iterable(starmap(repeat, self._counts.items())), self._others)

    def __contains__(self, value: object) -> bool:
        return value in self._counts or any(other == value for other in self._others)
