"""Lark's tree into our nodes: one method per rule of the grammar, named like it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lark import Token, Tree

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.strings import UnknownEscape, value_of

MAX_DEPTH = 60
MAX_DIGITS = 300
_RANGE = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\.\.(\d{1,20}(?:\.\d{1,20})?)")


class TooDeep(Exception):
    """Expressions nested deeper than anyone reads; `offset` is where the deepest one starts."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def check_depth(tree: Tree[Token], shift: int) -> None:
    """Refuse a tree that recursion could not walk; iterative, so it cannot fail itself."""
    level: list[Tree[Token]] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _parts(node) if isinstance(child, Tree)]
        if not level:
            return
    raise TooDeep((level[0].meta.start_pos if not level[0].meta.empty else 0) + shift)


class Builder:
    """Builds nodes whose spans count in `source`; `shift` is added to the places that the parser saw.

    `mistakes` collects what only shows once a token is read: escapes that do not exist.
    """

    def __init__(self, source: Source, shift: int) -> None:
        self.source = source
        self.shift = shift
        self.mistakes: list[Diagnostic] = []

    def build(self, tree: Any) -> Any:
        return getattr(self, tree.data)(tree)

    def all(self, trees: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(self.build(t) for t in trees if isinstance(t, Tree))

    def span(self, tree: Tree[Token] | Token) -> Span:
        at = tree if isinstance(tree, Token) else tree.meta
        return Span((at.start_pos or 0) + self.shift, (at.end_pos or 0) + self.shift)

    def name_of(self, token: Token) -> nodes.Name:
        name = nodes.Name(str(token), self.span(token))
        if not name.id.isidentifier():
            message = f"`{name.id}` holds a character that no name can have"
            self.mistakes.append(diagnose("RMG117", message, self.source, name.span, help="names are Python's"))
        return name

    def ending(self, tree: Tree[Token], last: Any) -> Span:
        """From the first token to the end of the last node: without the line break and the blanks after it."""
        return Span(self.span(tree).start, last.span.end)

    # ── declarations ──

    def edition(self, tree: Tree[Token]) -> nodes.Edition:
        number = _parts(tree)[1]
        return nodes.Edition(int(self._value(number)), Span(self.span(tree).start, self.span(number).end))

    def import_(self, tree: Tree[Token]) -> nodes.Import:
        path, *names = self.all(_parts(tree))
        return nodes.Import(path, tuple(names), self.ending(tree, names[-1]))

    def imported(self, tree: Tree[Token]) -> nodes.Imported:
        name, _, alias = _parts(tree)
        return nodes.Imported(self.name_of(name), self.name_of(alias) if alias else None, self.span(tree))

    def param(self, tree: Tree[Token]) -> nodes.Param:
        value = self.build(_parts(tree)[2])
        return nodes.Param(self._named(tree), value, self.ending(tree, value))

    def model(self, tree: Tree[Token]) -> nodes.ModelDecl:
        value = self.build(_parts(tree)[2])
        return nodes.ModelDecl(self._named(tree), value, self.ending(tree, value))

    def fields(self, tree: Tree[Token]) -> nodes.Fields:
        found = self.all(_parts(tree))
        return nodes.Fields(found, self.ending(tree, found[-1]))

    def field(self, tree: Tree[Token]) -> nodes.FieldDecl:
        value = self.build(_parts(tree)[1])
        return nodes.FieldDecl(self.name_of(_parts(tree)[0]), value, self.ending(tree, value))

    def grader(self, tree: Tree[Token]) -> nodes.Grader:
        _, _, scale, body = _parts(tree)
        built = self.build(body)
        return nodes.Grader(self._named(tree), self.build(scale) if scale else None, built, self.ending(tree, built))

    def pairwise(self, tree: Tree[Token]) -> nodes.Pairwise:
        return nodes.Pairwise(*self._with_block(tree))

    def ranking(self, tree: Tree[Token]) -> nodes.Ranking:
        return nodes.Ranking(*self._with_block(tree))

    def refine(self, tree: Tree[Token]) -> nodes.Refine:
        return nodes.Refine(*self._with_block(tree))

    def aggregate(self, tree: Tree[Token]) -> nodes.Aggregate:
        return nodes.Aggregate(*self._with_block(tree))

    def require(self, tree: Tree[Token]) -> nodes.Require:
        (condition,) = self.all(_parts(tree))
        return nodes.Require(condition, self.ending(tree, condition))

    def validate(self, tree: Tree[Token]) -> nodes.Validate:
        parts = self.all(_parts(tree))
        body = parts[-1] if isinstance(parts[-1], nodes.Block) else None
        columns = parts[:-1] if body else parts
        return nodes.Validate(self._named(tree), columns, body, self.ending(tree, parts[-1]))

    def internal(self, tree: Tree[Token]) -> nodes.Internal:
        *parameters, result = [child for child in _parts(tree)[2:] if child is not None]
        built = self.build(result) if isinstance(result, Tree) else self.name_of(result)
        return nodes.Internal(self._named(tree), self.all(parameters), built, self.ending(tree, built))

    def parameter(self, tree: Tree[Token]) -> nodes.Parameter:
        star, name, kind, default = _parts(tree)
        value = self.build(default) if isinstance(default, Tree) else None
        return nodes.Parameter(self.name_of(name), self.name_of(kind), value, star is not None, self.span(tree))

    def _named(self, tree: Tree[Token]) -> nodes.Name:
        return self.name_of(_parts(tree)[1])

    def _with_block(self, tree: Tree[Token]) -> tuple[nodes.Name, Any, Span]:
        body = self.build(_parts(tree)[2])
        return self._named(tree), body, self.ending(tree, body)

    # ── blocks ──

    def one_line(self, tree: Tree[Token]) -> nodes.Expr:
        (value,) = self.all(_parts(tree))
        expr: nodes.Expr = value
        return expr

    def block(self, tree: Tree[Token]) -> nodes.Block:
        lines = self.all(_parts(tree))
        return nodes.Block(lines, self.ending(tree, lines[-1]))

    def setting(self, tree: Tree[Token]) -> nodes.Setting:
        key, value, _, when = _parts(tree)
        built, condition = self.build(value), self.build(when) if when else None
        return nodes.Setting(self.name_of(key), built, condition, self.ending(tree, condition or built))

    def rubric(self, tree: Tree[Token]) -> nodes.Rubric:
        criteria = self.all(_parts(tree))
        return nodes.Rubric(criteria, None, self.ending(tree, criteria[-1]))

    def rubric_from(self, tree: Tree[Token]) -> nodes.Rubric:
        (source,) = self.all(_parts(tree))
        return nodes.Rubric((), source, self.ending(tree, source))

    def criterion(self, tree: Tree[Token]) -> nodes.Criterion:
        level, text = self.all(_parts(tree))
        first = _parts(tree)[0]
        signed = isinstance(first, Tree) and first.data == "signed" and first.children[0] is not None
        return nodes.Criterion(level, signed, text, self.ending(tree, text))

    def veto(self, tree: Tree[Token]) -> nodes.Name:
        return nodes.Name("veto", self.span(tree))

    # ── scales ──

    def scale(self, tree: Tree[Token]) -> nodes.ScaleNode:
        kind, lower = _parts(tree)
        return nodes.ScaleNode(self.build(kind), lower is not None, self.span(tree))

    def range(self, tree: Tree[Token]) -> nodes.Range:
        low, high = self.all(_parts(tree))
        span = self.span(tree)
        if self.source.text[low.span.end : high.span.start + 1] == "...":
            high = self._three_points(low, high, span)
        return nodes.Range(low, high, span)

    def _three_points(self, low: nodes.Number, high: nodes.Number, span: Span) -> nodes.Number:
        """`1...5` would be a scale from 1 to 0.5, and nobody means that."""
        digits = self.source.text[high.span.start + 1 : high.span.end]
        meant = f"{self.source.text[low.span.start : low.span.end]}..{digits}"
        message = f"a scale from {low.value:g} to {digits} is written `{meant}`"
        fix = Fix(span, meant, f"write `{meant}`")
        self.mistakes.append(diagnose("RMG121", message, self.source, span, help=f"write `{meant}`", fixes=[fix]))
        return nodes.Number(_number(digits), high.span)

    def yes_no(self, tree: Tree[Token]) -> nodes.BoolScale:
        return nodes.BoolScale(self.span(tree))

    def points(self, tree: Tree[Token]) -> nodes.PointsScale:
        return nodes.PointsScale(self.span(tree))

    def labels(self, tree: Tree[Token]) -> nodes.LabelScale | nodes.Range:
        labels, span = self.all(_parts(tree)), self.span(tree)
        quoted = _RANGE.fullmatch(labels[0].value) if len(labels) == 1 else None
        if quoted is None:
            return nodes.LabelScale(labels, span)
        low, high = (nodes.Number(_number(digits), span) for digits in quoted.groups())
        fix = Fix(span, quoted.group(), f"write `{quoted.group()}`")
        help = f"write `{quoted.group()}`"
        message = "a range stands without quotes; in quotes it would be a single label"
        self.mistakes.append(diagnose("RMG121", message, self.source, span, help=help, fixes=[fix]))
        return nodes.Range(low, high, span)

    def values(self, tree: Tree[Token]) -> nodes.ValueScale:
        return nodes.ValueScale(self.all(_parts(tree)), self.span(tree))

    def valued(self, tree: Tree[Token]) -> tuple[nodes.Text, nodes.Number]:
        label, value = self.all(_parts(tree))
        return label, value

    # ── expressions ──

    def number(self, tree: Tree[Token]) -> nodes.Number:
        sign, digits = _parts(tree)
        value = self._value(digits)
        return nodes.Number(-value if sign == "-" else value, self.span(tree))

    signed = number

    def plain(self, tree: Tree[Token]) -> nodes.Number:
        return nodes.Number(self._value(_parts(tree)[0]), self.span(tree))

    def _value(self, token: Token) -> int | float:
        if len(token) > MAX_DIGITS:
            message = f"a number of {len(token):,} digits"
            self.mistakes.append(diagnose("RMG120", message, self.source, self.span(token), help="write it as 1e30"))
            return 0
        return _number(str(token))

    def name(self, tree: Tree[Token]) -> nodes.Name:
        return self.name_of(_parts(tree)[0])

    def truth(self, tree: Tree[Token]) -> nodes.Truth:
        return nodes.Truth(str(_parts(tree)[0]) == "True", self.span(tree))

    def none(self, tree: Tree[Token]) -> nodes.Nothing:
        return nodes.Nothing(self.span(tree))

    def text(self, tree: Tree[Token]) -> nodes.Text:
        token, span = str(_parts(tree)[0]), self.span(tree)
        try:
            return nodes.Text(value_of(token), token, span)
        except UnknownEscape as escape:
            self._unknown_escape(escape, span)
            return nodes.Text(token, token, span)

    def _unknown_escape(self, escape: UnknownEscape, span: Span) -> None:
        at = span.start + escape.offset
        fix = Fix(Span(at, at + 1), "\\\\", "double the backslash")
        help = 'write two backslashes for one, or put r before the string: r"…" keeps them all'
        message = f"`{escape.text}` is no escape"
        self.mistakes.append(diagnose("RMG113", message, self.source, Span(at, at + 2), help=help, fixes=[fix]))

    def list(self, tree: Tree[Token]) -> nodes.ListOf:
        return nodes.ListOf(self.all(_parts(tree)), self.span(tree))

    def attribute(self, tree: Tree[Token]) -> nodes.Attribute:
        base, key = _parts(tree)
        return nodes.Attribute(self.build(base), self.name_of(key), self.span(tree))

    def item(self, tree: Tree[Token]) -> nodes.Item:
        base, index = self.all(_parts(tree))
        return nodes.Item(base, index, self.span(tree))

    def call(self, tree: Tree[Token]) -> nodes.Call:
        function, *arguments = self.all(_parts(tree))
        return nodes.Call(function, tuple(arguments), self.span(tree))

    def argument(self, tree: Tree[Token]) -> nodes.Argument:
        first, *more = self.all(_parts(tree))
        return nodes.Argument(more[0] if more else first, first if more else None, self.span(tree))

    def sign(self, tree: Tree[Token]) -> nodes.Expr:
        sign, operand = _parts(tree)
        return nodes.Sign(str(sign), self.build(operand), self.span(tree))

    def arithmetic(self, tree: Tree[Token]) -> nodes.Arithmetic:
        return nodes.Arithmetic(*self._chain(tree))

    def comparison(self, tree: Tree[Token]) -> nodes.Comparison:
        return nodes.Comparison(*self._chain(tree))

    def _chain(self, tree: Tree[Token]) -> tuple[Any, tuple[tuple[str, Any], ...], Span]:
        first, *rest = _parts(tree)
        operators = ["not in" if isinstance(o, Tree) else str(o) for o in rest[::2]]
        operands = self.all(rest[1::2])
        return self.build(first), tuple(zip(operators, operands, strict=True)), self.span(tree)

    def either(self, tree: Tree[Token]) -> nodes.Logic:
        return nodes.Logic("or", self.all(_parts(tree)), self.span(tree))

    def both(self, tree: Tree[Token]) -> nodes.Logic:
        return nodes.Logic("and", self.all(_parts(tree)), self.span(tree))

    def not_(self, tree: Tree[Token]) -> nodes.Not:
        (operand,) = self.all(_parts(tree))
        return nodes.Not(operand, self.span(tree))

    def if_else(self, tree: Tree[Token]) -> nodes.IfElse:
        then, condition, otherwise = self.all(_parts(tree))
        return nodes.IfElse(then, condition, otherwise, self.span(tree))


def _parts(tree: Tree[Token]) -> list[Any]:
    """What stands below a rule: which of it is a token and which a tree, the grammar says."""
    return tree.children


def _number(digits: str) -> int | float:
    text = digits.replace("_", "")
    return int(text) if text.isdigit() else float(text)
