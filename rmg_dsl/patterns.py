"""Regular expressions of a spec or of a row, with a limit on their time.

A pattern such as `(a|aa)+$` takes Python's `re` for ever on some texts, and nothing can interrupt
it. So the syntax is that of `re`, and the library `regex`, which has a time limit, does the search.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

SEARCH_SECONDS = 1.0
PATTERN_ERRORS = (re.error, RecursionError, OverflowError)
"""What a faulty pattern raises; a very long or deeply nested one fails in other ways."""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """The compiled pattern. Raises one of PATTERN_ERRORS.

    >>> compile_pattern("a+").pattern
    'a+'
    """
    import regex

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        re.compile(pattern)
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise re.error(str(error), pattern) from None


@lru_cache(maxsize=256)
def ambiguity_in(pattern: str) -> str:
    """What Python warns of in a pattern, such as a bracket inside of a set; empty for nothing.

    >>> ambiguity_in("[[a]b"), ambiguity_in("[a]b")
    ('possible nested set at position 1', '')
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Python keeps compiled patterns and warns only once: the empty comment makes a new one.
        re.compile(f"{pattern}(?#)")
    return str(caught[0].message).lower() if caught else ""


def search_pattern(pattern: str, text: str) -> regex.Match[str] | None:
    """The first match of a pattern anywhere in a text.

    >>> search_pattern(r"\\d+", "of 50").group()
    '50'

    Raises one of PATTERN_ERRORS, and ValueError where the search takes longer than
    `SEARCH_SECONDS`.
    """
    try:
        return compile_pattern(pattern).search(text, timeout=SEARCH_SECONDS, concurrent=True)
    except TimeoutError:
        raise ValueError(
            f"the pattern takes more than {SEARCH_SECONDS:g} s on a text of {len(text):,} "
            "characters: a repetition inside of a repetition tries every way to split it"
        ) from None
