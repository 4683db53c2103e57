"""Suggest the nearest name in scope for a misspelt one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_MOST_EDITS = 2
_LONGEST_INDEXED = 40
# Letters of Cyrillic and Greek that look like Latin ones, as fonts draw them.
_LATIN_TWINS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u04bb\u0442\u043a\u043c\u03bf\u03b1\u03bd\u03c1\u03b9"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7",
    "aeopcyxijsdqhtkmoavpiABEKMHOPCTXABEHIKMNOPTX",
)


def ascii_skeleton(name: str) -> str:
    """The name in plain letters, where letters of other scripts only look like them.

    >>> ascii_skeleton("gr\\u0430der"), ascii_skeleton("\\uff15")
    ('grader', '5')
    """
    return unicodedata.normalize("NFKC", name).translate(_LATIN_TWINS)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that differs by a slip of the fingers, or none.

    >>> nearest("anwser", ["answer", "query"]), nearest("docs", ["answer"])
    ('answer', None)
    """
    if not name.isascii() and (twin := ascii_skeleton(name)) != name:
        candidates = list(candidates)
        # The same word to the eye: no reader could tell it from the declared one.
        if twin in candidates:
            return twin
    most = _max_edits(name)
    near = (
        c
        for c in set(candidates)
        if c != name and _may_be_near(name, c, most) and _can_be_typo(name, c)
    )
    ranked = sorted((distance(name.lower(), c.lower()), c) for c in near)
    return ranked[0][1] if ranked and ranked[0][0] <= most else None


class NameIndex:
    """Names by their parts, to find those near another one without a look at all of them.

    >>> NameIndex(["answer", "query"]).candidates("anwser")
    ['answer']

    Two words that differ by a few edits become equal when as many letters are left out of each.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names_by_part: dict[str, list[str]] = {}
        self.size = 0
        for name in names:
            self.size += 1
            for part in _parts_of(name, _MOST_EDITS):
                self._names_by_part.setdefault(part, []).append(name)

    def candidates(self, name: str) -> list[str]:
        """The names that may be near, each once."""
        parts = _parts_of(name, _max_edits(name))
        near = (other for part in parts for other in self._names_by_part.get(part, ()))
        return list(dict.fromkeys(near))


def _parts_of(name: str, edits: int) -> set[str]:
    """A name in small letters, and all that is left of it without up to so many letters."""
    # A very long name has very many parts, and is no slip for another one.
    parts = {name.lower()}
    if len(name) > _LONGEST_INDEXED:
        return parts
    for _ in range(edits):
        parts |= {part[:i] + part[i + 1 :] for part in parts for i in range(len(part))}
    return parts


def _may_be_near(name: str, other: str, most: int) -> bool:
    """What no few edits can bridge need not be measured: it keeps a long spec's check linear."""
    return (
        abs(len(name) - len(other)) <= most and len({*name.lower()} ^ {*other.lower()}) <= 2 * most
    )


def suggest_name(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a slip or a forgotten word may stand for: for advice only.

    Of two alike none.
    """
    names = list(candidates)
    close = nearest(name, names)
    # The nearest name within the usual number of slips is a safe fix.
    if close:
        return close
    # For advice alone a larger distance is acceptable, but only if one name is clearly nearest.
    ranked = sorted((distance(name.lower(), c.lower()), c) for c in set(names) if c != name)
    if not ranked or ranked[0][0] > max(1, len(name) // 3):
        return None
    return None if len(ranked) > 1 and ranked[0][0] == ranked[1][0] else ranked[0][1]


def _max_edits(name: str) -> int:
    return 0 if len(name) < 4 else 1 if len(name) < 8 else 2


def _can_be_typo(name: str, other: str) -> bool:
    """`answer_1` and `answer_2` are two names, not one with a slip."""
    digits = re.compile(r"\d+")
    return digits.sub("", name) != digits.sub("", other) or digits.findall(name) == digits.findall(
        other
    )


def distance(a: str, b: str) -> int:
    """Edits between two words, where swapped neighbours count as one."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            best = min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, older[j - 2] + 1)
            row.append(best)
    return row[-1]


def format_names(names: Iterable[str], most: int = 8) -> str:
    """Names for a sentence, in quotes, not too many of them."""
    unique = sorted(set(names))
    shown = ", ".join(f"`{name}`" for name in unique[:most])
    return shown + (f" and {len(unique) - most} more" if len(unique) > most else "")
