"""A line that the parser rejects, as the error rules see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose
from rmg_dsl.syntax.declarations import declarations

LineKind = Literal["head", "setting", "field", "criterion"]
# The text above a line of each kind with which the parser can read the line alone.
CONTEXT_BEFORE: Mapping[LineKind, str] = {
    "head": "",
    "setting": "grader x:\n    ",
    "field": "fields:\n    ",
    "criterion": "grader x:\n    rubric:\n        ",
}
# The `=` that gives the line its value: not one inside of a text, a bracket or a scale.
_VALUE_SIGN = re.compile(r"[^\"'(\[=]*?(?:->[^=]*?(?:\([^)]*\)[^=]*?)?)?=(?!=)")
_FIRST_WORD = re.compile(r"\w+")
_STRING_TOKEN = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")


@dataclass(frozen=True)
class BadLine:
    """The text of a line, which starts at `start` in the source, and where the parser stopped in
    it.

    All other offsets count from the start of the text.
    """

    source: Source
    kind: LineKind
    start: int
    text: str
    parser_offset: int
    failure: UnexpectedInput

    @property
    def offset(self) -> int:
        """Where the parser stopped, inside the written text."""
        return min(max(0, self.parser_offset), len(self.text))

    @cached_property
    def rest(self) -> str:
        return self.text[self.offset :]

    @cached_property
    def before(self) -> str:
        return self.text[: self.offset]

    @property
    def end_before(self) -> int:
        """The end of what stands before that place, without blanks."""
        return len(self.before.rstrip())

    @property
    def token_type(self) -> str:
        """The terminal of the token at that place; empty where the text is no token."""
        if isinstance(self.failure, UnexpectedToken):
            return str(self.failure.token.type)
        return ""

    @property
    def expected_terminals(self) -> frozenset[str]:
        """The terminals that could stand at that place."""
        if isinstance(self.failure, UnexpectedToken):
            return frozenset(self.failure.accepts or self.failure.expected or ())
        if isinstance(self.failure, UnexpectedCharacters):
            return frozenset(self.failure.allowed or ())
        return frozenset()

    @cached_property
    def bracket_depth(self) -> int:
        """How many brackets are open at that place; below 0 where too many are closed."""
        # Brackets in texts do not count.
        plain = _STRING_TOKEN.sub("", self.before)
        return sum((c in "([") - (c in ")]") for c in plain)

    @cached_property
    def is_in_value(self) -> bool:
        """Did the parser stop behind the `=` that gives the line its value, or in a condition?"""
        word = _FIRST_WORD.match(self.text)
        spec = declarations().get(word.group()) if word else None
        if self.kind == "head" and spec is not None and spec.has_condition:
            return self.offset > len(spec.keyword)
        sign = _VALUE_SIGN.match(self.text)
        return sign is not None and self.offset >= sign.end()

    @property
    def value_start(self) -> int | None:
        """Where the value begins that stands after `=`; none without one."""
        sign = _VALUE_SIGN.match(self.text)
        if sign is None:
            return None
        value = self.text[sign.end() :]
        return len(self.text) - len(value.lstrip())

    def span(self, start: int, end: int) -> Span:
        """The characters from `start` to `end` in the source: at least one, so that it can be
        shown.
        """
        start = min(start, max(0, len(self.text) - 1))
        return Span(self.start + start, self.start + max(start + 1, end))

    def empty_span(self, at: int) -> Span:
        """The empty span before a character, where a fix can insert something."""
        return Span(self.start + at, self.start + at)

    def diagnose_at(
        self, code: str, message: str, span: Span, help: str = "", fix: Fix | None = None
    ) -> Diagnostic:
        fixes = [fix] if fix else []
        return diagnose(code, message, self.source, span, help=help, fixes=fixes)

    def diagnose_with_fix(
        self, code: str, message: str, start: int, end: int, text: str, help: str = ""
    ) -> Diagnostic:
        """A mistake between two places, with a fix that writes `text` there."""
        span = self.span(start, end)
        title = f"write `{text.strip()}`"
        return self.diagnose_at(code, message, span, help or title, Fix(span, text, title))


ErrorRule: TypeAlias = Callable[[BadLine], Diagnostic | None]
