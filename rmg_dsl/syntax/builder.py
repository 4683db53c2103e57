"""From the tree of the parser to nodes: one method for each rule of the grammar, of the same
name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from lark import Token, Tree

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.strings import UnknownEscape, string_value

# A tree or a token of lark, and what is built of it: the rule of the grammar decides which.
Part: TypeAlias = Any
Built: TypeAlias = Any
# Deeper trees could exhaust the stack of the recursive checker; a larger number, the parser of
# ints.
MAX_DEPTH = 60
MAX_DIGITS = 300
_QUOTED_RANGE = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\.\.(\d{1,20}(?:\.\d{1,20})?)")


class NestingError(Exception):
    """Expressions that are nested too deeply; `offset` is where the deepest one starts."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def check_depth(tree: Tree[Token], shift: int) -> None:
    """Raise `NestingError` for a tree that recursion could not walk."""
    # A loop, because recursion would fail on the trees that this looks for.
    level: list[Tree[Token]] = [tree]
    for _ in range(MAX_DEPTH):
        level = [
            child for node in level for child in _tree_children(node) if isinstance(child, Tree)
        ]
        if not level:
            return
    start = 0 if level[0].meta.empty else level[0].meta.start_pos
    raise NestingError(start + shift)


class Builder:
    """Builds nodes whose spans count in `source`; `shift` is added to the places of the parser.

    `mistakes` collects what only shows once a token is read, such as an escape that does not exist.
    """

    def __init__(self, source: Source, shift: int) -> None:
        self.source = source
        self.shift = shift
        self.mistakes: list[Diagnostic] = []

    def build(self, tree: Part) -> Built:
        # Methods are named like the rules of the grammar.
        return getattr(self, tree.data)(tree)

    def build_all(self, trees: Iterable[Part]) -> tuple[Built, ...]:
        return tuple(self.build(t) for t in trees if isinstance(t, Tree))

    def span(self, tree: Tree[Token] | Token) -> Span:
        at = tree if isinstance(tree, Token) else tree.meta
        return Span((at.start_pos or 0) + self.shift, (at.end_pos or 0) + self.shift)

    def name_of(self, token: Token) -> nodes.NameNode:
        # The grammar takes every letter of Unicode; Python's names have a few rules more.
        name = nodes.NameNode(str(token), self.span(token))
        if not name.id.isidentifier():
            message = f"`{name.id}` holds a character that no name can have"
            self.mistakes.append(
                diagnose("RMG117", message, self.source, name.span, help="names are Python's")
            )
        return name

    def span_through(self, tree: Tree[Token], last: Built) -> Span:
        """From the first token to the end of the last node, without the line break behind it."""
        return Span(self.span(tree).start, last.span.end)

    # ── declarations ──

    def edition(self, tree: Tree[Token]) -> nodes.Edition:
        number = _tree_children(tree)[1]
        span = Span(self.span(tree).start, self.span(number).end)
        return nodes.Edition(int(self._number_value(number)), span)

    def import_(self, tree: Tree[Token]) -> nodes.ImportDecl:
        path, *names = self.build_all(_tree_children(tree))
        return nodes.ImportDecl(path, tuple(names), self.span_through(tree, names[-1]))

    def imported(self, tree: Tree[Token]) -> nodes.Imported:
        name, _, alias = _tree_children(tree)
        local_name = self.name_of(alias) if alias else None
        return nodes.Imported(self.name_of(name), local_name, self.span(tree))

    def param(self, tree: Tree[Token]) -> nodes.ParamDecl:
        value = self.build(_tree_children(tree)[2])
        return nodes.ParamDecl(self._declared_name(tree), value, self.span_through(tree, value))

    def model(self, tree: Tree[Token]) -> nodes.ModelDecl:
        value = self.build(_tree_children(tree)[2])
        return nodes.ModelDecl(self._declared_name(tree), value, self.span_through(tree, value))

    def fields(self, tree: Tree[Token]) -> nodes.FieldsDecl:
        fields = self.build_all(_tree_children(tree))
        return nodes.FieldsDecl(fields, self.span_through(tree, fields[-1]))

    def field(self, tree: Tree[Token]) -> nodes.FieldDecl:
        value = self.build(_tree_children(tree)[1])
        return nodes.FieldDecl(
            self.name_of(_tree_children(tree)[0]), value, self.span_through(tree, value)
        )

    def grader(self, tree: Tree[Token]) -> nodes.GraderDecl:
        _, _, scale, body = _tree_children(tree)
        built = self.build(body)
        scale_node = self.build(scale) if scale else None
        span = self.span_through(tree, built)
        return nodes.GraderDecl(self._declared_name(tree), scale_node, built, span)

    def pairwise(self, tree: Tree[Token]) -> nodes.PairwiseDecl:
        return nodes.PairwiseDecl(*self._name_body_span(tree))

    def ranking(self, tree: Tree[Token]) -> nodes.RankingDecl:
        return nodes.RankingDecl(*self._name_body_span(tree))

    def refine(self, tree: Tree[Token]) -> nodes.RefineDecl:
        return nodes.RefineDecl(*self._name_body_span(tree))

    def aggregate(self, tree: Tree[Token]) -> nodes.AggregateDecl:
        return nodes.AggregateDecl(*self._name_body_span(tree))

    def require(self, tree: Tree[Token]) -> nodes.RequireDecl:
        (condition,) = self.build_all(_tree_children(tree))
        return nodes.RequireDecl(condition, self.span_through(tree, condition))

    def validate(self, tree: Tree[Token]) -> nodes.ValidateDecl:
        columns = [*self.build_all(_tree_children(tree))]
        span = self.span_through(tree, columns[-1])
        body = None
        if isinstance(columns[-1], nodes.Block):
            *columns, body = columns
        return nodes.ValidateDecl(self._declared_name(tree), tuple(columns), body, span)

    def internal(self, tree: Tree[Token]) -> nodes.InternalDecl:
        *parameters, result = [child for child in _tree_children(tree)[2:] if child is not None]
        # The result is a scale, or the name of a type.
        built = self.build(result) if isinstance(result, Tree) else self.name_of(result)
        return nodes.InternalDecl(
            self._declared_name(tree),
            self.build_all(parameters),
            built,
            self.span_through(tree, built),
        )

    def parameter(self, tree: Tree[Token]) -> nodes.ParameterNode:
        star, name, kind, default = _tree_children(tree)
        value = self.build(default) if isinstance(default, Tree) else None
        return nodes.ParameterNode(
            self.name_of(name), self.name_of(kind), value, star is not None, self.span(tree)
        )

    def _declared_name(self, tree: Tree[Token]) -> nodes.NameNode:
        return self.name_of(_tree_children(tree)[1])

    def _name_body_span(self, tree: Tree[Token]) -> tuple[nodes.NameNode, Built, Span]:
        body = self.build(_tree_children(tree)[2])
        return self._declared_name(tree), body, self.span_through(tree, body)

    # ── blocks ──

    def one_line(self, tree: Tree[Token]) -> nodes.Expr:
        (value,) = self.build_all(_tree_children(tree))
        expr: nodes.Expr = value
        return expr

    def block(self, tree: Tree[Token]) -> nodes.Block:
        lines = self.build_all(_tree_children(tree))
        return nodes.Block(lines, self.span_through(tree, lines[-1]))

    def setting(self, tree: Tree[Token]) -> nodes.SettingLine:
        key, value, _, when = _tree_children(tree)
        built = self.build(value)
        condition = self.build(when) if when else None
        span = self.span_through(tree, condition or built)
        return nodes.SettingLine(self.name_of(key), built, condition, span)

    def rubric(self, tree: Tree[Token]) -> nodes.Rubric:
        criteria = self.build_all(_tree_children(tree))
        return nodes.Rubric(criteria, None, self.span_through(tree, criteria[-1]))

    def rubric_from(self, tree: Tree[Token]) -> nodes.Rubric:
        (source,) = self.build_all(_tree_children(tree))
        return nodes.Rubric((), source, self.span_through(tree, source))

    def criterion(self, tree: Tree[Token]) -> nodes.CriterionLine:
        level, text = self.build_all(_tree_children(tree))
        first = _tree_children(tree)[0]
        # `+5` are points and `5` is a level: the sign decides, so it must not get lost.
        is_number = isinstance(first, Tree) and first.data == "signed"
        signed = is_number and first.children[0] is not None
        return nodes.CriterionLine(level, signed, text, self.span_through(tree, text))

    def veto(self, tree: Tree[Token]) -> nodes.NameNode:
        return nodes.NameNode("veto", self.span(tree))

    # ── scales ──

    def scale(self, tree: Tree[Token]) -> nodes.ScaleNode:
        kind, lower = _tree_children(tree)
        return nodes.ScaleNode(self.build(kind), lower is not None, self.span(tree))

    def range(self, tree: Tree[Token]) -> nodes.Range:
        low, high = self.build_all(_tree_children(tree))
        span = self.span(tree)
        if self.source.text[low.span.end : high.span.start + 1] == "...":
            high = self._correct_three_dots(low, high, span)
        return nodes.Range(low, high, span)

    def _correct_three_dots(
        self, low: nodes.NumberNode, high: nodes.NumberNode, span: Span
    ) -> nodes.NumberNode:
        """`1...5` reads as a scale from 1 to .5: report it, and go on with `1..5`."""
        digits = self.source.text[high.span.start + 1 : high.span.end]
        meant = f"{self.source.text[low.span.start : low.span.end]}..{digits}"
        message = f"a scale from {low.value:g} to {digits} is written `{meant}`"
        fix = Fix(span, meant, f"write `{meant}`")
        self.mistakes.append(
            diagnose("RMG121", message, self.source, span, help=f"write `{meant}`", fixes=[fix])
        )
        return nodes.NumberNode(_parse_number(digits), high.span)

    def word_scale(self, tree: Tree[Token]) -> nodes.WordScale:
        return nodes.WordScale(str(tree.children[0]), self.span(tree))

    def labels(self, tree: Tree[Token]) -> nodes.LabelScale | nodes.Range:
        labels, span = self.build_all(_tree_children(tree)), self.span(tree)
        quoted = _QUOTED_RANGE.fullmatch(labels[0].value) if len(labels) == 1 else None
        if quoted is None:
            return nodes.LabelScale(labels, span)
        return self._correct_quoted_range(quoted, span)

    def _correct_quoted_range(self, quoted: re.Match[str], span: Span) -> nodes.Range:
        """`"1..5"` as a scale: report it, and go on with the range."""
        low, high = (nodes.NumberNode(_parse_number(digits), span) for digits in quoted.groups())
        help = f"write `{quoted.group()}`"
        fix = Fix(span, quoted.group(), help)
        message = "a range stands without quotes; in quotes it would be a single label"
        self.mistakes.append(diagnose("RMG121", message, self.source, span, help=help, fixes=[fix]))
        return nodes.Range(low, high, span)

    def values(self, tree: Tree[Token]) -> nodes.ValueScale:
        return nodes.ValueScale(self.build_all(_tree_children(tree)), self.span(tree))

    def valued(self, tree: Tree[Token]) -> tuple[nodes.TextNode, nodes.NumberNode]:
        label, value = self.build_all(_tree_children(tree))
        return label, value

    # ── expressions ──

    def number(self, tree: Tree[Token]) -> nodes.NumberNode:
        sign, digits = _tree_children(tree)
        value = self._number_value(digits)
        if sign == "-":
            value = -value
        return nodes.NumberNode(value, self.span(tree))

    signed = number

    def plain(self, tree: Tree[Token]) -> nodes.NumberNode:
        return nodes.NumberNode(self._number_value(_tree_children(tree)[0]), self.span(tree))

    def _number_value(self, token: Token) -> int | float:
        # Python refuses to read ints of thousands of digits.
        if len(token) > MAX_DIGITS:
            message = f"a number of {len(token):,} digits"
            self.mistakes.append(
                diagnose("RMG120", message, self.source, self.span(token), help="write it as 1e30")
            )
            return 0
        return _parse_number(str(token))

    def name(self, tree: Tree[Token]) -> nodes.NameNode:
        return self.name_of(_tree_children(tree)[0])

    def truth(self, tree: Tree[Token]) -> nodes.TruthNode:
        return nodes.TruthNode(str(_tree_children(tree)[0]) == "True", self.span(tree))

    def none(self, tree: Tree[Token]) -> nodes.NothingNode:
        return nodes.NothingNode(self.span(tree))

    def text(self, tree: Tree[Token]) -> nodes.TextNode:
        token, span = str(_tree_children(tree)[0]), self.span(tree)
        try:
            return nodes.TextNode(string_value(token), token, span)
        except UnknownEscape as escape:
            self._report_unknown_escape(escape, span)
            return nodes.TextNode(token, token, span)

    def _report_unknown_escape(self, escape: UnknownEscape, span: Span) -> None:
        at = span.start + escape.offset
        fix = Fix(Span(at, at + 1), "\\\\", "double the backslash")
        help = 'write two backslashes for one, or put r before the string: r"…" keeps them all'
        message = f"`{escape.text}` is no escape"
        self.mistakes.append(
            diagnose("RMG113", message, self.source, Span(at, at + 2), help=help, fixes=[fix])
        )

    def list(self, tree: Tree[Token]) -> nodes.ListNode:
        return nodes.ListNode(self.build_all(_tree_children(tree)), self.span(tree))

    def attribute(self, tree: Tree[Token]) -> nodes.AttributeNode:
        base, key = _tree_children(tree)
        return nodes.AttributeNode(self.build(base), self.name_of(key), self.span(tree))

    def item(self, tree: Tree[Token]) -> nodes.ItemNode:
        base, index = self.build_all(_tree_children(tree))
        return nodes.ItemNode(base, index, self.span(tree))

    def call(self, tree: Tree[Token]) -> nodes.CallNode:
        function, *arguments = self.build_all(_tree_children(tree))
        return nodes.CallNode(function, tuple(arguments), self.span(tree))

    def argument(self, tree: Tree[Token]) -> nodes.ArgumentNode:
        *label, value = self.build_all(_tree_children(tree))
        return nodes.ArgumentNode(value, label[0] if label else None, self.span(tree))

    def sign(self, tree: Tree[Token]) -> nodes.Expr:
        sign, operand = _tree_children(tree)
        return nodes.SignNode(str(sign), self.build(operand), self.span(tree))

    def arithmetic(self, tree: Tree[Token]) -> nodes.ArithmeticNode:
        return nodes.ArithmeticNode(*self._operand_chain(tree))

    def comparison(self, tree: Tree[Token]) -> nodes.ComparisonNode:
        return nodes.ComparisonNode(*self._operand_chain(tree))

    def _operand_chain(
        self, tree: Tree[Token]
    ) -> tuple[Built, tuple[tuple[str, Built], ...], Span]:
        """The first operand, then each operator with the operand behind it."""
        first, *rest = _tree_children(tree)
        # `not in` is the only operator of two words, and so the only one that is a tree.
        operators = ["not in" if isinstance(o, Tree) else str(o) for o in rest[::2]]
        operands = self.build_all(rest[1::2])
        return self.build(first), tuple(zip(operators, operands, strict=True)), self.span(tree)

    def either(self, tree: Tree[Token]) -> nodes.LogicNode:
        return nodes.LogicNode("or", self.build_all(_tree_children(tree)), self.span(tree))

    def both(self, tree: Tree[Token]) -> nodes.LogicNode:
        return nodes.LogicNode("and", self.build_all(_tree_children(tree)), self.span(tree))

    def not_(self, tree: Tree[Token]) -> nodes.NotNode:
        (operand,) = self.build_all(_tree_children(tree))
        return nodes.NotNode(operand, self.span(tree))

    def if_else(self, tree: Tree[Token]) -> nodes.IfElseNode:
        then, condition, otherwise = self.build_all(_tree_children(tree))
        return nodes.IfElseNode(then, condition, otherwise, self.span(tree))


def _tree_children(tree: Tree[Token]) -> list[Part]:
    """The parts of a rule: trees, tokens, and none for each optional part that is left out."""
    return tree.children


def _parse_number(digits: str) -> int | float:
    text = digits.replace("_", "")
    return int(text) if text.isdigit() else float(text)
