"""A line that the parser refuses, as the rules that explain it see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose

LineKind = Literal["head", "setting", "field", "criterion"]
# What stands above a line of each kind, so that the parser reads it alone.
CONTEXT_BEFORE: Mapping[LineKind, str] = {
    "head": "",
    "setting": "grader x:\n    ",
    "field": "fields:\n    ",
    "criterion": "grader x:\n    rubric:\n        ",
}
# The `=` that gives the line its value: not one inside of a text, a bracket or a scale.
_VALUE_SIGN = re.compile(r"[^\"'(\[=]*?(?:->[^=]*?(?:\([^)]*\)[^=]*?)?)?=(?!=)")
_STRING_TOKEN = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")


@dataclass(frozen=True)
class BadLine:
    """A line's text, which starts at `start` in the source, and the offset in it where the parser stopped."""

    source: Source
    kind: LineKind
    start: int
    text: str
    parser_offset: int
    failure: UnexpectedInput

    @property
    def offset(self) -> int:
        """Where it stopped, inside the written text."""
        return min(max(0, self.parser_offset), len(self.text))

    @cached_property
    def rest(self) -> str:
        return self.text[self.offset :]

    @cached_property
    def before(self) -> str:
        return self.text[: self.offset]

    @property
    def end_before(self) -> int:
        """Where the last thing before that ends."""
        return len(self.before.rstrip())

    @property
    def token_type(self) -> str:
        """The kind of the token that stood there."""
        return str(self.failure.token.type) if isinstance(self.failure, UnexpectedToken) else ""

    @property
    def expected_terminals(self) -> frozenset[str]:
        if isinstance(self.failure, UnexpectedToken):
            return frozenset(self.failure.accepts or self.failure.expected or ())
        if isinstance(self.failure, UnexpectedCharacters):
            return frozenset(self.failure.allowed or ())
        return frozenset()

    @cached_property
    def bracket_depth(self) -> int:
        """How many brackets are open where it stopped."""
        plain = _STRING_TOKEN.sub("", self.before)
        return sum((c in "([") - (c in ")]") for c in plain)

    @cached_property
    def is_in_value(self) -> bool:
        """Did it stop to the right of the `=` that gives the line its value, or in a condition?"""
        if self.kind == "head" and re.match(r"require\b", self.text):
            return self.offset > len("require")
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
        start = min(start, max(0, len(self.text) - 1))
        return Span(self.start + start, self.start + max(start + 1, end))

    def empty_span(self, at: int) -> Span:
        """The empty place in front of a character: where something can be added."""
        return Span(self.start + at, self.start + at)

    def diagnose_at(
        self, code: str, message: str, span: Span, help: str = "", fix: Fix | None = None
    ) -> Diagnostic:
        return diagnose(code, message, self.source, span, help=help, fixes=[fix] if fix else [])

    def diagnose_with_fix(
        self, code: str, message: str, start: int, end: int, text: str, help: str = ""
    ) -> Diagnostic:
        """A mistake between two places, and what to write there instead."""
        span = self.span(start, end)
        return self.diagnose_at(
            code,
            message,
            span,
            help or f"write `{text.strip()}`",
            Fix(span, text, f"write `{text.strip()}`"),
        )


ErrorRule: TypeAlias = Callable[[BadLine], Diagnostic | None]
