"""Rebuild lost indentation from the shape of each line."""

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
    r"""Indent each line by its shape: heads by 0 blanks, settings by 4, the lines of a rubric by 8.

    >>> flat = 'grader a -> bool:\nprompt = "Is {{ response }} polite?"\nrubric:\n True: "yes"'
    >>> print(reindent(flat + "\nparam b = 1"))
    grader a -> bool:
        prompt = "Is {{ response }} polite?"
        rubric:
            True: "yes"
    param b = 1

    A comment moves with the line that follows; a text of several lines moves as a whole. Nothing is
    parsed, so a text with mistakes comes back too; `format_text` then lays out the rest.
    """
    # With a line break in front, the first line is like every other one.
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
    """The level of each line; a line that ends with a colon opens the next one."""
    opened = 0
    for line in lines:
        level = _line_level(line, opened)
        yield level
        opened = level
        # `rubric` may have lost its colon.
        if line.endswith(":") or (level and _RUBRIC.match(line)):
            opened += 1


def _line_level(line: str, opened: int) -> int:
    word = _WORD.match(line)
    setting = _SETTING.match(line)
    # `model = judge` is a key, although `model` starts declarations.
    if word and word.group() in keywords() and not setting:
        return 0
    if setting or _RUBRIC.match(line):
        return min(opened, 1)
    return min(opened, 2)


def _reindent_gap(gap: str, indent: int) -> str:
    """Indent the text between two statements: the end of a line, blank lines and comments."""
    first, *lines = gap.split("\n")
    blanks = " " * indent
    indented = [(blanks + line.strip()).rstrip() for line in lines]
    return "\n".join([first.rstrip(), *indented])


def _reindent_statement(statement: str, indent: int) -> str:
    """A statement with its text blocks moved below its new indent; their meaning stays."""
    return _COMMENT_OR_STRING.sub(lambda match: _reindent_string(match.group(), indent), statement)


def _reindent_string(token: str, indent: int) -> str:
    """Move a text block; any other string stays as it is."""
    if "\n" not in token or not is_block(token):
        return token
    piece = string_piece(token)
    if isinstance(piece, str):
        return token
    # Its quotes stay as they are: with others, a mistake elsewhere could end another text.
    opening = token[: 3 + token.startswith("r")]
    return block_text(TextBlock(opening, piece.lines), indent + INDENT_WIDTH)
