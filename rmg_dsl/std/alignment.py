"""Edit distance and longest common subsequence of two sequences, by bit-parallel algorithms."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def bit_parallel_edit_distance(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Return the edit distance: the fewest one-item edits that turn one sequence into the other.

    >>> bit_parallel_edit_distance("kitten", "sitting"), bit_parallel_edit_distance(["a", "b"], [])
    (3, 2)
    >>> bit_parallel_edit_distance("", "")
    0

    An edit is an insertion, a deletion or a substitution. Myers' bit-vector algorithm in the form
    of Hyyrö (2003): two integers hold one column of the table. It takes about
    len(left) * len(right) / 30 machine steps, and far fewer where the sequences differ in one place
    only.
    """
    left, right, _ = _trim_common_ends(left, right)
    longer, shorter = _by_length(left, right)
    places = _position_masks(longer)
    full = (1 << len(longer)) - 1
    # Bits where the column rises, and where it falls, by one from a cell to the next.
    plus = full
    minus = 0
    for item in shorter:
        at = places.get(item, 0)
        # The cells that equal their upper left neighbour. The carry of the sum spreads a match.
        same = (((at & plus) + plus) ^ plus) | at | minus
        # The same differences along the row; the shift brings each to the next cell.
        rises = ((minus | ~(same | plus)) << 1) | 1
        falls = (same & plus) << 1
        # Python's ints have no fixed width: `full` cuts off the bits beyond the column.
        plus = (falls | ~(same | rises)) & full
        minus = rises & same & full
    return len(shorter) + plus.bit_count() - minus.bit_count()


def bit_parallel_lcs_length(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence: shared items in order, gaps allowed.

    >>> bit_parallel_lcs_length("abcde", "xaxcxe"), bit_parallel_lcs_length(["a"], ["b"])
    (3, 0)

    Hyyrö's bit-vector algorithm (2004): a cleared bit is a step of the subsequence.
    """
    left, right, shared = _trim_common_ends(left, right)
    longer, shorter = _by_length(left, right)
    places = _position_masks(longer)
    full = (1 << len(longer)) - 1
    row = full
    for item in shorter:
        matches = row & places.get(item, 0)
        # `matches` is a part of `row`: the difference clears its bits and borrows from no other.
        row = ((row + matches) | (row - matches)) & full
    return shared + len(longer) - row.bit_count()


def _by_length(
    left: Sequence[Hashable], right: Sequence[Hashable]
) -> tuple[Sequence[Hashable], Sequence[Hashable]]:
    """The longer sequence, then the shorter one.

    The positions of the longer one are bits, which cost little; each item of the other is a step.
    """
    if len(left) >= len(right):
        return left, right
    return right, left


def _position_masks(items: Sequence[Hashable]) -> dict[Hashable, int]:
    """For each item an integer with a bit at each of its positions."""
    places: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        mask = places.get(item, 0)
        places[item] = mask | (1 << index)
    return places


def _trim_common_ends(
    left: Sequence[Hashable], right: Sequence[Hashable]
) -> tuple[Sequence[Hashable], Sequence[Hashable], int]:
    """Both sequences without their common prefix and suffix, and the length of these two."""
    # The ends need no edit, and most texts that are compared differ in a few places only.
    start = _common_prefix_length(left, right)
    left = left[start:]
    right = right[start:]
    end = _common_prefix_length(left[::-1], right[::-1])
    # `[:-end]` would give nothing where `end` is 0.
    left = left[: len(left) - end]
    right = right[: len(right) - end]
    return left, right, start + end


def _common_prefix_length(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    pairs = zip(left, right, strict=False)
    for index, (one, other) in enumerate(pairs):
        if one != other:
            return index
    return min(len(left), len(right))
