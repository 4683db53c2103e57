"""String tokens: their meaning, and the place of each of its characters in the token."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

TRIPLE = r'"""(?:[^"\\]|\\.|"(?!""))*"""' + r"|'''(?:[^'\\]|\\.|'(?!''))*'''"
SINGLE = r'"(?!"")(?:[^"\\\n]|\\.)*"' + r"|'(?!'')(?:[^'\\\n]|\\.)*'"
STRING = re.compile(rf"(?:(?<!\w)r)?(?:{TRIPLE}|{SINGLE})", re.S)

_QUOTES = re.compile(r"(r?)(\"\"\"|'''|\"|')", re.S)
_SIMPLE_ESCAPES = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
# Python's escapes; `\N{NAME}` is looked up in the database of Unicode.
_ESCAPE = re.compile(
    r"\\(?:([\\'\"abfnrtv])|(\n)|([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})"
    r"|U([0-9a-fA-F]{8})|N\{([^}\n]+)\})"
)


class Character(NamedTuple):
    """A character of the meaning of a string, and the offset of its origin in the token."""

    text: str
    origin: int


class UnknownEscape(ValueError):
    """A backslash that starts no escape; `offset` counts from the start of the token."""

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(text)
        self.offset = offset
        self.text = text


def string_value(token: str) -> str:
    r"""The meaning of a string token: a block is dedented, escapes are replaced.

    >>> string_value('"a\\tb"'), string_value('r"\\d+"')
    ('a\tb', '\\d+')
    >>> string_value('\"\"\"\n    Q: {{ query }}\n      A\n    \"\"\"')
    'Q: {{ query }}\n  A'
    """
    # Most strings have no escape: they need no list of characters.
    if "\\" not in token and not is_block(token):
        return token[_opening_length(token) : -1]
    return "".join(c.text for c in characters(token))


def characters(token: str) -> list[Character]:
    """The characters of the meaning of a token, each with its offset in the token.

    Raises `UnknownEscape` for a backslash that starts no escape; Python only warns about it.
    """
    # An `r` and the quotes are not part of the meaning.
    start = _opening_length(token)
    quote = 3 if is_block(token) else 1
    body = [Character(c, start + i) for i, c in enumerate(token[start:-quote])]
    if is_block(token):
        body = _dedent(body)
    return body if token.startswith("r") else _unescape(body)


def is_block(token: str) -> bool:
    """Is this a triple-quoted string?"""
    return token.lstrip("r")[:3] in ('"""', "'''")


def _opening_length(token: str) -> int:
    opening = _QUOTES.match(token)
    assert opening is not None
    return opening.end()


def _dedent(body: list[Character]) -> list[Character]:
    """Drop the first line break, the common indentation and the blanks at the ends of lines."""
    lines = _split_characters(body)
    starts_below = len(lines) > 1 and not _has_text(lines[0])
    rest = lines[1:]
    indents = [_indent_width(line) for line in rest if _has_text(line)]
    # The line of the closing quotes counts: it says which indentation is not part of the text.
    if rest and not _has_text(rest[-1]):
        indents.append(len(rest[-1]))
    margin = min(indents, default=0)
    dedented = [line[min(margin, _indent_width(line)) :] for line in rest]
    if not starts_below:
        dedented.insert(0, lines[0])
    return _join_lines([_rstrip(line) for line in dedented])


def _split_characters(body: list[Character]) -> list[list[Character]]:
    lines: list[list[Character]] = [[]]
    for character in body:
        lines[-1].append(character)
        if character.text == "\n":
            lines.append([])
    return lines


def _has_text(line: list[Character]) -> bool:
    return any(not c.text.isspace() for c in line)


def _indent_width(line: list[Character]) -> int:
    return next((i for i, c in enumerate(line) if c.text not in " \t"), len(line))


def _rstrip(line: list[Character]) -> list[Character]:
    line_break = [c for c in line[-1:] if c.text == "\n"]
    text = line[: len(line) - len(line_break)]
    while text and text[-1].text in " \t":
        text.pop()
    return text + line_break


def _join_lines(lines: list[list[Character]]) -> list[Character]:
    joined = [c for line in lines for c in line]
    while joined and joined[-1].text in " \t\n":
        joined.pop()
    return joined


def _unescape(body: list[Character]) -> list[Character]:
    text = "".join(c.text for c in body)
    out: list[Character] = []
    at = 0
    while (backslash := text.find("\\", at)) >= 0:
        out += body[at:backslash]
        escape = _ESCAPE.match(text, backslash)
        character = _escaped_character(escape) if escape else None
        if character is None or escape is None:
            raise UnknownEscape(body[backslash].origin, text[backslash : backslash + 2])
        # A backslash before a line break joins two lines: it stands for nothing.
        if character:
            out.append(Character(character, body[backslash].origin))
        at = escape.end()
    return out + body[at:]


def _escaped_character(escape: re.Match[str]) -> str | None:
    """The character that an escape stands for; empty for joined lines, none for no character."""
    simple, joined, octal, *hexes, name = escape.groups()
    if simple:
        return _SIMPLE_ESCAPES[simple]
    if joined:
        return ""
    if name:
        try:
            return unicodedata.lookup(name)
        except KeyError:
            return None
    if octal:
        code = int(octal, 8)
    else:
        code = int(next(h for h in hexes if h), 16)
    # A surrogate is no character, and cannot be written as UTF-8.
    is_surrogate = 0xD800 <= code < 0xE000
    return chr(code) if code < 0x110000 and not is_surrogate else None
