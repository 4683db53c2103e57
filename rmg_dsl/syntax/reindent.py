"""Lost indentation, rebuilt: nothing nests deeper than a rubric, so the shape of a line says where it belongs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rmg_dsl.diagnostics import Source, Span
from rmg_dsl.syntax.declarations import keywords
from rmg_dsl.syntax.doc import INDENT_WIDTH, TextBlock, block_text
from rmg_dsl.syntax.formatter import logical_lines
from rmg_dsl.syntax.printer import string_piece
from rmg_dsl.syntax.strings import STRING, is_block

_WORD = re.compile(r"[^\W\d]\w*")
_SETTING = re.compile(r"[^\W\d]\w*[ \t]*=(?!=)")
_RUBRIC = re.compile(r"rubric[ \t]*:?$")
_COMMENT_OR_STRING = re.compile(rf"#[^\n]*|{STRING.pattern}", re.S)


def reindent(text: str) -> str:
    r"""A spec whose lines stand where their shape says: heads in column 1, settings at 4 blanks, a rubric's lines at 8.

    >>> print(reindent('grader a -> bool:\nprompt = "Is {{ response }} polite?"\nrubric:\n True: "yes"\nparam b = 1'))
    grader a -> bool:
        prompt = "Is {{ response }} polite?"
        rubric:
            True: "yes"
    param b = 1

    Comments go with the line that follows, texts of several lines as a whole with their own indentation. Nothing is
    parsed, so a text with mistakes comes back too; `format_text` then lays out the rest.
    """
    text = "\n" + Source.of(text).text
    places = list(logical_lines(text))
    levels = _line_levels(text[place.start : place.end] for place in places)
    out, last = "", Span(0, 0)
    for before, place, level in zip([last, *places], places, levels, strict=False):
        indent = INDENT_WIDTH * level
        out += _reindent_gap(text[before.end : place.start], indent) + " " * indent
        out += _reindent_statement(text[place.start : place.end], indent)
        last = place
    return (out + _reindent_gap(text[last.end :], 0))[1:]


def _line_levels(lines: Iterable[str]) -> Iterator[int]:
    """How deep each line stands; one that ends with a colon opens the next level."""
    opened = 0
    for line in lines:
        level = _line_level(line, opened)
        yield level
        opened = level + 1 if line.endswith(":") or (level and _RUBRIC.match(line)) else level


def _line_level(line: str, opened: int) -> int:
    word = _WORD.match(line)
    setting = _SETTING.match(line)
    if word and word.group() in keywords() and not setting:
        return 0
    return min(opened, 1 if setting or _RUBRIC.match(line) else 2)


def _reindent_gap(gap: str, indent: int) -> str:
    """The rest of a statement's last line, then the blank lines and comments up to the next statement."""
    first, *lines = gap.split("\n")
    return "\n".join(
        [first.rstrip(), *(" " * indent + line.strip() if line.strip() else "" for line in lines)]
    )


def _reindent_statement(statement: str, indent: int) -> str:
    """A statement whose text blocks stand below its new indent; what they mean is left alone."""
    return _COMMENT_OR_STRING.sub(lambda found: _reindent_string(found.group(), indent), statement)


def _reindent_string(token: str, indent: int) -> str:
    """A text block moved; its quotes stay, for what is wrong elsewhere may hang on them."""
    piece = string_piece(token) if "\n" in token and is_block(token) else token
    if isinstance(piece, str):
        return token
    return block_text(
        TextBlock(token[: 3 + token.startswith("r")], piece.lines), indent + INDENT_WIDTH
    )
