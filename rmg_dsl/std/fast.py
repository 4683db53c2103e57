"""What `alignment` computes, by rapidfuzz where that is installed (`rmg-dsl[fast]`): the same numbers, much sooner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from rmg_dsl.std import alignment


class _Kernels(NamedTuple):
    edit_distance: Callable[[Any, Any], int]
    lcs_length: Callable[[Any, Any], int]


@cache
def _kernels() -> _Kernels:
    """Looked for at the first text that needs them: a run of other graders does not wait for the import."""
    try:
        from rapidfuzz.distance import LCSseq, Levenshtein
    except ImportError:
        return _Kernels(alignment.bit_parallel_edit_distance, alignment.bit_parallel_lcs_length)
    # Words are told apart by their hashes of 64 bits, which differ from one process to the next.
    return _Kernels(Levenshtein.distance, LCSseq.similarity)


def text_edit_distance(left: str, right: str) -> int:
    """The fewest insertions, deletions and substitutions of one character that make one text the other.

    >>> text_edit_distance("kitten", "sitting")
    3
    """
    return _kernels().edit_distance(left, right)


def word_lcs_length(left: Sequence[str], right: Sequence[str]) -> int:
    """How many words both have in the same order, gaps allowed.

    >>> word_lcs_length(["a", "b", "c"], ["a", "x", "c"])
    2
    """
    return _kernels().lcs_length(left, right)
