"""What is wrong with one line that the parser refuses: the likeliest mistakes have sentences of their own.

Each rule is a function from a `Misread` to a diagnostic or none; the first that knows the mistake speaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose

Kind = Literal["head", "setting", "field", "criterion"]

_RESERVED = frozenset({"IF", "ELSE", "AND", "OR", "NOT", "IN", "TRUE", "FALSE", "NONE"})
_SHOWN = {
    "NAME": "a name",
    "STRING": 'a text in "…"',
    "INT": "a number",
    "FLOAT": "a number",
    "_NL": "the end of the line",
    "EQUAL": "`=`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "ELSE": "`else`",
    "IMPORT": "`import`",
    "AGAINST": "`against`",
}
_OPERATORS = {
    "&&": ("&&", "and"),
    "||": ("||", "or"),
    "&": ("&", "and"),
    "|": ("|", "or"),
    "!": ("!", "not"),
    "<>": ("<>", "!="),
    "===": ("===", "=="),
    ":=": (":=", "="),
    "**": ("**", ""),
    "//": ("//", "/"),
    "=>": ("=>", "->"),
    "^": ("^", ""),
    "~": ("~", "not"),
    "@": ("@", ""),
}
_CURLY = re.compile("[“”„«»‘’]")


@dataclass(frozen=True, slots=True)
class Misread:
    """A line the parser refuses: its text from `start` in the source, and the offset in it where the parser stopped."""

    source: Source
    kind: Kind
    start: int
    text: str
    stopped: int
    failure: UnexpectedInput

    @property
    def at(self) -> int:
        """Where it stopped, inside the written text."""
        return min(max(0, self.stopped), len(self.text))

    @property
    def rest(self) -> str:
        return self.text[self.at :]

    @property
    def before(self) -> str:
        return self.text[: self.at]

    @property
    def token(self) -> str:
        """The kind of the token that stood there."""
        return str(self.failure.token.type) if isinstance(self.failure, UnexpectedToken) else ""

    @property
    def expected(self) -> frozenset[str]:
        if isinstance(self.failure, UnexpectedToken):
            return frozenset(self.failure.accepts or self.failure.expected or ())
        if isinstance(self.failure, UnexpectedCharacters):
            return frozenset(self.failure.allowed or ())
        return frozenset()

    def span(self, start: int, end: int) -> Span:
        start = min(start, max(0, len(self.text) - 1))
        return Span(self.start + start, self.start + max(start + 1, end))

    def say(self, code: str, message: str, span: Span, help: str = "", fix: Fix | None = None) -> Diagnostic:
        return diagnose(code, message, self.source, span, help=help, fixes=[fix] if fix else [])


Rule: TypeAlias = Callable[[Misread], Diagnostic | None]


def explain(misread: Misread) -> Diagnostic:
    """The diagnostic for a line that cannot be read: never none."""
    return next(d for rule in RULES if (d := rule(misread)) is not None)


def too_deep(source: Source, offset: int) -> Diagnostic:
    at = min(max(0, offset), max(0, len(source.text) - 1))
    return diagnose(
        "RMG125",
        "this is nested too deeply to be read",
        source,
        Span(at, at + 1),
        help="name a part of it in an `aggregate` of its own",
    )


# ── rules, the most telling first ────────────────────────────────────────────────────────────────────────────────


def _curly_quotes(m: Misread) -> Diagnostic | None:
    found = _CURLY.search(m.text)
    if not found or found.start() > m.at + 1:
        return None
    span = m.span(found.start(), found.end())
    return m.say(
        "RMG117",
        "curly quotes do not start or end a text",
        span,
        'use straight ones: "…"',
        Fix(span, '"', "use a straight quote"),
    )


def _string_prefix(m: Misread) -> Diagnostic | None:
    found = re.search(r"(?<!\w)([A-Za-z]{1,2})(?=[\"'])", m.text)
    if not found or found.group(1) in ("r", "in", "or", "if") or not found.start() <= m.at <= found.end():
        return None
    help = (
        "leave it out: `{{ name }}` puts a value into a prompt"
        if "f" in found.group(1).lower()
        else 'only r"…" is known'
    )
    span = m.span(found.start(1), found.end(1))
    return m.say(
        "RMG114",
        f"a text takes no `{found.group(1)}` before its quotes",
        span,
        help,
        Fix(span, "", "remove the prefix"),
    )


def _arrow(m: Misread) -> Diagnostic | None:
    """`grader x 1..5`, `grader x => 1..5`, `grader x: 1..5 = …`: a scale without its arrow."""
    found = re.match(
        r"grader\s+\w+\s*(=>|→|–>|—>|-->|->>|>|-(?!>)|:(?=\s*\S))?\s*(?=[\d(\"']|bool\b|points\b|\[)", m.text
    )
    if not found or m.at > found.end() or (found.group(1) == ":" and m.text[found.end()] in "\"'"):
        return None
    if m.text[found.end()] in "\"'" and "|" not in m.text:
        return None
    at = found.start(1) if found.group(1) else found.end() - 1
    span = m.span(at, found.end(1) if found.group(1) else found.end())
    fix = Fix(span, "->", "write `->`") if found.group(1) else Fix(Span(span.end, span.end), "-> ", "add `->`")
    return m.say(
        "RMG104", "the scale of a grader stands after `->`", span, "for example `grader name -> 1..5 = …`", fix
    )


def _scale(m: Misread) -> Diagnostic | None:
    """Whatever stands after the arrow and is no scale."""
    found = re.match(r"grader\s+\w+\s*->\s*", m.text)
    if not found or m.at < found.end():
        return None
    tail = m.text[found.end() :]
    written = _SCALE_SHAPES.match(tail)
    if written is None or m.at > found.end() + len(written.group()) + 1:
        return None
    span = m.span(found.end(), found.end() + len(written.group().rstrip()))
    return _scale_advice(m, written, span)


_NUMBER = r"-?\d+(?:\.\d+)?"
_SCALE_SHAPES = re.compile(
    rf"(?P<pair>[\[(]?\s*(?P<low>{_NUMBER})\s*(?:-|–|—|to|,|:|\.\.\.|…|/|;|\.\.)\s*(?P<high>{_NUMBER})\s*[\])]?)"
    rf"|(?P<typed>(?:int|float|number|integer|real|score|str|text|string|label|range|boolean|Bool|Boolean|yes_?no|yes/no|binary)\b(?:\s*\([^)]*\))?)"
    rf"|(?P<words>[^\W\d]\w*(?:\s*[|/,]\s*[^\W\d]\w*)+)"
    rf"|(?P<list>[\[{{(][^\])}}=]*[\])}}])"
    rf"|(?P<single>{_NUMBER}(?:\.\.)?)"
)


def _scale_advice(m: Misread, written: re.Match[str], span: Span) -> Diagnostic:
    shape = written.lastgroup if written.lastgroup not in ("low", "high") else "pair"
    if written.group("pair"):
        shape, scale = "pair", f"{written.group('low')}..{written.group('high')}"
        return m.say(
            "RMG121",
            f"a scale from {written.group('low')} to {written.group('high')} is written `{scale}`",
            span,
            "",
            Fix(span, scale, f"write `{scale}`"),
        )
    if shape == "words":
        labels = " | ".join(f'"{word}"' for word in re.findall(r"\w+", written.group()))
        return m.say("RMG111", "labels are quoted", span, f"write `{labels}`", Fix(span, labels, "quote the labels"))
    if shape == "typed" and re.match(r"[Bb]ool|yes|binary", written.group()):
        return m.say("RMG121", "yes or no is the scale `bool`", span, "write `bool`", Fix(span, "bool", "write `bool`"))
    help = 'a scale is `1..5`, `0.0..1.0`, `bool`, `"good" | "bad"`, `("bad"=0 | "good"=1)` or `points`'
    return m.say("RMG121", f"`{written.group().strip()}` is no scale", span, help)


def _percentage(m: Misread) -> Diagnostic | None:
    found = re.search(r"(\d+(?:\.\d+)?)\s*%", m.text)
    if not found or not found.start() <= m.at <= found.end():
        return None
    share = f"{float(found.group(1)) / 100:g}"
    span = m.span(found.start(), found.end())
    return m.say(
        "RMG122",
        "there are no percentages",
        span,
        f"write `{share}` for {found.group(1)} %",
        Fix(span, share, f"write `{share}`"),
    )


def _single_equals(m: Misread) -> Diagnostic | None:
    """`=` where two values are compared."""
    if m.token != "EQUAL" or "EQUAL" in m.expected or re.match(r"grader\s+\w+\s*(->\s*)?$", m.before):
        return None
    if m.rest.startswith("==") or not re.search(r"[\w\])\"']\s*$", m.before):
        return None
    span = m.span(m.at, m.at + 1)
    return m.say(
        "RMG112",
        "`=` gives a value to a name; two values are compared by `==`",
        span,
        "write `==`",
        Fix(span, "==", "write `==`"),
    )


def _operator(m: Misread) -> Diagnostic | None:
    window = m.text[max(0, m.at - 1) : m.at + 3]
    for written, (shown, instead) in _OPERATORS.items():
        place = window.find(written)
        if place < 0 or place > 1 or (written == "!" and window[place : place + 2] == "!="):
            continue
        start = max(0, m.at - 1) + place
        if start + len(written) < m.at:
            continue
        span = m.span(start, start + len(written))
        help = f"write `{instead}`" if instead else "the operators are + - * / < <= > >= == != in and or not"
        return m.say(
            "RMG116",
            f"`{shown}` is no operator of the language",
            span,
            help,
            Fix(span, instead, help) if instead in ("!=", "==", "/", "->") else None,
        )
    return None


def _template_outside_text(m: Misread) -> Diagnostic | None:
    if not m.rest.startswith(("{", "%}")):
        return None
    span = m.span(m.at, m.at + 2)
    if m.rest.startswith("{{"):
        return m.say(
            "RMG111",
            "`{{ … }}` belongs into a text",
            span,
            'put the prompt into quotes: "…{{ query }}…"; an expression names a field bare: `query`',
        )
    return m.say("RMG116", "the language has no dictionaries", span, "give the parts one by one, as keyword arguments")


def _reserved_name(m: Misread) -> Diagnostic | None:
    word = re.match(r"\w+", m.rest)
    if m.token not in _RESERVED or not word or "NAME" not in m.expected or len(m.expected) > 2:
        return None
    span = m.span(m.at, m.at + word.end())
    return m.say(
        "RMG119", f"`{word.group()}` is a word of the language and can be no name", span, "choose another name"
    )


def _value_sign(m: Misread) -> Diagnostic | None:
    """`key: value`, `key value`, `key == value`, or nothing between a name and its value."""
    if "EQUAL" not in m.expected or m.kind == "criterion":
        return None
    if m.kind == "head" and not re.match(r"(param|model|grader|aggregate)\s+\w+(\s*->.*)?\s*$", m.before, re.S):
        return None
    if m.token == "SAME" or m.rest.startswith("=="):
        span = m.span(m.at, m.at + 2)
    elif m.rest.startswith(":"):
        span = m.span(m.at, m.at + 1)
    elif m.token == "_NL" or not m.rest.strip():
        return None
    else:
        span = m.span(max(0, len(m.before.rstrip()) - 1), m.at)
        return m.say(
            "RMG103",
            "`=` is missing before this value",
            m.span(m.at, m.at + 1),
            "write `name = value`",
            Fix(Span(m.start + m.at, m.start + m.at), "= ", "add `=`"),
        )
    return m.say(
        "RMG103",
        "a value is given by `=`",
        span,
        "write `name = value`",
        Fix(span, "=" if m.before.endswith(" ") else " =", "write `=`"),
    )


def _rubric_line(m: Misread) -> Diagnostic | None:
    """A line of a rubric is `level: "text"`."""
    if m.kind != "criterion":
        return None
    if "COLON" in m.expected and m.rest.strip():
        span = m.span(m.at, m.at + 1)
        fix = Fix(span, ":", "write `:`") if m.rest.startswith("=") else None
        return m.say("RMG102", "a colon stands between the level and its text", span, 'write `5: "…"`', fix)
    if "STRING" in m.expected and m.before.rstrip().endswith(":") and m.rest.strip():
        return _quote_it(m, m.at)
    word = re.match(r"[^\W\d]\w*", m.text)
    if m.at == 0 and word:
        return _quote_it(m, 0, word.group())
    return None


def _bare_text(m: Misread) -> Diagnostic | None:
    """Words in a row: a text without its quotes."""
    value = re.match(r"(?:grader\s+\w+\s*(?:->[^=]*)?|\w+\s*)=\s*(?=[^\W\d])", m.text)
    if not value or m.at < value.end():
        return None
    written = m.text[value.end() :]
    if not re.match(r"\w+[,.!?]?\s+[\w{(\"']", written) or m.token not in (
        "NAME",
        "INT",
        "IN",
        "NOT",
        "IF",
        "OR",
        "AND",
        "STRING",
        "",
    ):
        return None
    if re.search(r"[()\[\]=<>]", written[: m.at - value.end()]) or m.token in ("IN", "OR", "AND", "IF", "NOT"):
        return None
    return _quote_it(m, value.end())


def _quote_it(m: Misread, start: int, word: str = "") -> Diagnostic:
    text = word or m.text[start:].split("\n")[0].rstrip()
    span = m.span(start, start + len(text))
    fix = Fix(span, f'"{text}"', "quote it") if '"' not in text and "\\" not in text else None
    return m.say("RMG111", "text is always quoted", span, f'write "{text[:40]}{"…" * (len(text) > 40)}"', fix)


def _else_missing(m: Misread) -> Diagnostic | None:
    if m.token in ("COLON",) or "ELSE" not in m.expected or not re.search(r"\bif\b", m.before):
        return None
    if m.rest.strip() and not m.rest.lstrip().startswith((")", ",", "]")):
        return None
    found = list(re.finditer(r"\bif\b", m.before))[-1]
    return m.say("RMG123", "`if` needs its `else`", m.span(found.start(), found.end()), "write `a if condition else b`")


def _closing(m: Misread) -> Diagnostic | None:
    if m.rest[:1] not in (")", "]", "}") or _depth(m.before) > 0:
        return None
    return m.say(
        "RMG109",
        f"`{m.rest[0]}` closes nothing",
        m.span(m.at, m.at + 1),
        "remove it, or add the bracket that it closes",
    )


def _depth(text: str) -> int:
    plain = re.sub(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", "", text)
    return sum((c in "([") - (c in ")]") for c in plain)


def _comma_missing(m: Misread) -> Diagnostic | None:
    if _depth(m.before) <= 0 or not {"COMMA"} & m.expected or not re.match(r"[\w\"'(\[]", m.rest):
        return None
    end = len(m.before.rstrip())
    span = m.span(m.at, m.at + len(re.match(r"\w*", m.rest).group() or "x"))  # type: ignore[union-attr] # `\w*` matches always
    return m.say(
        "RMG101",
        "a comma is missing before this",
        span,
        "parts stand apart by `,`",
        Fix(Span(m.start + end, m.start + end), ",", "add a comma"),
    )


def _colon_in_one_line(m: Misread) -> Diagnostic | None:
    """`grader x -> 1..5: "…"`: the colon opens a block, a value on the same line wants `=`."""
    if m.kind != "head" or not re.match(r"(grader|aggregate)\b", m.text) or not m.before.rstrip().endswith(":"):
        return None
    end = len(m.before.rstrip())
    span = m.span(end - 1, end)
    return m.say(
        "RMG103",
        "a colon opens a block; a value on the same line stands after `=`",
        span,
        "write `=`",
        Fix(span, " =", "write `=`"),
    )


def _colon_in_value(m: Misread) -> Diagnostic | None:
    if m.token != "COLON" or m.kind == "criterion":
        return None
    return m.say(
        "RMG101",
        "a colon cannot stand here",
        m.span(m.at, m.at + 1),
        "it ends the first line of a block and stands after a level of a rubric",
    )


def _number(m: Misread) -> Diagnostic | None:
    start = len(m.before) - len(re.search(r"[\d.]*$", m.before).group())  # type: ignore[union-attr] # `*` matches always
    found = re.compile(r"(?:0\d+|0[xXbBoO]\w+|\d+[^\W\d_]\w*|\d+\.\d+\.[\d.]*|\d+,\d+)").match(m.text, start)
    if not found or found.end() <= m.at:
        return None
    return m.say(
        "RMG120",
        f"`{found.group()}` is no number",
        m.span(found.start(), found.end()),
        "numbers are written as in Python: 4, 0.5, 1e-3",
    )


def _strange_character(m: Misread) -> Diagnostic | None:
    if not isinstance(m.failure, UnexpectedCharacters) or not m.rest:
        return None
    char = m.rest[0]
    if char.isalnum() or char == "_":
        return None
    help = "a line goes on inside brackets, without a backslash" if char == "\\" else ""
    return m.say("RMG117", f"`{char}` has no meaning here", m.span(m.at, m.at + 1), help)


def _ends_early(m: Misread) -> Diagnostic | None:
    if m.rest.strip():
        return None
    end = len(m.text.rstrip())
    return m.say("RMG101", "the line ends too early", m.span(end - 1, end), _wanted(m))


def _unexpected(m: Misread) -> Diagnostic | None:
    word = re.match(r"\w+|[^\w\s]+|\s+", m.rest)
    text = word.group() if word else ""
    return m.say("RMG101", f"`{text}` is not expected here", m.span(m.at, m.at + len(text)), _wanted(m))


def _wanted(m: Misread) -> str:
    """At most three things that may stand there; more would be noise."""
    if m.expected & {"IF", "NAME"} and len(m.expected) > 4:
        return "a value belongs here" if "NAME" in m.expected else ""
    shown = sorted({_SHOWN.get(name, "") for name in m.expected} - {""})
    return f"{' or '.join(shown)} belongs here" if 0 < len(shown) <= 3 else ""


RULES: tuple[Rule, ...] = (
    _curly_quotes,
    _string_prefix,
    _template_outside_text,
    _percentage,
    _arrow,
    _scale,
    _reserved_name,
    _rubric_line,
    _colon_in_one_line,
    _value_sign,
    _single_equals,
    _bare_text,
    _operator,
    _else_missing,
    _closing,
    _number,
    _comma_missing,
    _colon_in_value,
    _strange_character,
    _ends_early,
    _unexpected,
)
