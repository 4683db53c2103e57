"""String tokens: what they mean, and where each character of the meaning stands in the source."""

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
_ESCAPE = re.compile(
    r"\\(?:([\\'\"abfnrtv])|(\n)|([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|N\{([^}\n]+)\})"
)


class Character(NamedTuple):
    """A character of a string's meaning and its offset in the token."""

    text: str
    origin: int


class UnknownEscape(ValueError):
    """A backslash that starts no escape; `offset` counts from the start of the token."""

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(text)
        self.offset = offset
        self.text = text


def string_value(token: str) -> str:
    r"""What a string token means: dedented where it is a block, its escapes replaced.

    >>> string_value('"a\\tb"'), string_value('r"\\d+"')
    ('a\tb', '\\d+')
    >>> string_value('\"\"\"\n    Q: {{ query }}\n      A\n    \"\"\"')
    'Q: {{ query }}\n  A'
    """
    if "\\" not in token and not is_block(token):
        return token[_opening_length(token) : -1]
    return "".join(c.text for c in characters(token))


def characters(token: str) -> list[Character]:
    """The meaning, character by character, each with its offset in the token.

    Raises `UnknownEscape` at a backslash that Python would only warn about.
    """
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
    """Drop the first line break, the common indent and trailing blanks; the closing quotes' line counts as a line."""
    lines = _split_characters(body)
    starts_below = len(lines) > 1 and not _has_text(lines[0])
    rest = lines[1:]
    indents = [_indent(line) for line in rest if _has_text(line)]
    if rest and not _has_text(rest[-1]):
        indents.append(len(rest[-1]))
    margin = min(indents, default=0)
    kept = [] if starts_below else [lines[0]]
    kept += [line[min(margin, _indent(line)) :] for line in rest]
    return _join_lines([_rstrip(line) for line in kept])


def _split_characters(body: list[Character]) -> list[list[Character]]:
    lines: list[list[Character]] = [[]]
    for character in body:
        lines[-1].append(character)
        if character.text == "\n":
            lines.append([])
    return [
        [c for c in line if c.text != "\n"] if i + 1 == len(lines) else line
        for i, line in enumerate(lines)
    ]


def _has_text(line: list[Character]) -> bool:
    return any(not c.text.isspace() for c in line)


def _indent(line: list[Character]) -> int:
    return next((i for i, c in enumerate(line) if c.text not in " \t"), len(line))


def _rstrip(line: list[Character]) -> list[Character]:
    ends = line[-1:] if line and line[-1].text == "\n" else []
    text = line[: len(line) - len(ends)]
    while text and text[-1].text in " \t":
        text.pop()
    return text + ends


def _join_lines(lines: list[list[Character]]) -> list[Character]:
    joined = [c for line in lines for c in line]
    while joined and joined[-1].text in " \t\n":
        joined.pop()
    return joined


def _unescape(body: list[Character]) -> list[Character]:
    text = "".join(c.text for c in body)
    out: list[Character] = []
    at = 0
    while (found := text.find("\\", at)) >= 0:
        out += body[at:found]
        escape = _ESCAPE.match(text, found)
        meant = _escaped_character(escape) if escape else None
        if meant is None or escape is None:
            raise UnknownEscape(body[found].origin, text[found : found + 2])
        if meant:
            out.append(Character(meant, body[found].origin))
        at = escape.end()
    return out + body[at:]


def _escaped_character(escape: re.Match[str]) -> str | None:
    """The character an escape stands for; empty for a joined line; none where there is no such character."""
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
    code = int(octal, 8) if octal else int(next(h for h in hexes if h), 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else None
