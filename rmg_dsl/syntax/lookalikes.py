"""Characters that look like those of the language: blanks, punctuation and quotes of other scripts.

They come with text that is copied from a web page, a chat or a word processor. Each is told with
its name, and a fix writes the character that is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose
from rmg_dsl.suggest import ascii_skeleton
from rmg_dsl.syntax.declarations import keywords
from rmg_dsl.syntax.strings import SINGLE, TRIPLE

_INVISIBLE = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2066\u2067\u2068\u2069\ufeff"
)
_BLANKS = "\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_FULL_WIDTH_SIGNS = {
    chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum()
}
_SIGNS: Mapping[str, str] = {
    **_FULL_WIDTH_SIGNS,
    **dict.fromkeys(_INVISIBLE, ""),
    **dict.fromkeys(_BLANKS, " "),
    **dict.fromkeys("\x0b\x0c\x85\u2028\u2029", "\n"),
    "\u3001": ",",
    "\u060c": ",",
    "\uff64": ",",
    "\u3002": ".",
    "\ufe55": ":",
    "\u2236": ":",
    "\u3010": "[",
    "\u3011": "]",
    "\u3014": "(",
    "\u3015": ")",
    "\u2217": "*",
    "\u2215": "/",
    "\u2044": "/",
    "\u2223": "|",
    "\u01c0": "|",
}
_CLOSING_QUOTES: Mapping[str, str] = {
    "\u201c": "\u201d\u201c",
    "\u201d": "\u201d\u201c",
    "\u201e": "\u201c\u201d",
    "\u2018": "\u2019\u2018",
    "\u2019": "\u2019\u2018",
    "\u201a": "\u2018\u2019",
    "\u00ab": "\u00bb",
    "\u00bb": "\u00ab",
    "\u300c": "\u300d",
    "\u300e": "\u300f",
    "\uff02": "\uff02",
    "\uff07": "\uff07",
    "`": "`",
    "\u00b4": "\u00b4",
}
# Keywords, and words that the grammar wants somewhere: a name may be of any script.
_WORDS = frozenset(
    {*keywords(), "if", "else", "and", "or", "not", "in", "True", "False", "None"}
    | {"bool", "points", "lower", "against", "import", "when", "rubric"}
)
_LEXEME = re.compile(rf"(?P<text>{TRIPLE}|{SINGLE})|(?P<comment>#[^\n]*)|(?P<word>\w+)|.", re.S)


class Lookalike(NamedTuple):
    """A stretch of the text, and what is meant by it."""

    span: Span
    meant: str


def replace_lookalikes(source: Source) -> tuple[Source, list[Diagnostic]]:
    """The source as it is meant, character by character in the same places, and what was replaced.

    An invisible character and another line break become blanks there, so that all places stay.
    """
    if source.text.isascii() and not any(sign in source.text for sign in "`\x0b\x0c"):
        return source, []
    found = list(_lookalikes(source.text))
    if not found:
        return source, []
    pieces: list[str] = []
    end = 0
    for span, meant in found:
        plain = meant.strip("\n").ljust(span.end - span.start)
        pieces += [source.text[end : span.start], plain]
        end = span.end
    text = "".join(pieces) + source.text[end:]
    return replace(source, text=text), _diagnostics(source, found)


def _lookalikes(text: str) -> Iterator[Lookalike]:
    at = 0
    while at < len(text):
        lexeme = _LEXEME.match(text, at)
        assert lexeme is not None
        end, written = lexeme.end(), lexeme.group()
        quoted = _quoted_end(text, at) if written in _CLOSING_QUOTES else None
        if quoted is not None:
            quote = "'" if '"' in text[at + 1 : quoted - 1] else '"'
            yield Lookalike(Span(at, at + 1), quote)
            yield Lookalike(Span(quoted - 1, quoted), quote)
            end = quoted
        elif written in ("'", '"'):
            # A text that does not end: nothing is known of what follows on its line.
            end = _line_end(text, at)
            curly = re.search("[\u201c\u201d\u201e\u00bb]", text[at:end])
            if curly and written == '"':
                yield Lookalike(Span(at + curly.start(), at + curly.end()), '"')
                end = at + curly.end()
        elif lexeme.lastgroup == "word":
            meant = _meant_word(written)
            if meant != written:
                yield Lookalike(Span(at, end), meant)
        elif written in _SIGNS and lexeme.lastgroup is None:
            yield Lookalike(Span(at, end), _SIGNS[written])
        at = end


def _quoted_end(text: str, at: int) -> int | None:
    """The end of a text between quotes of another kind, on one line; none where it has no end."""
    closing = _CLOSING_QUOTES[text[at]]
    for end in range(at + 1, _line_end(text, at)):
        if text[end] in closing:
            inside = text[at + 1 : end]
            is_plain = "\\" not in inside and not ('"' in inside and "'" in inside)
            return end + 1 if is_plain else None
    return None


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _meant_word(word: str) -> str:
    """A number or a word of the language that is written in letters of another script."""
    if word.isascii():
        return word
    plain = ascii_skeleton(word)
    is_meant = plain.isascii() and (plain.isdecimal() or plain in _WORDS)
    return plain if is_meant and len(plain) == len(word) else word


def _diagnostics(source: Source, found: Iterable[Lookalike]) -> list[Diagnostic]:
    """One for each line and meaning, with a fix for all of its places."""
    groups: dict[tuple[int, str], list[Lookalike]] = defaultdict(list)
    for lookalike in found:
        line = source.position(lookalike.span.start).line
        groups[line, _kind(lookalike, source)].append(lookalike)
    return [_diagnostic(source, group) for group in groups.values()]


def _kind(lookalike: Lookalike, source: Source) -> str:
    if lookalike.meant in ("'", '"'):
        return "quotes"
    return source.text[lookalike.span.start : lookalike.span.end]


def _diagnostic(source: Source, group: list[Lookalike]) -> Diagnostic:
    span, meant = group[0]
    written = source.text[span.start : span.end]
    fixes = [Fix(place, text, _fix_title(text)) for place, text in group]
    message, help = _words_about(written, meant)
    return diagnose("RMG117", message, source, span, help=help, fixes=fixes)


def _fix_title(meant: str) -> str:
    if not meant:
        return "remove it"
    return "write a blank" if meant == " " else f"write `{meant}`"


def _words_about(written: str, meant: str) -> tuple[str, str]:
    """The message and the help for a look-alike."""
    if meant in ("'", '"'):
        if written in "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb":
            return "curly quotes do not start or end a text", 'use straight ones: "…"'
        return f"`{written}` does not start or end a text", 'use straight quotes: "…"'
    if len(written) > 1 or written.isalnum():
        message = f"`{written}` is written in letters of another script"
        return message, f"write `{meant}` in plain letters"
    code = f"U+{ord(written):04X}, {unicodedata.name(written, 'a control character').lower()}"
    if not meant:
        return f"an invisible character stands here: {code}", "remove it"
    if meant == " ":
        return f"this blank is another character: {code}", "write a plain blank"
    if meant == "\n":
        return f"this line break is another character: {code}", "begin a new line"
    return f"`{written}` has no meaning here: it is {code}", f"write `{meant}`"
