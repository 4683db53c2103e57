"""Numbers in little room: a run may have a million of them for each grader."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain, repeat, starmap

MOST_COUNTED = 1_000


class Numbers(Collection[float]):
    """A bag of numbers, in no order: the first 1,000 different ones are counted, every other one takes 8 bytes.

    >>> numbers = Numbers()
    >>> for value in (1, 5, 1): numbers.append(value)
    >>> sorted(numbers), len(numbers), numbers.count(1), numbers.count(2)
    ([1, 1, 5], 3, 2, 0)

    So the scores on a scale of levels take no room that grows, and all others as little as exact numbers can.
    """

    __slots__ = ("_counts", "_others")

    def __init__(self) -> None:
        self._counts: dict[float, int] = {}
        self._others = array("d")

    def append(self, value: float) -> None:
        """One more."""
        counts = self._counts
        if value in counts:
            counts[value] += 1
        elif len(counts) < MOST_COUNTED:
            counts[value] = 1
        else:
            self._others.append(value)

    def count(self, value: float) -> int:
        """How many are equal to this."""
        return self._counts.get(value) or self._others.count(value)

    @property
    def different(self) -> AbstractSet[float]:
        """Each number that is there, at least once."""
        return self._counts.keys() | set(self._others) if self._others else self._counts.keys()

    def __len__(self) -> int:
        return sum(self._counts.values()) + len(self._others)

    def __iter__(self) -> Iterator[float]:
        return chain(chain.from_iterable(starmap(repeat, self._counts.items())), self._others)

    def __contains__(self, value: object) -> bool:
        return value in self._counts or value in self._others
