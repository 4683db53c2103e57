"""Ranks from scores, from one verdict about all candidates, or from comparisons of two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import TypeAlias

MAX_ROUND_ROBIN = 8
"""Up to so many candidates are all compared with each other; more are sorted by merging."""

Pair: TypeAlias = tuple[int, int]


# ── ranks and their scores ──


def ranks_of(scores: Sequence[float], *, lower: bool = False) -> tuple[int, ...]:
    """The rank of each score, 1 for the best.

    >>> ranks_of([3, 5, 5, 1]), ranks_of([3, 5, 5, 1], lower=True)
    ((3, 1, 1, 4), (2, 3, 3, 1))

    Equal scores share a rank, and the next ranks are skipped.
    """
    ordered = sorted(scores, reverse=not lower)
    places: dict[float, int] = {}
    for place, score in enumerate(ordered, 1):
        places.setdefault(score, place)
    return tuple(places[score] for score in scores)


def shares_of(ranks: Sequence[int]) -> tuple[float, ...]:
    """For each rank the share of the others that it beats; an equal rank counts half.

    >>> shares_of([1, 2, 3]), shares_of([1, 1, 3]), shares_of([1])
    ((1.0, 0.5, 0.0), (0.75, 0.75, 0.0), (1.0,))

    The only best one has 1, the only last one 0. A single candidate has 1.
    """
    others = len(ranks) - 1
    if not others:
        return (1.0,)
    shares = {}
    for rank, count in Counter(ranks).items():
        better = rank - 1
        equal = count - 1
        shares[rank] = (others - better - equal / 2) / others
    return tuple(shares[rank] for rank in ranks)


# ── one question about all ──


def label_of(place: int) -> str:
    """The label of a candidate by its place, from 0: letters like spreadsheet columns.

    >>> label_of(0), label_of(25), label_of(26), label_of(701), label_of(702)
    ('A', 'Z', 'AA', 'ZZ', 'AAA')
    """
    left, last = divmod(place, 26)
    prefix = label_of(left - 1) if left else ""
    return prefix + chr(ord("A") + last)


def shuffle_order(count: int, seed: str) -> tuple[int, ...]:
    """The order in which candidates are shown. A seed gives the same order on every machine.

    >>> shuffle_order(5, "0 q1") == shuffle_order(5, "0 q1"), sorted(shuffle_order(5, "0 q2"))
    (True, [0, 1, 2, 3, 4])
    """
    order = list(range(count))
    Random(seed).shuffle(order)
    return tuple(order)


def ranks_in(verdict: Sequence[str], shown: Sequence[int]) -> tuple[int, ...]:
    """The rank of each candidate in a verdict, which lists labels, the best first.

    >>> ranks_in(["B", "C", "A"], [2, 0, 1])
    (1, 2, 3)

    `shown` are the candidates in the order in which the question shows them.
    """
    candidates = {label_of(place): candidate for place, candidate in enumerate(shown)}
    ranks = [0] * len(shown)
    for rank, label in enumerate(verdict, 1):
        ranks[candidates[label]] = rank
    return tuple(ranks)


# ── comparisons of two ──


@dataclass(slots=True)
class PairwiseRanker:
    """Candidates that are compared two at a time, until they are ranked.

    >>> contest = PairwiseRanker(3)
    >>> contest.pending_pairs()
    ((0, 1), (0, 2), (1, 2))
    >>> contest.results = {(0, 1): 1, (0, 2): 0.5, (1, 2): 0}
    >>> contest.pending_pairs(), contest.ranks()
    ((), (1, 3, 1))

    `results` are the comparisons so far, by the places of the two candidates, the lower place
    first: 1 where the first is better, 0 where the second is, 0.5 where neither is.
    """

    count: int
    results: dict[Pair, float] = field(default_factory=dict)
    _sorted_ranges: dict[Pair, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def pending_pairs(self) -> tuple[Pair, ...]:
        """The comparisons to make now, without a result yet; none once the ranks are known."""
        if self.count <= MAX_ROUND_ROBIN:
            pairs = combinations(range(self.count), 2)
            return tuple(pair for pair in pairs if pair not in self.results)
        pending: list[Pair] = []
        self._sort(0, self.count, pending)
        return tuple(pending)

    def ranks(self) -> tuple[int, ...]:
        """The ranks, once no comparison is pending."""
        if self.count <= MAX_ROUND_ROBIN:
            return ranks_of(_points(self.count, self.results))
        order = self._sort(0, self.count, [])
        assert order is not None
        return self._ranks_with_ties(order)

    def _sort(self, low: int, high: int, pending: list[Pair]) -> tuple[int, ...] | None:
        """The candidates from `low` to before `high`, the best first, or None.

        Adds the comparisons that it still needs to `pending`.
        """
        if high - low < 2:
            return tuple(range(low, high))
        if (low, high) not in self._sorted_ranges:
            # Both halves are sorted first, so that their comparisons can be made at the same time.
            middle = (low + high) // 2
            left = self._sort(low, middle, pending)
            right = self._sort(middle, high, pending)
            if left is None or right is None:
                return None
            merged = self._merge(left, right, pending)
            if merged is None:
                return None
            self._sorted_ranges[low, high] = merged
        return self._sorted_ranges[low, high]

    def _merge(
        self, left: Sequence[int], right: Sequence[int], pending: list[Pair]
    ) -> tuple[int, ...] | None:
        merged: list[int] = []
        i = j = 0
        while i < len(left) and j < len(right):
            result = self.results.get((left[i], right[j]))
            if result is None:
                pending.append((left[i], right[j]))
                return None
            if result >= 0.5:
                merged.append(left[i])
                i += 1
            else:
                merged.append(right[j])
                j += 1
        return (*merged, *left[i:], *right[j:])

    def _ranks_with_ties(self, order: Sequence[int]) -> tuple[int, ...]:
        # Neighbours in a merged order were always compared. A tie between them shares a rank.
        ranks = [0] * self.count
        for place, candidate in enumerate(order, 1):
            before = order[place - 2] if place > 1 else candidate
            pair = (min(before, candidate), max(before, candidate))
            is_tie = self.results.get(pair) == 0.5
            ranks[candidate] = ranks[before] if is_tie else place
        return tuple(ranks)


def _points(count: int, results: Mapping[Pair, float]) -> list[float]:
    points = [0.0] * count
    for (one, other), result in results.items():
        points[one] += result
        points[other] += 1 - result
    return points


def comparison_count_range(count: int) -> Pair:
    """The fewest and the most comparisons of two that so many candidates can need.

    >>> comparison_count_range(1), comparison_count_range(8), comparison_count_range(16)
    ((0, 0), (28, 28), (32, 49))
    """
    if count <= MAX_ROUND_ROBIN:
        pairs = count * (count - 1) // 2
        return pairs, pairs
    merges = list(_merge_sizes(count))
    # A merge ends early when one part is used up, and needs one less than all at most.
    fewest = sum(min(sizes) for sizes in merges)
    most = sum(sum(sizes) - 1 for sizes in merges)
    return fewest, most


def _merge_sizes(count: int) -> Iterator[Pair]:
    """The sizes of both parts of each merge in sorting so many."""
    if count > 1:
        half = count // 2
        yield half, count - half
        yield from _merge_sizes(half)
        yield from _merge_sizes(count - half)
