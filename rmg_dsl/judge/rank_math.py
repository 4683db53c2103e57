"""Ranks: from scores, from the reply to one question about all candidates, or from comparisons of two. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

MAX_ROUND_ROBIN = 8
"""Up to so many candidates, each is compared with each; more are sorted by merging."""

Pair = tuple[int, int]


# ── ranks and their scores ───────────────────────────────────────────────────────────────────────────────────────


def ranks_of(scores: Sequence[float], *, lower: bool = False) -> tuple[int, ...]:
    """The rank of each score, 1 for the best; equal ones share theirs, and as many ranks are left out after them.

    >>> ranks_of([3, 5, 5, 1]), ranks_of([3, 5, 5, 1], lower=True)
    ((3, 1, 1, 4), (2, 3, 3, 1))
    """
    ordered = sorted(scores, reverse=not lower)
    places: dict[float, int] = {}
    for place, score in enumerate(ordered, 1):
        places.setdefault(score, place)
    return tuple(places[score] for score in scores)


def shares_of(ranks: Sequence[int]) -> tuple[float, ...]:
    """For each rank the share of the others that it is better than; one of the same rank counts half.

    1 for the only best, 0 for the only last, and 1 for who is alone.

    >>> shares_of([1, 2, 3]), shares_of([1, 1, 3]), shares_of([1])
    ((1.0, 0.5, 0.0), (0.75, 0.75, 0.0), (1.0,))
    """
    others = len(ranks) - 1
    same = {rank: ranks.count(rank) - 1 for rank in set(ranks)}
    if not others:
        return (1.0,)
    return tuple((others - (rank - 1) - same[rank] / 2) / others for rank in ranks)


# ── one question about all ───────────────────────────────────────────────────────────────────────────────────────


def label_of(place: int) -> str:
    """The label of a candidate by its place in the question, from 0: letters, as of the columns of a sheet.

    >>> label_of(0), label_of(25), label_of(26), label_of(701), label_of(702)
    ('A', 'Z', 'AA', 'ZZ', 'AAA')
    """
    left, last = divmod(place, 26)
    return (label_of(left - 1) if left else "") + chr(ord("A") + last)


def shuffle_order(count: int, seed: str) -> tuple[int, ...]:
    """The order in which candidates are shown: the same for the same seed, on every machine.

    >>> shuffle_order(5, "0 q1") == shuffle_order(5, "0 q1"), sorted(shuffle_order(5, "0 q2"))
    (True, [0, 1, 2, 3, 4])
    """
    order = list(range(count))
    Random(seed).shuffle(order)
    return tuple(order)


def ranks_in(verdict: Sequence[str], shown: Sequence[int]) -> tuple[int, ...]:
    """The ranks that a verdict gives, labels from the best to the last; `shown` are the candidates as they were shown.

    >>> ranks_in(["B", "C", "A"], [2, 0, 1])
    (1, 2, 3)
    """
    candidate = {label_of(place): index for place, index in enumerate(shown)}
    ranks = [0] * len(shown)
    for rank, label in enumerate(verdict, 1):
        ranks[candidate[label]] = rank
    return tuple(ranks)


# ── comparisons of two ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class PairwiseRanker:
    """Candidates that are compared two at a time, until they are ranked.

    `results` are the comparisons so far: of two places, the first below the second, 1 where the first is better, 0
    where the second is, 0.5 where neither is. Asked again and again, it says which are wanted next, or the ranks.

    >>> contest = PairwiseRanker(3)
    >>> contest.pending_pairs()
    ((0, 1), (0, 2), (1, 2))
    >>> contest.results = {(0, 1): 1, (0, 2): 0.5, (1, 2): 0}
    >>> contest.pending_pairs(), contest.ranks()
    ((), (1, 3, 1))
    """

    count: int
    results: dict[Pair, float] = field(default_factory=dict)
    _sorted_ranges: dict[Pair, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def pending_pairs(self) -> tuple[Pair, ...]:
        """The comparisons that can be made now and are not made yet; none once the ranks are known."""
        if self.count <= MAX_ROUND_ROBIN:
            return tuple(
                pair for pair in combinations(range(self.count), 2) if pair not in self.results
            )
        open_ones: list[Pair] = []
        self._sort(0, self.count, open_ones)
        return tuple(open_ones)

    def ranks(self) -> tuple[int, ...]:
        """The ranks, once nothing is wanted any more."""
        if self.count <= MAX_ROUND_ROBIN:
            return ranks_of(_points(self.count, self.results))
        order = self._sort(0, self.count, [])
        assert order is not None
        return self._ranks_with_ties(order)

    def _sort(self, low: int, high: int, open_ones: list[Pair]) -> tuple[int, ...] | None:
        """The candidates from `low` to before `high`, the best first; what that still needs goes to `open_ones`."""
        if high - low < 2:
            return tuple(range(low, high))
        if (low, high) not in self._sorted_ranges:
            middle = (low + high) // 2
            left, right = self._sort(low, middle, open_ones), self._sort(middle, high, open_ones)
            merged = None if left is None or right is None else self._merge(left, right, open_ones)
            if merged is None:
                return None
            self._sorted_ranges[low, high] = merged
        return self._sorted_ranges[low, high]

    def _merge(
        self, left: Sequence[int], right: Sequence[int], open_ones: list[Pair]
    ) -> tuple[int, ...] | None:
        found: list[int] = []
        i = j = 0
        while i < len(left) and j < len(right):
            result = self.results.get((left[i], right[j]))
            if result is None:
                open_ones.append((left[i], right[j]))
                return None
            if result >= 0.5:
                found.append(left[i])
                i += 1
            else:
                found.append(right[j])
                j += 1
        return (*found, *left[i:], *right[j:])

    def _ranks_with_ties(self, order: Sequence[int]) -> tuple[int, ...]:
        """Neighbours have met, whatever the way: those that neither won share a rank."""
        ranks = [0] * self.count
        for place, candidate in enumerate(order, 1):
            before = order[place - 2] if place > 1 else candidate
            met = (min(before, candidate), max(before, candidate))
            ranks[candidate] = ranks[before] if self.results.get(met) == 0.5 else place
        return tuple(ranks)


def _points(count: int, results: Mapping[Pair, float]) -> list[float]:
    points = [0.0] * count
    for (one, other), result in results.items():
        points[one] += result
        points[other] += 1 - result
    return points


def comparison_count_range(count: int) -> Pair:
    """How many comparisons of two so many candidates can need.

    >>> comparison_count_range(1), comparison_count_range(8), comparison_count_range(16)
    ((0, 0), (28, 28), (32, 49))
    """
    if count <= MAX_ROUND_ROBIN:
        return (count * (count - 1) // 2,) * 2
    merges = list(_merges(count))
    return sum(min(sizes) for sizes in merges), sum(sum(sizes) - 1 for sizes in merges)


def _merges(count: int) -> Iterator[Pair]:
    """The sizes of the parts of each merge in sorting so many."""
    if count > 1:
        half = count // 2
        yield half, count - half
        yield from _merges(half)
        yield from _merges(count - half)
