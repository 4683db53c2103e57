"""Print nodes as pieces, with no more brackets than needed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from rmg_dsl.diagnostics import Span
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.doc import BracketGroup, BracketPart, Doc, Piece, TextBlock
from rmg_dsl.syntax.strings import STRING, characters, is_block, string_value


def string_piece(token: str) -> str | TextBlock:
    r"""A string with double quotes where that needs no more escapes; over several lines it is a
    block.

    >>> string_piece("'a'"), string_piece("'\"'"), string_piece("'''one\n   two'''").lines
    ('"a"', '\'"\'', ('one', 'two'))
    """
    prefix = "r" if token.startswith("r") else ""
    bare = token[len(prefix) :]
    if not is_block(token):
        return _first_equivalent(token, f'{prefix}"{bare[1:-1]}"')
    content = bare[3:-3].rstrip(" \t")
    if "\n" not in token:
        return _first_equivalent(token, f'{prefix}"{content}"', f'{prefix}"""{content}"""')
    lines = _block_lines(token)
    quotes = bare[:3] if '"""' in "\n".join(lines) and bare[0] == "'" else '"""'
    return TextBlock(prefix + quotes, lines) if lines else f'{prefix}""'


def _block_lines(token: str) -> tuple[str, ...]:
    """The lines of a block as written: read as a raw string, it keeps its escapes.

    Idle line joins at the top go.
    """
    raw = token.startswith("r")
    lines = "".join(c.text for c in characters(token if raw else f"r{token}")).split("\n")
    while not raw and lines[:1] == ["\\"]:
        lines = lines[1:]
    return tuple(lines) if any(lines) else ()


def _first_equivalent(token: str, *others: str) -> str:
    """The first way to write a string that is one token and means the same."""
    return next(
        (t for t in others if STRING.fullmatch(t) and string_value(t) == string_value(token)), token
    )


def _number_text(value: int | float) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    return repr(value)


def _signed_text(value: int | float) -> str:
    text = _number_text(value)
    return text if text.startswith("-") else f"+{text}"


def _precedence(expr: nodes.Expr) -> int:
    """How tightly an expression binds, as in the grammar."""
    match expr:
        case nodes.IfElseNode():
            return 0
        case nodes.LogicNode():
            return 1 if expr.word == "or" else 2
        case nodes.NotNode():
            return 3
        case nodes.ComparisonNode():
            return 4
        case nodes.ArithmeticNode():
            return 5 if expr.rest[0][0] in "+-" else 6
        case nodes.SignNode():
            return 7
        case nodes.CallNode() | nodes.ItemNode() | nodes.AttributeNode():
            return 8
        case (
            nodes.NameNode()
            | nodes.NumberNode()
            | nodes.TextNode()
            | nodes.TruthNode()
            | nodes.NothingNode()
            | nodes.ListNode()
        ):
            return 9
        case _:
            assert_never(expr)


def _is_literal(expr: nodes.Expr) -> bool:
    if isinstance(expr, nodes.SignNode):
        return isinstance(expr.operand, nodes.NumberNode)
    return isinstance(expr, nodes.NumberNode | nodes.TextNode | nodes.TruthNode | nodes.NothingNode)


@dataclass(frozen=True, slots=True)
class NodePrinter:
    """Writes nodes as pieces; `homes` holds the comments of each bracket."""

    bracket_comments: Mapping[Span, list[nodes.Comment]]

    def statement(self, node: object) -> Doc:
        """The line of a node: of a block its head only."""
        match node:
            case nodes.FieldDecl():
                return (f"{node.name.id} = ", *self.expr(node.value))
            case nodes.SettingLine():
                condition = (" when ", *self.expr(node.when)) if node.when else ()
                return (f"{node.key.id} = ", *self.expr(node.value), *condition)
            case nodes.Rubric():
                return ("rubric = ", *self.expr(node.source)) if node.source else ("rubric:",)
            case nodes.CriterionLine():
                return (*self.criterion_level(node), ": ", string_piece(node.text.token))
            case nodes.Edition():
                return (f"rmg {node.number}",)
            case _:
                return self.declaration(node)

    def declaration(self, node: object) -> Doc:
        match node:
            case nodes.ImportDecl():
                return self.import_(node)
            case nodes.ParamDecl() | nodes.ModelDecl():
                word = "param" if isinstance(node, nodes.ParamDecl) else "model"
                return (f"{word} {node.name.id} = ", *self.expr(node.value))
            case nodes.FieldsDecl():
                return ("fields:",)
            case nodes.GraderDecl():
                scale = (" -> ", *self.scale(node.scale)) if node.scale else ()
                return (f"grader {node.name.id}", *scale, *self.body(node.body))
            case nodes.AggregateDecl():
                return (f"aggregate {node.name.id}", *self.body(node.body))
            case nodes.PairwiseDecl() | nodes.RankingDecl() | nodes.RefineDecl():
                return (f"{nodes.keyword_of(node)} {node.name.id}:",)
            case nodes.RequireDecl():
                return ("require ", *self.expr(node.condition))
            case nodes.ValidateDecl():
                columns = join_docs((self.expr(column) for column in node.columns), ", ")
                return (f"validate {node.name.id} against ", *columns, ":" if node.body else "")
            case nodes.InternalDecl():
                return self.internal(node)
            case _:
                raise AssertionError(f"{type(node).__name__} has no line of its own")

    def import_(self, node: nodes.ImportDecl) -> Doc:
        names = (f"{n.name.id} as {n.alias.id}" if n.alias else n.name.id for n in node.names)
        return ("from ", string_piece(node.path.token), f" import {', '.join(names)}")

    def internal(self, node: nodes.InternalDecl) -> Doc:
        spans = [parameter.span for parameter in node.parameters]
        place = Span(node.name.span.end, node.result.span.start)
        group = self.group(
            "(", [self.parameter(p) for p in node.parameters], spans, ")", place, ends=False
        )
        result = (
            (node.result.id,)
            if isinstance(node.result, nodes.NameNode)
            else self.scale(node.result)
        )
        return (f"internal {node.name.id}", group, " -> ", *result)

    def parameter(self, node: nodes.ParameterNode) -> Doc:
        default = (" = ", *self.expr(node.default)) if node.default else ()
        return (f"{'*' if node.variadic else ''}{node.name.id}: {node.type.id}", *default)

    def body(self, body: nodes.Expr | nodes.Block) -> Doc:
        return (":",) if isinstance(body, nodes.Block) else (" = ", *self.expr(body))

    def criterion_level(self, node: nodes.CriterionLine) -> Doc:
        if node.signed and isinstance(node.level, nodes.NumberNode):
            return (_signed_text(node.level.value),)
        return self.expr(node.level)

    def scale(self, scale: nodes.ScaleNode) -> Doc:
        return (*self.scale_kind(scale.kind), " lower" if scale.lower else "")

    def scale_kind(
        self,
        kind: nodes.Range | nodes.WordScale | nodes.LabelScale | nodes.ValueScale,
    ) -> Doc:
        match kind:
            case nodes.Range():
                return (f"{_number_text(kind.low.value)}..{_number_text(kind.high.value)}",)
            case nodes.WordScale():
                return (kind.word,)
            case nodes.LabelScale():
                return join_docs(((string_piece(label.token),) for label in kind.labels), " | ")
            case nodes.ValueScale():
                pairs: list[Doc] = [
                    (string_piece(t.token), f"={_number_text(n.value)}") for t, n in kind.pairs
                ]
                spans = [Span(t.span.start, n.span.end) for t, n in kind.pairs]
                return (self.group("(", pairs, spans, ")", kind.span, separator=" |", ends=False),)
            case _:
                assert_never(kind)

    # ── expressions ──

    def expr(self, expr: nodes.Expr, tightness: int = 0) -> Doc:
        """An expression where one that binds at least that tightly may stand; any other one gets
        brackets.
        """
        doc = self.unbracketed_expr(expr)
        return doc if _precedence(expr) >= tightness else ("(", *doc, ")")

    def unbracketed_expr(self, expr: nodes.Expr) -> Doc:
        match expr:
            case nodes.NameNode():
                return (expr.id,)
            case nodes.NumberNode():
                return (_number_text(expr.value),)
            case nodes.TextNode():
                return (string_piece(expr.token),)
            case nodes.TruthNode():
                return (str(expr.value),)
            case nodes.NothingNode():
                return ("None",)
            case nodes.ListNode():
                spans = [item.span for item in expr.items]
                return (
                    self.group(
                        "[", [self.expr(item) for item in expr.items], spans, "]", expr.span
                    ),
                )
            case nodes.CallNode():
                spans = [argument.span for argument in expr.arguments]
                group = self.group(
                    "(", [self.argument(a) for a in expr.arguments], spans, ")", expr.span
                )
                return (*self.expr(expr.function, 8), group)
            case nodes.AttributeNode() | nodes.ItemNode():
                return self.access(expr)
            case nodes.SignNode() | nodes.ArithmeticNode() | nodes.ComparisonNode():
                return self.operation(expr)
            case nodes.LogicNode() | nodes.NotNode() | nodes.IfElseNode():
                return self.logic(expr)
            case _:
                assert_never(expr)

    def argument(self, node: nodes.ArgumentNode) -> Doc:
        """A weight or a setting is written `a=1`; what is rebound to another part of the spec `a =
        b`.
        """
        if node.label is None:
            return self.expr(node.value)
        return (
            *self.expr(node.label),
            "=" if _is_literal(node.value) else " = ",
            *self.expr(node.value),
        )

    def access(self, node: nodes.AttributeNode | nodes.ItemNode) -> Doc:
        if isinstance(node, nodes.ItemNode):
            return (*self.expr(node.base, 8), "[", *self.expr(node.index), "]")
        tightness = 10 if isinstance(node.base, nodes.NumberNode) else 8
        return (*self.expr(node.base, tightness), f".{node.key.id}")

    def operation(self, node: nodes.SignNode | nodes.ArithmeticNode | nodes.ComparisonNode) -> Doc:
        if isinstance(node, nodes.SignNode):
            return (node.sign, *self.expr(node.operand, 7))
        tightness = _precedence(node) + 1
        rest = [
            (f" {operator} ", *self.expr(operand, tightness)) for operator, operand in node.rest
        ]
        return (*self.expr(node.first, tightness), *(piece for doc in rest for piece in doc))

    def logic(self, node: nodes.LogicNode | nodes.NotNode | nodes.IfElseNode) -> Doc:
        match node:
            case nodes.LogicNode():
                return join_docs(
                    (self.expr(part, _precedence(node) + 1) for part in node.parts),
                    f" {node.word} ",
                )
            case nodes.NotNode():
                return ("not ", *self.expr(node.operand, 3))
            case nodes.IfElseNode():
                condition = self.expr(node.condition, 1)
                return (
                    *self.expr(node.then, 1),
                    " if ",
                    *condition,
                    " else ",
                    *self.expr(node.otherwise),
                )
            case _:
                assert_never(node)

    def group(
        self,
        opening: str,
        docs: Sequence[Doc],
        spans: Sequence[Span],
        closing: str,
        place: Span,
        separator: str = ",",
        ends: bool = True,
    ) -> BracketGroup:
        """A bracket with its comments: above the part that follows, beside the one they stand
        behind, or at its end.
        """
        above: list[list[nodes.Comment]] = [[] for _ in range(len(docs) + 1)]
        beside: list[list[nodes.Comment]] = [[] for _ in docs]
        starts = [span.start for span in spans]
        for comment in self.bracket_comments.get(place, ()):
            last = bisect_right(starts, comment.span.start) - 1
            if last >= 0 and comment.span.start < spans[last].end:
                above[last].append(comment)
            elif last >= 0 and not comment.alone and not beside[last]:
                beside[last].append(comment)
            else:
                above[last + 1].append(comment)
        parts = (
            BracketPart(d, tuple(a), tuple(b)) for d, a, b in zip(docs, above, beside, strict=False)
        )
        return BracketGroup(opening, tuple(parts), tuple(above[-1]), closing, separator, ends)


def join_docs(docs: Iterable[Doc], separator: str) -> Doc:
    pieces: list[Piece] = []
    for doc in docs:
        pieces += [separator, *doc] if pieces else doc
    return tuple(pieces)
