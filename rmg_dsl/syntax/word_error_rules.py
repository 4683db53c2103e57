"""Error rules for words of Python, SQL and prose between two values: `is not None`, `contains`.

A fix replaces the whole comparison, so that both sides keep their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from rmg_dsl.diagnostics import Diagnostic, Fix
from rmg_dsl.syntax.bad_line import BadLine

_STRING = r"r?(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
_NUMBER = r"-?\d+(?:\.(?!\.)\d*)?|-?\.\d+"
_TRAILER = r"(?:\.[^\W\d]\w*|\[[^\[\]\n]*\]|\((?:[^()\n]|\([^()\n]*\))*\))"
_NAME = rf"(?!(?:if|else|and|or|not|in)\b)[^\W\d]\w*{_TRAILER}*"
_ATOM = rf"(?:{_STRING}|{_NUMBER}|{_NAME}|\[[^\[\]\n]*\]|\((?:[^()\n]|\([^()\n]*\))*\))"
_SUM = rf"{_ATOM}(?:\s*[-+*/]\s*{_ATOM})*"
_SUM_AT_END = re.compile(rf"(?<![\w.\])])(?:{_SUM})\s*\Z")
_SUM_AT_START = re.compile(rf"\s*({_SUM})")
_END = re.compile(r"\s*(?:\Z|#|[),\]:]|(?:and|or|if|else)\b)")
_JOINS_COMPARISON = re.compile(r"(?:[-+*/<>]|[<>=!]=|\bin)\s*\Z")
_NOT_AT_END = re.compile(r"\s*\bnot\s*\Z")
# How far before the place the left side of a comparison is looked for.
_MAX_OPERAND = 300

_TEXT_WORDS: Mapping[str, str] = {
    "contains": "contains",
    "contain": "contains",
    "includes": "contains",
    "include": "contains",
    "has": "contains",
    "startswith": "starts_with",
    "starts_with": "starts_with",
    "starts": "starts_with",
    "beginswith": "starts_with",
    "begins": "starts_with",
    "endswith": "ends_with",
    "ends_with": "ends_with",
    "ends": "ends_with",
    "matches": "matches",
    "match": "matches",
    "regexp": "matches",
    "like": "",
    "ilike": "",
}
_TEXT_WORD = re.compile(
    rf"(?P<not>(?:not|does\s+not|doesn't)\s+)?(?P<word>{'|'.join(_TEXT_WORDS)})(?:\s+with)?\b", re.I
)
_MISSING = r"(?:None|none|NONE|null|NULL|nil|missing|empty|blank|undefined|NA|NaN|nan)"
_IS = re.compile(r"(?:is\s+not|isn't|is|IS\s+NOT|IS)\b")
_IS_MISSING = re.compile(rf"(?:(?P<not>is\s+not|isn't|IS\s+NOT)|is|IS)\s+{_MISSING}\b")
_BETWEEN = re.compile(r"(?P<not>not\s+)?(?:between|BETWEEN|from)\s+")
_DOTS = re.compile(r"\s*\.\.\.?\s*")
_FOREIGN_CHOICE = re.compile(
    r"(?:case\s+when|if)\s+(.+?)\s+then\s+(.+?)\s+else\s+(.+?)(?:\s+end)?\s*\Z"
    r"|if\s*\(([^(),]+),([^(),]+),([^(),]+)\)\s*\Z"
    r"|([^?]+)\?([^?:]+):([^?:]+)\Z",
    re.I,
)
_ORDER_WORD = re.compile(
    r"(?:desc|asc|descending|ascending|reverse|reversed|(?:high|low)(?:er|est)?(?:\s+first)?)\b",
    re.I,
)


class _Left(NamedTuple):
    """The value before a word: where it starts, its text, and whether `not` stands behind it."""

    start: int
    text: str
    negated: bool


def _left_of(m: BadLine) -> _Left | None:
    """The value that ends where the parser stopped; none without one."""
    first = max(0, m.offset - _MAX_OPERAND)
    before = m.before[first:]
    negation = _NOT_AT_END.search(before)
    if negation:
        before = before[: negation.start()]
    found = _SUM_AT_END.search(before)
    # Behind `<` or `+` it is the part of another value.
    if found is None or _JOINS_COMPARISON.search(before[: found.start()]):
        return None
    return _Left(first + found.start(), found.group().strip(), negation is not None)


def _is_expression_place(m: BadLine) -> bool:
    return bool(m.is_in_value or m.bracket_depth > 0)


def missing_value_test(m: BadLine) -> Diagnostic | None:
    """`x is None`, `x is not null`, `x is empty`: whether a field is there asks `given`."""
    test, left = _IS_MISSING.match(m.rest), _left_of(m)
    if not test or left is None or not _is_expression_place(m):
        return None
    better = f"given({left.text})" if test.group("not") else f"not given({left.text})"
    message = f"`{' '.join(test.group().split())}`: `given` says whether a field is there"
    return _replace(m, left.start, test.end(), message, better)


def identity_test(m: BadLine) -> Diagnostic | None:
    """`x is not y`: two words, one operator."""
    word = _IS.match(m.rest)
    if not word or not _is_expression_place(m):
        return None
    better = "==" if word.group().lower() == "is" else "!="
    message = f"`{' '.join(word.group().split())}` is no operator of the language"
    return m.diagnose_with_fix("RMG116", message, m.offset, m.offset + word.end(), better)


def text_test(m: BadLine) -> Diagnostic | None:
    """`response contains "x"`: a function, with its arguments in brackets."""
    found, left = _TEXT_WORD.match(m.rest), _left_of(m)
    if not found or left is None or not _is_expression_place(m):
        return None
    right = _SUM_AT_START.match(m.rest, found.end())
    if not right or not _END.match(m.rest, right.end()):
        return None
    function = _TEXT_WORDS[found.group("word").lower()]
    message = f"`{found.group('word')}` is no operator: a function stands before its arguments"
    if not function or right.group(1).startswith("["):
        span = m.span(m.offset, m.offset + found.end())
        return m.diagnose_at("RMG116", message, span, _several_parts_help(function, left.text))
    better = f"{function}({left.text}, {right.group(1)})"
    if left.negated or found.group("not"):
        better = f"not {better}"
    return _replace(m, left.start, right.end(), message, better)


def _several_parts_help(function: str, left: str) -> str:
    if not function:
        return f'a part is asked by `contains({left}, …)`, a pattern by `matches({left}, r"…")`'
    return f"of several parts ask `contains_any({left}, […])` or `contains_all({left}, […])`"


def range_test(m: BadLine) -> Diagnostic | None:
    """`x between 5 and 80`, `x in 5..80`: two comparisons in a row."""
    if not _is_expression_place(m):
        return None
    return _between(m) or _in_range(m)


def _between(m: BadLine) -> Diagnostic | None:
    word, left = _BETWEEN.match(m.rest), _left_of(m)
    if not word:
        return None
    message = "a range is two comparisons"
    low = _SUM_AT_START.match(m.rest, word.end())
    link = re.compile(r"\s*(?:and|AND|to|,)\s*").match(m.rest, low.end()) if low else None
    high = _SUM_AT_START.match(m.rest, link.end()) if link else None
    if left is None or low is None or high is None:
        span = m.span(m.offset, m.offset + len(word.group().rstrip()))
        return m.diagnose_at("RMG116", message, span, "it is written `low <= x <= high`")
    better = f"{low.group(1)} <= {left.text} <= {high.group(1)}"
    if left.negated or word.group("not"):
        better = f"not {better}"
    return _replace(m, left.start, high.end(), message, better)


def _in_range(m: BadLine) -> Diagnostic | None:
    """The parser stops inside of `5..80`, so the `in` is looked for before it."""
    for found in re.finditer(r"\b(?P<not>not\s+)?in\s+[\[(]?\s*", m.before):
        low = _SUM_AT_START.match(m.text, found.end())
        dots = _DOTS.match(m.text, low.end()) if low else None
        high = _SUM_AT_START.match(m.text, dots.end()) if dots else None
        left = _SUM_AT_END.search(m.text[: found.start()])
        if low is None or high is None or left is None or high.end() < m.offset:
            continue
        closing = re.compile(r"\s*[\])]?").match(m.text, high.end())
        assert closing is not None
        end = closing.end() if m.text[found.end() - 1] in "[(" else high.end()
        better = f"{low.group(1)} <= {left.group().strip()} <= {high.group(1)}"
        better = f"not {better}" if found.group("not") else better
        return _replace(m, left.start(), end, "`..` stands in scales only", better)
    return None


def order_word(m: BadLine) -> Diagnostic | None:
    """`by = rel desc`: the scale says which end is the best."""
    word = _ORDER_WORD.match(m.rest)
    if not word or m.kind != "setting" or not m.is_in_value or m.bracket_depth:
        return None
    help = "leave it out: the best stands first, and a `lower` scale says that low is best"
    span = m.span(m.offset, m.offset + word.end())
    return m.diagnose_at("RMG116", f"`{word.group()}` is no word of the language", span, help)


def chained_choice(m: BadLine) -> Diagnostic | None:
    """`a if b else if c then d else e`, `elif`: a value stands before each `if`."""
    if not _is_expression_place(m):
        return None
    behind_else = m.token_type == "IF" and re.search(r"\belse\s*\Z", m.before)
    word = re.match(r"(?:elif|elsif|elseif|if|ELSE\s+IF)\b", m.rest)
    is_elif = word is not None and word.group() != "if" and re.search(r"\bif\b", m.before)
    if word is None or not (behind_else or is_elif):
        return None
    help = "a value stands before each `if`: `a if one else b if other else c`"
    span = m.span(m.offset, m.offset + word.end())
    return m.diagnose_at("RMG116", "a choice goes on with its value, not with `if`", span, help)


def foreign_choice(m: BadLine) -> Diagnostic | None:
    """`if a then b else c`, `if(a, b, c)`, `a ? b : c`, `case when a then b else c end`."""
    if not _is_expression_place(m) or not re.match(r"if\b|then\b|when\b|\?", m.rest):
        return None
    is_start = re.match(r"if\b", m.rest) and re.search(r"[=(,]\s*\Z", m.before)
    if m.rest.startswith("if") and not is_start:
        return None
    message = "a choice is written `a if condition else b`"
    start = m.value_start
    choice = _FOREIGN_CHOICE.match(m.text, start) if start is not None else None
    if (
        choice is None
        or start is None
        or re.search(r"\b(?:if|then|when)\b|[?:]", _parts_of(choice))
    ):
        span = m.span(m.offset, m.offset + len(re.split(r"\W", m.rest)[0]))
        return m.diagnose_at("RMG116", message, span, "the value stands first, then its condition")
    test, then, otherwise = (part.strip() for part in choice.groups() if part is not None)
    better = f"{then} if {test} else {otherwise}"
    return _replace(m, start, choice.end(), message, better)


def _parts_of(choice: re.Match[str]) -> str:
    return " ".join(part for part in choice.groups() if part is not None)


def bracketed_list(m: BadLine) -> Diagnostic | None:
    """`x in (1, 2)`, `weighted((a, 0.6), (b, 0.4))`: round brackets around several values."""
    if m.token_type != "COMMA" or m.bracket_depth <= 0:
        return None
    start = _opening_bracket(m)
    inside = re.compile(r"\(([^()\[\]]*)\)").match(m.text, start) if start is not None else None
    if start is None or inside is None:
        return None
    pair = re.fullmatch(rf"\s*({_NAME})\s*,\s*({_NUMBER})\s*", inside.group(1))
    if pair and re.search(r"\bweighted\(", m.text[:start]):
        better, message = f"{pair.group(1)}={pair.group(2)}", "a weight stands after its part"
    else:
        better, message = f"[{inside.group(1).strip()}]", "several values stand in square brackets"
    return m.diagnose_with_fix("RMG101", message, start, inside.end(), better)


def _opening_bracket(m: BadLine) -> int | None:
    """The round bracket that is open where the parser stopped, if it belongs to no call."""
    depth = 0
    plain = re.sub(_STRING, lambda text: "_" * len(text.group()), m.before)
    for at in range(len(plain) - 1, -1, -1):
        depth += (plain[at] in ")]") - (plain[at] in "([")
        if depth < 0:
            is_call = re.search(r"(?<!\bin)(?<!\bor)(?<!\bif)[\w)\]]\s*\Z", plain[:at])
            is_word = re.search(r"\b(?:in|and|or|not|if|else)\s*\Z", plain[:at])
            return at if plain[at] == "(" and (is_word or not is_call) else None
    return None


def _replace(m: BadLine, start: int, end: int, message: str, better: str) -> Diagnostic:
    """A diagnostic for a whole comparison: the fix replaces both of its sides."""
    fix = Fix(m.span(start, end), better, f"write `{better}`")
    return m.diagnose_at("RMG116", message, m.span(start, end), f"write `{better}`", fix)
