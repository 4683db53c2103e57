"""Error rules for texts that stand side by side, as Python joins them."""

from __future__ import annotations

import re

from rmg_dsl.diagnostics import Diagnostic, Fix
from rmg_dsl.syntax.bad_line import BadLine

_TEXT = r"\"(?!\"\")(?:[^\"\\\n]|\\.)*\"|'(?!'')(?:[^'\\\n]|\\.)*'"
_TEXTS_ALONE = re.compile(rf"(?:{_TEXT})(?:\s*(?:{_TEXT}))*")
_RUN_AT_END = re.compile(rf"(?:(?:{_TEXT})\s*)+\Z")
_ONE_TEXT_HELP = 'make one text of them; one of several lines stands between """ and """'
ADJACENT_TEXTS = "two texts in a row are not joined"


def are_texts_alone(line: str) -> bool:
    """Does a line hold nothing but texts?

    >>> are_texts_alone('"a" "b"'), are_texts_alone('"good": "Fine"')
    (True, False)
    """
    return _TEXTS_ALONE.fullmatch(line) is not None


def joined_texts(text: str) -> str | None:
    """The texts of a run as one text; none where their quotes differ.

    >>> joined_texts('"a "  "b"')
    '"a b"'
    """
    pieces: list[str] = re.findall(_TEXT, text)
    quotes: set[str] = {piece[0] for piece in pieces}
    if len(quotes) != 1 or len(pieces) < 2:
        return None
    quote = quotes.pop()
    return quote + "".join(piece[1:-1] for piece in pieces) + quote


def texts_at_end(text: str) -> int | None:
    """Where the run of texts begins that ends a line; none where it ends in something else."""
    found = _RUN_AT_END.search(text)
    return found.start() if found else None


def adjacent_texts(m: BadLine) -> Diagnostic | None:
    """`prompt = "Is this good? " "{{ response }}"`; in a list, a comma is missing."""
    start = texts_at_end(m.before)
    if not m.rest.startswith(('"', "'")) or start is None or not _is_whole_value(m, start):
        return None
    tail = _TEXTS_ALONE.match(m.rest)
    if tail is None or not re.search(r"\s\Z", m.before):
        return None
    end = m.offset + tail.end()
    joined = joined_texts(m.text[start:end])
    span = m.span(m.offset, end)
    if joined is None:
        return m.diagnose_at("RMG101", ADJACENT_TEXTS, span, _ONE_TEXT_HELP)
    fix = Fix(m.span(start, end), joined, "make one text of them")
    return m.diagnose_at("RMG101", ADJACENT_TEXTS, span, _ONE_TEXT_HELP, fix)


def _is_whole_value(m: BadLine, start: int) -> bool:
    """Is it the whole value of the line, perhaps in brackets, and no item of a list or a call?"""
    return re.search(r"=\s*\(?\s*\Z", m.text[:start]) is not None
