"""Error rules for the arrow and the scale of a grader."""

from __future__ import annotations

import re

from rmg_dsl.diagnostics import Diagnostic, Fix
from rmg_dsl.scales import WORD_SCALES, WRITTEN_FORMS
from rmg_dsl.syntax.bad_line import BadLine

_NUMBER = r"-?(?:\d+(?:\.(?!\.)\d*)?|\.\d+)"
_TEXT = r"\"[^\"\n]*\"|'[^'\n]*'"
_WORD = "|".join(WORD_SCALES)
_PAIR = rf"(?:{_TEXT})\s*=\s*{_NUMBER}"
_SCALE = re.compile(
    rf"(?:{_NUMBER}\s*\.\.\s*{_NUMBER}(?![.\w])|(?:{_WORD})\b"
    rf"|\(\s*{_PAIR}(?:\s*\|\s*{_PAIR})*\s*\)"
    rf"|(?:{_TEXT})(?!\s*[=:]\s*-?\d)(?:\s*\|\s*(?:{_TEXT}))*)(?:\s*lower\b)?"
)
_GRADER = re.compile(r"grader\s+\w+\s*")
_SCALE_FORMS = ", ".join(f"`{form}`" for form in WRITTEN_FORMS)
_OTHER_ARROW = re.compile(
    r"=>|→|–>|—>|-->|->>|>|-(?!>)|:(?=\s*\S)"
    rf"|=(?=\s*(?:{_NUMBER}\s*\.\.\s*{_NUMBER}|(?:{_WORD})\b)\s*(?:lower\s*)?[=:])"
)


def missing_arrow(m: BadLine) -> Diagnostic | None:
    """`grader x 1..5`, `grader x => 1..5`, `grader x: 1..5 = …`: a scale without its arrow."""
    name = _GRADER.match(m.text)
    if not name or m.text.startswith("->", name.end()):
        return None
    sign = _OTHER_ARROW.match(m.text, name.end())
    start = sign.end() if sign else name.end()
    start += len(m.text[start:]) - len(m.text[start:].lstrip())
    found = _SCALE.match(m.text, start) or _SCALE_LIKE.match(m.text, start)
    if not found or m.offset > found.end() + 1 or not _is_scale(m, found):
        return None
    at = sign.start() if sign else name.end()
    message = "the scale of a grader stands after `->`"
    help = f"write `-> {found.group().strip()}`"
    end = sign.end() if sign else at + 1
    written = "-> " if not sign else "->"
    if sign is None:
        end = at
    return m.diagnose_with_fix("RMG104", message, at, end, written, help)


def _is_scale(m: BadLine, found: re.Match[str]) -> bool:
    """A text alone may be a prompt, and a number alone a value: then it is `=` that is missing."""
    rest = m.text[found.end() :].lstrip()
    text = found.group()
    return rest.startswith(("=", ":", '"')) and not (
        text.startswith(("'", '"')) and "|" not in text and not rest
    )


def malformed_scale(m: BadLine) -> Diagnostic | None:
    """Whatever stands after the arrow and is no scale."""
    head = re.match(r"grader\s+\w+\s*->\s*", m.text)
    if not head or m.offset < head.end():
        return None
    fine = _SCALE.match(m.text, head.end())
    if fine is not None and fine.group().strip():
        return _after_scale(m, head.end(), fine)
    written = _SCALE_LIKE.match(m.text, head.end())
    if written is None or m.offset > written.end() + 1:
        return None
    return _suggest_scale(m, written)


def _after_scale(m: BadLine, start: int, fine: re.Match[str]) -> Diagnostic | None:
    """The scale is one, and what follows it is not what may follow."""
    end = fine.end()
    tail = m.text[end:]
    direction = re.match(r"\s*[,(]?\s*lower(?:\s+is\s+better|_is_better|=True)?\s*\)?", tail)
    if direction and m.offset <= end + direction.end():
        written = f"{fine.group()} lower"
        return m.diagnose_with_fix(
            "RMG121", "`lower` stands right after the scale", start, end + direction.end(), written
        )
    better = re.match(r"\s*,?\s*(?:is[\s_]+)?(?:better|best|good)\b", tail)
    if better and fine.group().endswith("lower") and m.offset <= end + better.end():
        message = "`lower` alone says that lower is better"
        return m.diagnose_with_fix("RMG121", message, end, end + better.end(), "", "leave it out")
    high = _GOOD_HIGH.match(tail)
    if high and m.offset <= end + high.end():
        message = f"`{high.group().strip()}`: higher is better on every scale without `lower`"
        first = end + len(high.group()) - len(high.group().lstrip())
        fix = Fix(m.span(end, end + high.end()), "", "leave it out")
        span = m.span(first, end + high.end())
        return m.diagnose_at("RMG121", message, span, "leave it out", fix)
    word = re.match(rf"\s+({_WORDS})(?=\s*[=:])", tail)
    if word and m.offset == end + word.start(1):
        help = "behind a scale stands `lower`, or nothing"
        span = m.span(m.offset, end + word.end(1))
        return m.diagnose_at("RMG121", f"`{word.group(1)}` is no part of a scale", span, help)
    listed = re.match(rf"(?:\s*[,/]\s*(?:{_TEXT}))+", tail)
    if listed and m.offset <= end + 1:
        return _suggest_labels(m, start, end + listed.end())
    return None


_WORDS = r"[^\W\d]\w*"
_SCALE_LIKE = re.compile(
    r"(?P<truths>true\s*[|/,]\s*false\b|false\s*[|/,]\s*true\b|yes/no\b|0\s*\|\s*1\b|1\s*\|\s*0\b)"
    rf"|(?P<numbers>{_NUMBER}(?:\s*[|,]\s*{_NUMBER}){{2,}}|{_NUMBER}\s*\|\s*{_NUMBER})"
    rf"|(?P<pair>(?:range|int|float|Range|Likert)?[\[(]?\s*(?P<low>{_NUMBER})"
    rf"\s*(?:-|–|—|to\b|,|:|\.\.\.|…|/|;|\.\.)\s*(?P<high>{_NUMBER})\s*[\])]?)"
    rf"|(?P<typed>(?:int|float|number|integer|real|score|str|text|string|label|range"
    r"|boolean|Bool|Boolean|yes_?no|binary)\b(?:\s*\([^)]*\))?)"
    rf"|(?P<bare_values>(?:{_TEXT})\s*[=:]\s*{_NUMBER}"
    rf"(?:\s*[|,]\s*(?:{_TEXT})\s*[=:]\s*{_NUMBER})*)"
    rf"|(?P<turned>lower\s+(?:{_SCALE.pattern}))"
    rf"|(?P<words>{_WORDS}(?:\s*[|/,]\s*{_WORDS})+)"
    rf"|(?P<texts>[\[({{]\s*(?:{_TEXT})(?:\s*[|,/]\s*(?:{_TEXT}))*\s*[\])}}])"
    rf"|(?P<values>[\[({{]\s*(?:{_TEXT})\s*[=:]\s*{_NUMBER}"
    rf"(?:\s*[|,]\s*(?:{_TEXT})\s*[=:]\s*{_NUMBER})*\s*[\])}}])"
    rf"|(?P<other>[\[{{(][^\])}}]*[\])}}])"
    rf"|(?P<single>{_NUMBER}(?:\s*\.\.\s*\w*)?|{_WORDS})",
    re.I,
)
_GOOD_HIGH = re.compile(
    r"\s*[,(]?\s*(?:higher|high|asc|ascending|up|upper|maximi[sz]e|best)\b(?:[\s_]*is[\s_]*(?:better|best|good))?"
    r"(?:=True)?\s*\)?(?=\s*[=:]|\s*\Z)"
)


def _suggest_scale(m: BadLine, written: re.Match[str]) -> Diagnostic:
    start, end = written.start(), written.start() + len(written.group().rstrip())
    text = m.text[start:end]
    if written.group("pair"):
        low, high = written.group("low"), written.group("high")
        better = f"{low}..{high}"
        if text.startswith("float") and "." not in better.replace("..", ""):
            better = f"{low}.0..{high}.0"
        return m.diagnose_with_fix(
            "RMG121", f"a scale from {low} to {high} is written `{better}`", start, end, better
        )
    if written.group("texts"):
        return _suggest_labels(m, start, end)
    if written.group("values") or written.group("bare_values"):
        return _suggest_values(m, start, end)
    if written.group("truths"):
        return _suggest_bool(m, start, end)
    if written.group("numbers"):
        return _suggest_range(m, start, end)
    if written.group("words"):
        labels = " | ".join(f'"{word}"' for word in re.findall(r"\w+", text))
        return m.diagnose_with_fix("RMG111", "labels are quoted", start, end, labels)
    if written.group("turned"):
        better = text.removeprefix("lower").strip() + " lower"
        return m.diagnose_with_fix("RMG121", "`lower` stands after the scale", start, end, better)
    if re.match(r"[Bb]ool|yes|binary", text):
        return _suggest_bool(m, start, end)
    return m.diagnose_at(
        "RMG121", f"`{text}` is no scale", m.span(start, end), f"a scale is one of {_SCALE_FORMS}"
    )


def _suggest_bool(m: BadLine, start: int, end: int) -> Diagnostic:
    return m.diagnose_with_fix("RMG121", "yes or no is the scale `bool`", start, end, "bool")


def _suggest_range(m: BadLine, start: int, end: int) -> Diagnostic:
    """`1 | 2 | 3`: whole numbers in a row are a range; others are no scale."""
    text = m.text[start:end]
    levels = re.findall(_NUMBER, text)
    is_row = all(level.lstrip("-").isdigit() for level in levels)
    numbers = [int(level) for level in levels] if is_row else []
    if numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        better = f"{numbers[0]}..{numbers[-1]}"
        message = f"a scale from {numbers[0]} to {numbers[-1]} is written `{better}`"
        return m.diagnose_with_fix("RMG121", message, start, end, better)
    help = f"a scale is {_SCALE_FORMS}"
    return m.diagnose_at("RMG121", f"`{text}` is no scale", m.span(start, end), help)


def _suggest_labels(m: BadLine, start: int, end: int) -> Diagnostic:
    labels = " | ".join(re.findall(_TEXT, m.text[start:end]))
    return m.diagnose_with_fix(
        "RMG121", "labels stand apart by `|`, without brackets", start, end, labels
    )


def _suggest_values(m: BadLine, start: int, end: int) -> Diagnostic:
    found = re.findall(rf"({_TEXT})\s*[=:]\s*({_NUMBER})", m.text[start:end])
    labels = " | ".join(f"{label}={value}" for label, value in found)
    message = "labels with values stand in brackets, apart by `|`"
    return m.diagnose_with_fix(
        "RMG121", message, start, start + len(m.text[start:end].rstrip()), f"({labels})"
    )
