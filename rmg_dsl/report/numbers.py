"""A compact collection of numbers: a run may have a million scores for each grader."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain, repeat, starmap
from typing import Protocol

MAX_COUNTED_VALUES = 1_000


class Floats(Protocol):
    """A store for numbers that are too many to count each: an array in memory or a file."""

    def append(self, value: float, /) -> None:
        """Store one more number."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[float]: ...


def floats_in_memory() -> Floats:
    """A store in memory: 8 bytes for each number."""
    return array("d")


class Numbers(Collection[float]):
    """A bag of numbers: 1,000 different values are counted, all others stored one by one.

    >>> numbers = Numbers()
    >>> for value in (1, 5, 1): numbers.append(value)
    >>> sorted(numbers), len(numbers), numbers.count(1), numbers.count(2)
    ([1, 1, 5], 3, 2, 0)

    Scores on a scale of levels so take constant memory, all others the room of the store `others`.
    """

    __slots__ = ("_counts", "_others")

    def __init__(self, others: Floats | None = None) -> None:
        self._counts: dict[float, int] = {}
        self._others = floats_in_memory() if others is None else others

    def append(self, value: float) -> None:
        """Add one number."""
        counts = self._counts
        if value in counts:
            counts[value] += 1
        elif len(counts) < MAX_COUNTED_VALUES:
            counts[value] = 1
        else:
            self._others.append(value)

    def count(self, value: float) -> int:
        """How many numbers are equal to this one."""
        # A value is in one of the two: a counted value never goes to the others.
        return self._counts.get(value) or sum(other == value for other in self._others)

    @property
    def distinct(self) -> AbstractSet[float]:
        """The different numbers, as a set."""
        # The common case has no others: the view of the keys needs no copy.
        if not len(self._others):
            return self._counts.keys()
        return self._counts.keys() | set(self._others)

    def __len__(self) -> int:
        return sum(self._counts.values()) + len(self._others)

    def __iter__(self) -> Iterator[float]:
        return chain(chain.from_iterable(starmap(repeat, self._counts.items())), self._others)

    def __contains__(self, value: object) -> bool:
        return value in self._counts or any(other == value for other in self._others)
