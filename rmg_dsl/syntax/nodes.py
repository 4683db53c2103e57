"""The tree of a spec as it was written: frozen nodes, each with its exact span.

Nothing is resolved here.

Module ── Declaration ── Block ── Setting | Rubric
              │                      │
              └──────────── Expr ────┘

Nodes have no equality of their own: two are compared by `node_meaning`, without their places. (A
class with less generated code is also made in half the time, and every start of `rmg` makes all of
them.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from rmg_dsl.diagnostics import Source, Span

# ── Expressions ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NameNode:
    """A name, where it is declared or used."""

    id: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NumberNode:
    """A number; whole ones are ints."""

    value: int | float
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TextNode:
    """A string: `value` is what it means, `token` how it is written, quotes and prefix included."""

    value: str
    token: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TruthNode:
    """`True` or `False`."""

    value: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NothingNode:
    """`None`."""

    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListNode:
    """`[a, b]`."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AttributeNode:
    """`base.key`."""

    base: Expr
    key: NameNode
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ItemNode:
    """`base[index]`."""

    base: Expr
    index: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ArgumentNode:
    """One argument: with a `label` before its `=` it is a keyword (a name) or a weighted part (any
    expression).
    """

    value: Expr
    label: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CallNode:
    """`function(arguments)`."""

    function: Expr
    arguments: tuple[ArgumentNode, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SignNode:
    """`-x` or `+x`."""

    sign: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ArithmeticNode:
    """`first` and what follows it, of one precedence, from left to right: flat, so that a long sum
    is not deep.
    """

    first: Expr
    rest: tuple[tuple[str, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ComparisonNode:
    """`a < b <= c`: chained as in Python."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LogicNode:
    """`a and b and c`, or the same with `or`."""

    word: str
    parts: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NotNode:
    """`not x`."""

    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IfElseNode:
    """`then if condition else otherwise`."""

    then: Expr
    condition: Expr
    otherwise: Expr
    span: Span


Expr: TypeAlias = (
    NameNode
    | NumberNode
    | TextNode
    | TruthNode
    | NothingNode
    | ListNode
    | AttributeNode
    | ItemNode
    | CallNode
    | SignNode
    | ArithmeticNode
    | ComparisonNode
    | LogicNode
    | NotNode
    | IfElseNode
)

# ── Scales ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Range:
    """`1..5`."""

    low: NumberNode
    high: NumberNode
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WordScale:
    """A scale that is one word: `bool`, `points`."""

    word: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelScale:
    """`"a" | "b"`."""

    labels: tuple[TextNode, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ValueScale:
    """`("a"=0 | "b"=1)`."""

    pairs: tuple[tuple[TextNode, NumberNode], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScaleNode:
    """A scale as it was written, and whether `lower` stands behind it."""

    kind: Range | WordScale | LabelScale | ValueScale
    lower: bool
    span: Span


# ── Blocks ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SettingLine:
    """`key = value`, and of `escalate` its `when`."""

    key: NameNode
    value: Expr
    when: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CriterionLine:
    """A line of a rubric: `level` is what stands before the colon, `points` of a signed number its
    sign and size.
    """

    level: NumberNode | TextNode | TruthNode | NameNode
    signed: bool
    text: TextNode
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rubric:
    """The lines of a `rubric:`, or the expression of a `rubric = FIELD`.

    It is `damaged` where a line of it could not be read.
    """

    criteria: tuple[CriterionLine, ...]
    source: Expr | None
    span: Span
    damaged: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Block:
    """The indented lines; `damaged` when some of them could not be read, so that nothing is called
    missing.
    """

    lines: tuple[SettingLine | Rubric, ...]
    span: Span
    damaged: bool = False

    @property
    def settings(self) -> tuple[SettingLine, ...]:
        return tuple(line for line in self.lines if isinstance(line, SettingLine))

    @property
    def rubric(self) -> Rubric | None:
        return next((line for line in self.lines if isinstance(line, Rubric)), None)


# ── Declarations ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Edition:
    """`rmg 1`."""

    number: int
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Imported:
    """One name of an import: `a`, or `a as b`."""

    name: NameNode
    alias: NameNode | None
    span: Span

    @property
    def local_name(self) -> NameNode:
        return self.alias or self.name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ImportDecl:
    """`from "file.rmg" import a, b as c`."""

    path: TextNode
    names: tuple[Imported, ...]
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParamDecl:
    """`param NAME = literal`."""

    name: NameNode
    value: NumberNode | TextNode | TruthNode
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModelDecl:
    """`model NAME = llm(…)`."""

    name: NameNode
    value: Expr
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FieldDecl:
    """A line of `fields:`."""

    name: NameNode
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FieldsDecl:
    """`fields:` with its lines."""

    fields: tuple[FieldDecl, ...]
    span: Span
    doc: str = ""
    damaged: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GraderDecl:
    """`grader NAME -> SCALE = …`, or its block."""

    name: NameNode
    scale: ScaleNode | None
    body: Expr | Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PairwiseDecl:
    """`pairwise NAME:`."""

    name: NameNode
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RankingDecl:
    """`ranking NAME:`."""

    name: NameNode
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AggregateDecl:
    """`aggregate NAME = …`, or its block."""

    name: NameNode
    body: Expr | Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefineDecl:
    """`refine FIELD:`."""

    name: NameNode
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RequireDecl:
    """`require CONDITION`."""

    condition: Expr
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ValidateDecl:
    """`validate NAME against COLUMN, …`."""

    name: NameNode
    columns: tuple[Expr, ...]
    body: Block | None
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParameterNode:
    """A parameter of an `internal` function."""

    name: NameNode
    type: NameNode
    default: NumberNode | TextNode | TruthNode | NothingNode | None
    variadic: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InternalDecl:
    """What Python implements; only the standard library's own files may declare one."""

    name: NameNode
    parameters: tuple[ParameterNode, ...]
    result: NameNode | ScaleNode
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Broken:
    """A declaration that could not be read: its names stay known, so that their uses are not called
    mistakes.
    """

    names: tuple[str, ...]
    span: Span
    doc: str = ""


Declaration: TypeAlias = (
    ImportDecl
    | ParamDecl
    | ModelDecl
    | FieldsDecl
    | GraderDecl
    | PairwiseDecl
    | RankingDecl
    | AggregateDecl
    | RefineDecl
    | RequireDecl
    | ValidateDecl
    | InternalDecl
    | Broken
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comment:
    """A `#` comment: `alone` when nothing stands before it on its line; a doc line starts with
    `##`.
    """

    text: str
    alone: bool
    span: Span

    @property
    def is_doc(self) -> bool:
        return self.alone and self.text.startswith("##")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Module:
    """A whole spec."""

    source: Source
    edition: Edition | None
    declarations: tuple[Declaration, ...]
    comments: tuple[Comment, ...] = ()
    doc: str = field(default="")


def keyword_of(declaration: object) -> str:
    """The keyword that a declaration starts with; of a line of `fields:` the word `field`.

    >>> from rmg_dsl.syntax import parse
    >>> keyword_of(parse("param a = 1").module.declarations[0])
    'param'
    """
    return type(declaration).__name__.removesuffix("Decl").lower()


# `rmg ast` printed these names before all classes of one kind got the same suffix; its readers
# still find them.
_PUBLISHED_NAMES = {
    "ModelDecl": "ModelDecl",
    "FieldDecl": "FieldDecl",
    "ScaleNode": "ScaleNode",
    "ListNode": "ListOf",
    "CriterionLine": "Criterion",
    "SettingLine": "Setting",
}


def published_name(node: object) -> str:
    """The name of a node in the JSON of `rmg ast`.

    >>> from rmg_dsl.syntax import parse
    >>> published_name(parse("param a = 1").module.declarations[0])
    'Param'
    """
    if isinstance(node, WordScale):
        return f"{node.word.capitalize()}Scale"
    name = type(node).__name__
    return _PUBLISHED_NAMES.get(name, name.removesuffix("Decl").removesuffix("Node"))


def node_children(node: object) -> Iterator[object]:
    """The nodes right below one, in the order in which they were written."""
    for f in fields(node):  # type: ignore[arg-type] # every node is a dataclass
        yield from _nodes_in(getattr(node, f.name))


def _nodes_in(value: object) -> Iterator[object]:
    if isinstance(value, tuple) and not isinstance(value, Span):
        for item in value:
            yield from _nodes_in(item)
    elif hasattr(value, "span"):
        yield value


def walk_nodes(node: object) -> Iterator[object]:
    """A node and all below it, depth first."""
    yield node
    for child in node_children(node):
        yield from walk_nodes(child)


def node_meaning(node: object) -> object:
    """A node without its places: two texts mean the same when this is equal.

    >>> from rmg_dsl.syntax import parse
    >>> node_meaning(parse("param a=1").module) == node_meaning(parse("param  a = 1  # one").module)
    True
    """
    if isinstance(node, Span | Source | Comment):
        return None
    if isinstance(node, tuple):
        return tuple(node_meaning(item) for item in node if not isinstance(item, Comment))
    if isinstance(node, TextNode):
        return ("Text", node.value)
    if hasattr(node, "__dataclass_fields__"):
        parts = fields(node)  # type: ignore[arg-type] # as above
        return (type(node).__name__, *(node_meaning(getattr(node, f.name)) for f in parts))
    return (type(node).__name__, node)
