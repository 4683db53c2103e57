"""Two sequences laid side by side: how many edits apart they are, and how much they share in order. Bit-parallel."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def bit_parallel_edit_distance(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Return the fewest insertions, deletions and substitutions of one item that make one sequence the other.

    >>> bit_parallel_edit_distance("kitten", "sitting"), bit_parallel_edit_distance(["a", "b"], []), bit_parallel_edit_distance("", "")
    (3, 2, 0)

    Myers' bit-vector algorithm as Hyyrö put it (2003): one column of the table is two integers, however long. Takes
    len(left) * len(right) / 30 machine steps, and next to none where the sequences differ in one place only.
    """
    left, right, _ = _trim_common_ends(left, right)
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    places, full = _position_masks(longer), (1 << len(longer)) - 1
    plus, minus = full, 0  # where the column rises and falls by one from a cell to the next
    for item in shorter:
        at = places.get(item, 0)
        same = (((at & plus) + plus) ^ plus) | at | minus
        rises = ((minus | ~(same | plus)) << 1) | 1
        falls = (same & plus) << 1
        plus, minus = (falls | ~(same | rises)) & full, rises & same & full
    return len(shorter) + plus.bit_count() - minus.bit_count()


def bit_parallel_lcs_length(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence: items that both have in the same order, gaps allowed.

    >>> bit_parallel_lcs_length("abcde", "xaxcxe"), bit_parallel_lcs_length(["a"], ["b"])
    (3, 0)

    Hyyrö's bit-vector algorithm (2004): a cleared bit is a step of the subsequence.
    """
    left, right, shared = _trim_common_ends(left, right)
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    places, full = _position_masks(longer), (1 << len(longer)) - 1
    row = full
    for item in shorter:
        met = row & places.get(item, 0)
        row = ((row + met) | (row - met)) & full
    return shared + len(longer) - row.bit_count()


def _position_masks(items: Sequence[Hashable]) -> dict[Hashable, int]:
    places: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        places[item] = places.get(item, 0) | (1 << index)
    return places


def _trim_common_ends(
    left: Sequence[Hashable], right: Sequence[Hashable]
) -> tuple[Sequence[Hashable], Sequence[Hashable], int]:
    """Both sequences without what they begin and end alike with, and the length of that."""
    start = _common_prefix_length(left, right)
    left, right = left[start:], right[start:]
    end = _common_prefix_length(left[::-1], right[::-1])
    return left[: len(left) - end], right[: len(right) - end], start + end


def _common_prefix_length(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next(
        (index for index, (one, other) in pairs if one != other), min(len(left), len(right))
    )
