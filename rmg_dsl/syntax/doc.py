"""A printed line as pieces: text, text blocks, and brackets that can break over lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, assert_never

from rmg_dsl.syntax import nodes

LINE_WIDTH = 100
INDENT_WIDTH = 4

_COMMENT = re.compile(r"(##?)(?!#)([ \t]*)(.*)", re.S)


def comment_lines(comments: Sequence[nodes.Comment], indent: int) -> list[str]:
    return [" " * indent + text for text in _format_comments(comments)]


def _format_comments(comments: Sequence[nodes.Comment]) -> list[str]:
    """One blank after the marker; lines that stand together keep what they are indented against
    each other.
    """
    texts = [comment.text for comment in comments]
    blanks = [_comment_blanks(text) for text in texts]
    margin = min((n for n in blanks if n), default=1)
    return [
        _reindent_comment(text, max(1, 1 + n - margin))
        for text, n in zip(texts, blanks, strict=True)
    ]


def _comment_blanks(text: str) -> int:
    found = _COMMENT.match(text)
    return len(found[2].expandtabs(INDENT_WIDTH)) if found and found[3] else 0


def _reindent_comment(text: str, blanks: int) -> str:
    found = _COMMENT.match(text)
    if not found or not found[3] or text.startswith(("#!", "#:")):
        return text
    return found[1] + " " * blanks + found[3]


def trailing_comments(comments: Sequence[nodes.Comment]) -> str:
    return "".join(f"  {text}" for text in _format_comments(comments))


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A string of several lines, dedented, its escapes as they were written."""

    opening: str
    lines: tuple[str, ...]

    @property
    def closing(self) -> str:
        return self.opening[-3:]


@dataclass(frozen=True, slots=True)
class BracketPart:
    doc: Doc
    above: tuple[nodes.Comment, ...]
    beside: tuple[nodes.Comment, ...]


@dataclass(frozen=True, slots=True)
class BracketGroup:
    """What stands in a bracket; broken, each part has its line.

    `ends`: the last one has a separator too, then.
    """

    opening: str
    parts: tuple[BracketPart, ...]
    below: tuple[nodes.Comment, ...]
    closing: str
    separator: str = ","
    has_trailing_separator: bool = True


Piece: TypeAlias = str | TextBlock | BracketGroup


Doc: TypeAlias = tuple[Piece, ...]


def render_doc(doc: Doc, indent: int) -> str:
    """The text of a line that starts at `indent`, its brackets broken, from outside in, where they
    must or it helps.
    """
    out = " " * indent
    broken = _pieces_to_break(doc, indent)
    for at, piece in enumerate(doc):
        match piece:
            case str():
                out += piece
            case TextBlock():
                out += block_text(piece, indent + INDENT_WIDTH)
            case BracketGroup():
                out += _broken_text(piece, indent) if at in broken else _flat_text(piece)
            case _:
                assert_never(piece)
    return out


def _pieces_to_break(doc: Doc, indent: int) -> set[int]:
    """The pieces that go over lines: those that have to, then of each line that is too long the
    widest that helps.
    """
    forced = [at for at, piece in enumerate(doc) if _must_break(piece)]
    broken = set(forced)
    lines = list(pairwise([-1, *forced, len(doc)]))
    while lines:
        start, end = lines.pop()
        chosen = _widest_bracket(doc, start, end, indent)
        if chosen is not None:
            broken.add(chosen)
            lines += [(start, chosen), (chosen, end)]
    return broken


def _widest_bracket(doc: Doc, start: int, end: int, indent: int) -> int | None:
    """The widest bracket between two line ends, if they are too far apart; none that leaves the
    rest as long.
    """
    ends = [indent + len(_closing_text(doc[start]) if start >= 0 else "")]
    for piece in doc[start + 1 : end]:
        ends.append(ends[-1] + len(_flat_text(piece)))
    total = ends[-1] + (len(_opening_text(doc[end])) if end < len(doc) else 0)
    choice = (
        [at for at in range(start + 1, end) if isinstance(doc[at], BracketGroup)]
        if total > LINE_WIDTH
        else []
    )
    column = {at: ends[at - start] for at in choice}
    helps = [
        at
        for at in choice
        if column[at] > LINE_WIDTH or indent + 1 + total - column[at] <= LINE_WIDTH
    ]
    return max(helps, key=lambda at: len(_flat_text(doc[at])), default=None)


def _opening_text(piece: Piece) -> str:
    return piece if isinstance(piece, str) else piece.opening


def _closing_text(piece: Piece) -> str:
    match piece:
        case str():
            return piece
        case TextBlock():
            return " " * INDENT_WIDTH + piece.closing
        case BracketGroup():
            return piece.closing
        case _:
            assert_never(piece)


def _must_break(piece: Piece) -> bool:
    """A text of several lines goes over lines, a comment needs a line of its own, and so does what
    holds either.
    """
    match piece:
        case str():
            return False
        case TextBlock():
            return True
        case BracketGroup():
            commented = bool(piece.below) or any(part.above or part.beside for part in piece.parts)
            return commented or any(
                _must_break(inner) for part in piece.parts for inner in part.doc
            )
        case _:
            assert_never(piece)


def _flat_text(piece: Piece) -> str:
    """A piece on one line; a text block has none, so it never gets here."""
    match piece:
        case str():
            return piece
        case TextBlock():
            raise AssertionError("a text of several lines does not fit on one")
        case BracketGroup():
            parts = ("".join(_flat_text(inner) for inner in part.doc) for part in piece.parts)
            return piece.opening + f"{piece.separator} ".join(parts) + piece.closing
        case _:
            assert_never(piece)


def _broken_text(group: BracketGroup, indent: int) -> str:
    inner = indent + INDENT_WIDTH
    lines = [group.opening]
    for at, part in enumerate(group.parts):
        more = group.has_trailing_separator or at + 1 < len(group.parts)
        lines += comment_lines(part.above, inner)
        lines.append(
            render_doc((*part.doc, group.separator if more else ""), inner)
            + trailing_comments(part.beside)
        )
    lines += comment_lines(group.below, inner)
    return "\n".join([*lines, " " * indent + group.closing])


def block_text(block: TextBlock, indent: int) -> str:
    """A text block, its lines and closing quotes at `indent`: those quotes say which indent the
    text does not have.
    """
    pad = " " * indent
    lines = (pad + line if line else "" for line in block.lines)
    return "\n".join([block.opening, *lines, pad + block.closing])
