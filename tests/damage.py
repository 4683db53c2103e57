"""Layout damage for the tests: seeded changes of a formatted spec that leave its meaning and its
comments alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

_LEXEME = re.compile(
    r'(?P<string>(?:(?<!\w)r)?(?:"""(?:[^"\\]|\\.|"(?!""))*"""|\'\'\'(?:[^\'\\]|\\.|\'(?!\'\'))*\'\'\''
    r'|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'))'
    r"|(?P<comment>\#[^\n]*)|(?P<newline>\n)|(?P<blank>[ ]+)|(?P<open>[(\[])|(?P<close>[)\]])"
    r"|(?P<word>\d+\.(?!\.)\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|\w+)|(?P<sign>->|==|!=|<=|>=|\.\.|.)",
    re.S,
)
_GLUES = frozenset("()[],:=+-*/|<>") | {"->", "==", "!=", "<=", ">="}


@dataclass(frozen=True)
class Lexeme:
    kind: str
    text: str
    glued: bool  # stands right behind the one before it


@dataclass(frozen=True)
class Line:
    """A logical line or a comment on its own line, its level, and whether a blank line stood above
    it.
    """

    level: int
    lexemes: tuple[Lexeme, ...]
    spaced: bool

    @property
    def is_comment(self) -> bool:
        return self.lexemes[0].kind == "comment"

    @property
    def may_document(self) -> bool:
        return self.level == 0 and self.is_comment and self.lexemes[0].text.startswith("##")


def damaged(text: str, seed: int) -> str:
    """A text that means the same as `text`, which is formatted, and looks worse."""
    random = Random(seed)
    lines = list(_lines(text))
    shift = _comment_shift(lines, random)
    out = ""
    widths = (0, 4, 8)
    above = None
    for at, line in enumerate(lines):
        if line.level == 0 and not line.is_comment:
            one = random.randint(1, 8)
            widths = (0, one, one + random.randint(1, 8))
        out += _blank_lines(above, line, random)
        out += _indent(at, lines, widths, random) + _statement(
            line, widths[line.level], shift, random
        )
        out += _line_end(random)
        above = line
    return _whole(out, random)


def flush_left(text: str) -> str:
    """All indentation lost, in the texts too."""
    return "".join(f"{line.lstrip(' ')}\n" for line in text.splitlines())


def _lines(text: str) -> Iterator[Line]:
    depth, indent, spaced, glued = 0, 0, False, False
    line: list[Lexeme] = []
    for found in _LEXEME.finditer(text):
        kind, token = str(found.lastgroup), found.group()
        if kind == "blank":
            indent = indent if line else len(token)
        elif kind == "newline" and not depth:
            if line:
                yield Line(indent // 4, tuple(line), spaced)
            spaced, indent, line = not line, 0, []
        else:
            depth += (kind == "open") - (kind == "close")
            line.append(Lexeme(kind, token, glued))
        glued = kind not in ("blank", "newline")


def _comment_shift(lines: list[Line], random: Random) -> int:
    """How many blanks all comments get or lose: together, so that they keep what they are indented
    to each other.
    """
    texts = [lexeme.text for line in lines for lexeme in line.lexemes if lexeme.kind == "comment"]
    may_lose = all(re.match(r"##? [^\s!:#]", text) for text in texts)
    return random.randint(-1 if may_lose else 0, 3)


def _shifted(comment: str, shift: int) -> str:
    found = re.fullmatch(r"(##?) (.*)", comment)
    return found[1] + " " * (1 + shift) + found[2] if found else comment


def _blank_lines(above: Line | None, line: Line, random: Random) -> str:
    if above and above.may_document:
        return "\n" if line.spaced else ""
    return "".join(_line_end(random) for _ in range(random.choice((0, 0, 1, 2))))


def _indent(at: int, lines: list[Line], widths: tuple[int, int, int], random: Random) -> str:
    """A comment between two lines of a block may stand in any column; the column of one that ends a
    block decides.
    """
    line = lines[at]
    following = next((below for below in lines[at:] if not below.is_comment), None)
    if line.is_comment and following and following.level and following.level >= line.level:
        before = next((above for above in reversed(lines[:at]) if not above.is_comment), line)
        if before.level <= following.level:
            return " " * random.randint(0, 9)
    return " " * widths[line.level]


def _statement(line: Line, indent: int, shift: int, random: Random) -> str:
    out, stack = "", [False]
    commas = random.random() < 0.5
    for at, lexeme in enumerate(line.lexemes):
        before = line.lexemes[at - 1] if at else None
        after = next(
            (x for x in line.lexemes[at + 1 :] if x.kind not in ("comment", "newline")), None
        )
        if lexeme.kind == "newline" or (
            lexeme.text == "," and after and after.kind == "close" and commas
        ):
            continue
        if (
            lexeme.kind == "close"
            and stack[-1]
            and commas
            and before
            and before.kind != "open"
            and not _comma(line, at)
        ):
            out += ","
        out += _gap(line, at, len(stack) > 1, random) if before else ""
        out += _token(lexeme, indent, shift, random)
        if lexeme.kind == "open":
            stack.append(_takes_comma(line, at))
        elif lexeme.kind == "close":
            stack.pop()
    return out


def _comma(line: Line, at: int) -> bool:
    """Does a comma stand before this bracket, or a comment that a comma would end up in?"""
    before = [x for x in line.lexemes[:at] if x.kind != "newline"]
    return before[-1].text == "," or before[-1].kind in ("comment", "open")


def _takes_comma(line: Line, at: int) -> bool:
    lexeme, before = line.lexemes[at], line.lexemes[at - 1]
    follows = lexeme.glued and before.kind in ("word", "close", "string")
    return line.lexemes[0].text != "internal" and (follows if lexeme.text == "(" else not follows)


def _gap(line: Line, at: int, in_bracket: bool, random: Random) -> str:
    lexeme, before = line.lexemes[at], line.lexemes[at - 1]
    written = next((x for x in reversed(line.lexemes[:at]) if x.kind != "newline"), before)
    if written.kind == "comment" or (lexeme.kind == "comment" and before.kind == "newline"):
        return _break(random)
    if lexeme.kind == "comment":
        return " " * random.randint(0, 4)
    if in_bracket and random.random() < 0.15:
        return _break(random)
    may_glue = (
        (before.kind != "newline" and lexeme.glued)
        or lexeme.text in _GLUES
        or written.text in _GLUES
    )
    return " " * random.choice((0, 0, 1, 1, 2, 3) if may_glue else (1, 1, 2, 3))


def _break(random: Random) -> str:
    lines = "".join(_line_end(random) for _ in range(random.choice((1, 1, 1, 2))))
    return lines + " " * random.randint(0, 12)


def _line_end(random: Random) -> str:
    return " " * random.choice((0, 0, 0, 1, 4)) + "\n"


def _token(lexeme: Lexeme, indent: int, shift: int, random: Random) -> str:
    if lexeme.kind == "comment":
        return _shifted(lexeme.text, shift)
    if lexeme.kind != "string":
        return lexeme.text
    prefix = "r" if lexeme.text.startswith("r") else ""
    token = lexeme.text[len(prefix) :]
    if token.startswith('"""') and "\n" in token:
        return prefix + _block(token, indent, random)
    if (
        token.startswith('"')
        and token[:3] != '"""'
        and not set("'\\\n") & set(token)
        and random.random() < 0.3
    ):
        return f"{prefix}'{token[1:-1]}'" if '"' not in token[1:-1] else lexeme.text
    return lexeme.text


def _block(token: str, indent: int, random: Random) -> str:
    """A text block with another indentation, other quotes, its first and last line beside the
    quotes or not.
    """
    _, *lines, last = token[3:-3].split("\n")
    lines = [line[len(last) :] for line in lines]
    quotes = (
        "'''"
        if "'''" not in token and not lines[-1].endswith("'") and random.random() < 0.3
        else '"""'
    )
    pad = " " * random.choice((0, 1, 4, indent + 4, 13))
    flush = any(line[:1].strip() for line in lines[1:])
    starts = lines[0] if lines[0].strip() and random.random() < 0.3 else ""
    ends = flush and not lines[-1].endswith(("\\", quotes[0])) and random.random() < 0.3
    rest = [
        pad + line + _blanks_after(line, random) if line else "" for line in lines[bool(starts) :]
    ]
    return "\n".join([quotes + starts, *rest]) + (quotes if ends and rest else f"\n{pad}{quotes}")


def _blanks_after(line: str, random: Random) -> str:
    return "" if line.endswith("\\") else " " * random.choice((0, 0, 0, 2))


def _whole(text: str, random: Random) -> str:
    text = text.rstrip("\n") + "\n" * random.choice((0, 1, 1, 3)) if random.random() < 0.5 else text
    text = text.replace("\n", "\r\n") if random.random() < 0.3 else text
    return "\ufeff" + text if random.random() < 0.1 else text
