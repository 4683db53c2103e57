"""The one layout of a spec: the tree is printed anew and its comments are put back. There are no options.

    Module ── _Statement (a line, its comments) ── Doc (pieces that may be broken over lines) ── text

Nothing but the tree, the comments and their order decides, so texts that differ in layout only come out alike.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias, assert_never

from rmg_dsl.diagnostics import Source, Span, errors_in
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.parser import Parsed, parse
from rmg_dsl.syntax.strings import characters, is_block, value_of

WIDTH = 100
STEP = 4

_TRIPLE = r'"""(?:[^"\\]|\\.|"(?!""))*"""' + r"|'''(?:[^'\\]|\\.|'(?!''))*'''"
_SINGLE = r'"(?!"")(?:[^"\\\n]|\\.)*"' + r"|'(?!'')(?:[^'\\\n]|\\.)*'"
STRING = re.compile(rf"(?:(?<!\w)r)?(?:{_TRIPLE}|{_SINGLE})", re.S)
_LEXEME = re.compile(
    rf"(?P<string>{_TRIPLE}|{_SINGLE})|(?P<skip>#[^\n]*|[ \t]+)|(?P<open>[(\[])|(?P<close>[)\]])|(?P<end>\n)|\w+|.",
    re.S,
)
_COMMENT = re.compile(r"(##?)(?!#)([ \t]*)(.*)", re.S)


def format_text(text: str) -> str:
    r"""A spec in its one layout: same meaning, same comments, and formatting it again changes nothing.

    >>> print(format_text("grader  brief=( words(response)<=120 ) #short\naggregate r=weighted(a = .6,b=.4)"), end="")
    grader brief = words(response) <= 120  # short
    <BLANKLINE>
    aggregate r = weighted(a=0.6, b=0.4)

    Raises `ValueError` for a text with mistakes.
    """
    parsed = parse(text)
    if errors_in(parsed.diagnostics):
        raise ValueError("a text with mistakes has no layout")
    return format_source(parsed)


def format_source(parsed: Parsed) -> str:
    r"""The text of a spec that was read without errors, in its one layout; whether there were any, the caller checks.

    >>> format_source(parse("param a=1\n\n\n\nparam b   = 1_000"))
    'param a = 1\nparam b = 1000\n'
    """
    assert not errors_in(parsed.diagnostics), "a text with mistakes has no layout"
    statements, last_words = _statements(parsed.module)
    chunks = [_chunk(parsed.module.source, group) for group in _declarations(statements)]
    text = "".join(_gap_between(above, below) + below.text for above, below in pairwise([None, *chunks]) if below)
    ending = "".join(f"{line}\n" for line in _comment_lines(last_words, 0))
    return text + ("\n" if text and ending else "") + ending


# ── Lines and comments ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Statement:
    """A logical line: its node, how deep it stands, where it was, and the comments around and inside it."""

    node: object
    level: int
    span: Span
    above: list[nodes.Comment] = field(default_factory=list)
    inside: list[nodes.Comment] = field(default_factory=list)
    beside: list[nodes.Comment] = field(default_factory=list)
    below: list[tuple[int, nodes.Comment]] = field(default_factory=list)


def logical_lines(text: str) -> Iterator[Span]:
    """The places of the statements: without indent and trailing comment; brackets and strings may go over lines."""
    depth, start, end = 0, -1, 0
    for lexeme in _LEXEME.finditer(text):
        kind = lexeme.lastgroup
        if kind == "skip" or (kind == "end" and (depth or start < 0)):
            continue
        if kind == "end":
            yield Span(start, end)
            start = -1
            continue
        depth = max(0, depth + (kind == "open") - (kind == "close"))
        start, end = (lexeme.start() if start < 0 else start), lexeme.end()
    if start >= 0:
        yield Span(start, end)


def _written(module: nodes.Module) -> Iterator[tuple[object, int]]:
    """The nodes that stand on a line of their own, and their levels."""
    for declaration in (*([module.edition] if module.edition else []), *module.declarations):
        yield declaration, 0
        if isinstance(declaration, nodes.Fields):
            yield from ((line, 1) for line in declaration.fields)
        body = getattr(declaration, "body", None)
        for line in body.lines if isinstance(body, nodes.Block) else ():
            yield line, 1
            yield from ((criterion, 2) for criterion in getattr(line, "criteria", ()))


def _statements(module: nodes.Module) -> tuple[list[_Statement], list[nodes.Comment]]:
    """The lines of a module with the comments of each, and the comments below the last one."""
    places = logical_lines(module.source.text)
    statements = [_Statement(node, level, span) for (node, level), span in zip(_written(module), places, strict=True)]
    starts = [statement.span.start for statement in statements]
    gaps: list[list[nodes.Comment]] = [[] for _ in range(len(statements) + 1)]
    for comment in module.comments:
        before = bisect_right(starts, comment.span.start)
        statement = statements[before - 1] if before else None
        if statement and comment.span.start < statement.span.end:
            statement.inside.append(comment)
        elif statement and not comment.alone:
            statement.beside.append(comment)
        else:
            gaps[before].append(comment)
    for at in range(len(statements)):
        _settle(gaps[at], statements, at, module.source)
    return statements, _settle(gaps[-1], statements, len(statements), module.source)


def _settle(
    gap: Sequence[nodes.Comment], statements: Sequence[_Statement], at: int, source: Source
) -> list[nodes.Comment]:
    """Give the comments between two lines to the next one, but those that end a block to the line before."""
    level = statements[at - 1].level if at else 0
    floor = statements[at].level if at < len(statements) else 0
    above = statements[at].above if at < len(statements) else []
    outer = next((s.span.start for s in reversed(statements[:at]) if s.level == 1), 0) if level == 2 else 0
    for comment in gap:
        column = source.position(comment.span.start).column
        deep = 0 if column == 1 else 2 if column > source.position(outer).column else 1
        level = min(level, max(floor, deep))
        if level > floor:
            statements[at - 1].below.append((level, comment))
        else:
            above.append(comment)
    return above


def _comment_lines(comments: Sequence[nodes.Comment], indent: int) -> list[str]:
    return [" " * indent + text for text in _tidied(comments)]


def _tidied(comments: Sequence[nodes.Comment]) -> list[str]:
    """One blank after the marker; lines that stand together keep what they are indented against each other."""
    texts = [comment.text for comment in comments]
    blanks = [_blanks_of(text) for text in texts]
    margin = min((n for n in blanks if n), default=1)
    return [_tidy(text, max(1, 1 + n - margin)) for text, n in zip(texts, blanks, strict=True)]


def _blanks_of(text: str) -> int:
    found = _COMMENT.match(text)
    return len(found[2].expandtabs(STEP)) if found and found[3] else 0


def _tidy(text: str, blanks: int) -> str:
    found = _COMMENT.match(text)
    if not found or not found[3] or text.startswith(("#!", "#:")):
        return text
    return found[1] + " " * blanks + found[3]


# ── Declarations ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A printed declaration; those of one `family` that take `alone` one line stand together."""

    text: str
    family: str
    alone: bool
    commented: bool


def _declarations(statements: Iterable[_Statement]) -> list[list[_Statement]]:
    groups: list[list[_Statement]] = []
    for statement in statements:
        if statement.level == 0:
            groups.append([])
        groups[-1].append(statement)
    return groups


def _gap_between(above: _Chunk | None, below: _Chunk) -> str:
    if above is None:
        return ""
    together = above.alone and below.alone and above.family == below.family and not below.commented
    return "" if together else "\n"


def _chunk(source: Source, statements: Sequence[_Statement]) -> _Chunk:
    printed = [_printed(statement) for statement in statements]
    lines = [line for _, own in printed for line in own]
    comments = _heading(source, statements[0], printed[0][0])
    text = "".join(f"{line}\n" for line in [*comments, *lines])
    family = lines[0].partition(" ")[0]
    return _Chunk(text, family, len(lines) == 1 and "\n" not in lines[0], bool(comments))


def _printed(statement: _Statement) -> tuple[list[nodes.Comment], list[str]]:
    """The comments that found no bracket to stand in, and the lines of a statement with the comments below it."""
    homes, strays = _homes(statement)
    indent = STEP * statement.level
    text = _laid_out(_Writer(homes).statement(statement.node), indent) + _beside(statement.beside)
    above = _comment_lines([*statement.above, *strays], indent) if statement.level else []
    below = [
        line
        for level in (2, 1)
        for line in _comment_lines([c for at, c in statement.below if at == level], STEP * level)
    ]
    return strays, [*above, text, *below]


def _heading(source: Source, head: _Statement, strays: Sequence[nodes.Comment]) -> list[str]:
    """The comments above a declaration: its documentation stays right above it, and nothing else becomes part of it."""
    count = _documentation(source, head)
    docs = _comment_lines(head.above[len(head.above) - count :], 0)
    plain = _comment_lines([*head.above[: len(head.above) - count], *strays], 0)
    apart = plain and (docs or plain[-1].startswith("##") or isinstance(head.node, nodes.Edition))
    return [*plain, *([""] if apart else []), *docs]


def _documentation(source: Source, head: _Statement) -> int:
    """How many of the comments above a declaration document it: `##` in column 1, line by line right above."""
    line = source.position(head.span.start).line
    for count, comment in enumerate(reversed(head.above)):
        place = source.position(comment.span.start)
        if not comment.is_doc or place.column > 1 or place.line != line - count - 1:
            return count
    return len(head.above)


def _beside(comments: Sequence[nodes.Comment]) -> str:
    return "".join(f"  {text}" for text in _tidied(comments))


# ── Pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A string of several lines, dedented, its escapes as they were written."""

    opening: str
    lines: tuple[str, ...]

    @property
    def closing(self) -> str:
        return self.opening[-3:]


@dataclass(frozen=True, slots=True)
class _Part:
    doc: Doc
    above: tuple[nodes.Comment, ...]
    beside: tuple[nodes.Comment, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """What stands in a bracket; broken, each part has its line. `ends`: the last one has a separator too, then."""

    opening: str
    parts: tuple[_Part, ...]
    below: tuple[nodes.Comment, ...]
    closing: str
    separator: str = ","
    ends: bool = True


Piece: TypeAlias = str | TextBlock | _Group
Doc: TypeAlias = tuple[Piece, ...]


def _laid_out(doc: Doc, indent: int) -> str:
    """The text of a line that starts at `indent`, its brackets broken, from outside in, where they must or it helps."""
    out = " " * indent
    broken = _breaks(doc, indent)
    for at, piece in enumerate(doc):
        match piece:
            case str():
                out += piece
            case TextBlock():
                out += block_text(piece, indent + STEP)
            case _Group():
                out += _broken(piece, indent) if at in broken else _flat(piece)
            case _:
                assert_never(piece)
    return out


def _breaks(doc: Doc, indent: int) -> set[int]:
    """The pieces that go over lines: those that have to, then of each line that is too long the widest that helps."""
    forced = [at for at, piece in enumerate(doc) if _must_break(piece)]
    broken = set(forced)
    lines = list(pairwise([-1, *forced, len(doc)]))
    while lines:
        start, end = lines.pop()
        chosen = _widest(doc, start, end, indent)
        if chosen is not None:
            broken.add(chosen)
            lines += [(start, chosen), (chosen, end)]
    return broken


def _widest(doc: Doc, start: int, end: int, indent: int) -> int | None:
    """The widest bracket between two line ends, if they are too far apart; none that leaves the rest as long."""
    ends = [indent + len(_closing(doc[start]) if start >= 0 else "")]
    for piece in doc[start + 1 : end]:
        ends.append(ends[-1] + len(_flat(piece)))
    total = ends[-1] + (len(_opening(doc[end])) if end < len(doc) else 0)
    choice = [at for at in range(start + 1, end) if isinstance(doc[at], _Group)] if total > WIDTH else []
    column = {at: ends[at - start] for at in choice}
    helps = [at for at in choice if column[at] > WIDTH or indent + 1 + total - column[at] <= WIDTH]
    return max(helps, key=lambda at: len(_flat(doc[at])), default=None)


def _opening(piece: Piece) -> str:
    return piece if isinstance(piece, str) else piece.opening


def _closing(piece: Piece) -> str:
    match piece:
        case str():
            return piece
        case TextBlock():
            return " " * STEP + piece.closing
        case _Group():
            return piece.closing
        case _:
            assert_never(piece)


def _must_break(piece: Piece) -> bool:
    """A text of several lines goes over lines, a comment needs a line of its own, and so does what holds either."""
    match piece:
        case str():
            return False
        case TextBlock():
            return True
        case _Group():
            commented = bool(piece.below) or any(part.above or part.beside for part in piece.parts)
            return commented or any(_must_break(inner) for part in piece.parts for inner in part.doc)
        case _:
            assert_never(piece)


def _flat(piece: Piece) -> str:
    """A piece on one line; a text block has none, so it never gets here."""
    match piece:
        case str():
            return piece
        case TextBlock():
            raise AssertionError("a text of several lines does not fit on one")
        case _Group():
            parts = ("".join(_flat(inner) for inner in part.doc) for part in piece.parts)
            return piece.opening + f"{piece.separator} ".join(parts) + piece.closing
        case _:
            assert_never(piece)


def _broken(group: _Group, indent: int) -> str:
    inner = indent + STEP
    lines = [group.opening]
    for at, part in enumerate(group.parts):
        more = group.ends or at + 1 < len(group.parts)
        lines += _comment_lines(part.above, inner)
        lines.append(_laid_out((*part.doc, group.separator if more else ""), inner) + _beside(part.beside))
    lines += _comment_lines(group.below, inner)
    return "\n".join([*lines, " " * indent + group.closing])


def block_text(block: TextBlock, indent: int) -> str:
    """A text block, its lines and closing quotes at `indent`: those quotes say which indent the text does not have."""
    pad = " " * indent
    lines = (pad + line if line else "" for line in block.lines)
    return "\n".join([block.opening, *lines, pad + block.closing])


# ── Strings and numbers ──────────────────────────────────────────────────────────────────────────────────────────


def string_piece(token: str) -> str | TextBlock:
    r"""A string with double quotes where that needs no more escapes; over several lines it is a block.

    >>> string_piece("'a'"), string_piece("'\"'"), string_piece("'''one\n   two'''").lines
    ('"a"', '\'"\'', ('one', 'two'))
    """
    prefix = "r" if token.startswith("r") else ""
    bare = token[len(prefix) :]
    if not is_block(token):
        return _first_equal(token, f'{prefix}"{bare[1:-1]}"')
    content = bare[3:-3].rstrip(" \t")
    if "\n" not in token:
        return _first_equal(token, f'{prefix}"{content}"', f'{prefix}"""{content}"""')
    lines = _dedented(token)
    quotes = bare[:3] if '"""' in "\n".join(lines) and bare[0] == "'" else '"""'
    return TextBlock(prefix + quotes, lines) if lines else f'{prefix}""'


def _dedented(token: str) -> tuple[str, ...]:
    """The lines of a block as written: read as a raw string, it keeps its escapes. Idle line joins at the top go."""
    raw = token.startswith("r")
    lines = "".join(c.text for c in characters(token if raw else f"r{token}")).split("\n")
    while not raw and lines[:1] == ["\\"]:
        lines = lines[1:]
    return tuple(lines) if any(lines) else ()


def _first_equal(token: str, *others: str) -> str:
    """The first way to write a string that is one token and means the same."""
    return next((t for t in others if STRING.fullmatch(t) and value_of(t) == value_of(token)), token)


def _number(value: int | float) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    return repr(value)


def _signed(value: int | float) -> str:
    text = _number(value)
    return text if text.startswith("-") else f"+{text}"


# ── Nodes to pieces ──────────────────────────────────────────────────────────────────────────────────────────────


def _homes(statement: _Statement) -> tuple[dict[Span, list[nodes.Comment]], list[nodes.Comment]]:
    """The comments inside a statement: by the innermost bracket around each, and those that stand in none."""
    homes: dict[Span, list[nodes.Comment]] = {}
    strays: list[nodes.Comment] = []
    brackets = list(_brackets(statement.node)) if statement.inside else []
    for comment in statement.inside:
        around = [b for b in brackets if b[0] <= comment.span.start < b[1].end]
        if around:
            homes.setdefault(max(around)[1], []).append(comment)
        else:
            strays.append(comment)
    return homes, strays


def _brackets(node: object) -> Iterator[tuple[int, Span]]:
    """What can be broken below a node: where its bracket may open, and its span."""
    for below in nodes.walk(node):
        match below:
            case nodes.Call():
                yield below.function.span.end, below.span
            case nodes.ListOf() | nodes.ValueScale():
                yield below.span.start, below.span
            case nodes.Internal():
                yield below.name.span.end, Span(below.name.span.end, below.result.span.start)
            case _:
                pass


def _level(expr: nodes.Expr) -> int:
    """How tightly an expression binds, as in the grammar."""
    match expr:
        case nodes.IfElse():
            return 0
        case nodes.Logic():
            return 1 if expr.word == "or" else 2
        case nodes.Not():
            return 3
        case nodes.Comparison():
            return 4
        case nodes.Arithmetic():
            return 5 if expr.rest[0][0] in "+-" else 6
        case nodes.Sign():
            return 7
        case nodes.Call() | nodes.Item() | nodes.Attribute():
            return 8
        case nodes.Name() | nodes.Number() | nodes.Text() | nodes.Truth() | nodes.Nothing() | nodes.ListOf():
            return 9
        case _:
            assert_never(expr)


def _is_literal(expr: nodes.Expr) -> bool:
    if isinstance(expr, nodes.Sign):
        return isinstance(expr.operand, nodes.Number)
    return isinstance(expr, nodes.Number | nodes.Text | nodes.Truth | nodes.Nothing)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes nodes as pieces; `homes` holds the comments of each bracket."""

    homes: Mapping[Span, list[nodes.Comment]]

    def statement(self, node: object) -> Doc:
        """The line of a node: of a block its head only."""
        match node:
            case nodes.FieldDecl():
                return (f"{node.name.id} = ", *self.expr(node.value))
            case nodes.Setting():
                condition = (" when ", *self.expr(node.when)) if node.when else ()
                return (f"{node.key.id} = ", *self.expr(node.value), *condition)
            case nodes.Rubric():
                return ("rubric = ", *self.expr(node.source)) if node.source else ("rubric:",)
            case nodes.Criterion():
                return (*self.criterion_level(node), ": ", string_piece(node.text.token))
            case nodes.Edition():
                return (f"rmg {node.number}",)
            case _:
                return self.declaration(node)

    def declaration(self, node: object) -> Doc:
        match node:
            case nodes.Import():
                return self.import_(node)
            case nodes.Param() | nodes.ModelDecl():
                word = "param" if isinstance(node, nodes.Param) else "model"
                return (f"{word} {node.name.id} = ", *self.expr(node.value))
            case nodes.Fields():
                return ("fields:",)
            case nodes.Grader():
                scale = (" -> ", *self.scale(node.scale)) if node.scale else ()
                return (f"grader {node.name.id}", *scale, *self.body(node.body))
            case nodes.Aggregate():
                return (f"aggregate {node.name.id}", *self.body(node.body))
            case nodes.Pairwise() | nodes.Ranking() | nodes.Refine():
                return (f"{type(node).__name__.lower()} {node.name.id}:",)
            case nodes.Require():
                return ("require ", *self.expr(node.condition))
            case nodes.Validate():
                columns = _joined((self.expr(column) for column in node.columns), ", ")
                return (f"validate {node.name.id} against ", *columns, ":" if node.body else "")
            case nodes.Internal():
                return self.internal(node)
            case _:
                raise AssertionError(f"{type(node).__name__} has no line of its own")

    def import_(self, node: nodes.Import) -> Doc:
        names = (f"{n.name.id} as {n.alias.id}" if n.alias else n.name.id for n in node.names)
        return ("from ", string_piece(node.path.token), f" import {', '.join(names)}")

    def internal(self, node: nodes.Internal) -> Doc:
        spans = [parameter.span for parameter in node.parameters]
        place = Span(node.name.span.end, node.result.span.start)
        group = self.group("(", [self.parameter(p) for p in node.parameters], spans, ")", place, ends=False)
        result = (node.result.id,) if isinstance(node.result, nodes.Name) else self.scale(node.result)
        return (f"internal {node.name.id}", group, " -> ", *result)

    def parameter(self, node: nodes.Parameter) -> Doc:
        default = (" = ", *self.expr(node.default)) if node.default else ()
        return (f"{'*' if node.variadic else ''}{node.name.id}: {node.type.id}", *default)

    def body(self, body: nodes.Expr | nodes.Block) -> Doc:
        return (":",) if isinstance(body, nodes.Block) else (" = ", *self.expr(body))

    def criterion_level(self, node: nodes.Criterion) -> Doc:
        if node.signed and isinstance(node.level, nodes.Number):
            return (_signed(node.level.value),)
        return self.expr(node.level)

    def scale(self, scale: nodes.ScaleNode) -> Doc:
        return (*self.scale_kind(scale.kind), " lower" if scale.lower else "")

    def scale_kind(
        self, kind: nodes.Range | nodes.BoolScale | nodes.PointsScale | nodes.LabelScale | nodes.ValueScale
    ) -> Doc:
        match kind:
            case nodes.Range():
                return (f"{_number(kind.low.value)}..{_number(kind.high.value)}",)
            case nodes.BoolScale():
                return ("bool",)
            case nodes.PointsScale():
                return ("points",)
            case nodes.LabelScale():
                return _joined(((string_piece(label.token),) for label in kind.labels), " | ")
            case nodes.ValueScale():
                pairs: list[Doc] = [(string_piece(t.token), f"={_number(n.value)}") for t, n in kind.pairs]
                spans = [Span(t.span.start, n.span.end) for t, n in kind.pairs]
                return (self.group("(", pairs, spans, ")", kind.span, separator=" |", ends=False),)
            case _:
                assert_never(kind)

    # ── expressions ──

    def expr(self, expr: nodes.Expr, tightness: int = 0) -> Doc:
        """An expression where one that binds at least that tightly may stand; any other one gets brackets."""
        doc = self.bare(expr)
        return doc if _level(expr) >= tightness else ("(", *doc, ")")

    def bare(self, expr: nodes.Expr) -> Doc:
        match expr:
            case nodes.Name():
                return (expr.id,)
            case nodes.Number():
                return (_number(expr.value),)
            case nodes.Text():
                return (string_piece(expr.token),)
            case nodes.Truth():
                return (str(expr.value),)
            case nodes.Nothing():
                return ("None",)
            case nodes.ListOf():
                spans = [item.span for item in expr.items]
                return (self.group("[", [self.expr(item) for item in expr.items], spans, "]", expr.span),)
            case nodes.Call():
                spans = [argument.span for argument in expr.arguments]
                group = self.group("(", [self.argument(a) for a in expr.arguments], spans, ")", expr.span)
                return (*self.expr(expr.function, 8), group)
            case nodes.Attribute() | nodes.Item():
                return self.reached(expr)
            case nodes.Sign() | nodes.Arithmetic() | nodes.Comparison():
                return self.operation(expr)
            case nodes.Logic() | nodes.Not() | nodes.IfElse():
                return self.logic(expr)
            case _:
                assert_never(expr)

    def argument(self, node: nodes.Argument) -> Doc:
        """A weight or a setting is written `a=1`; what is rebound to another part of the spec `a = b`."""
        if node.label is None:
            return self.expr(node.value)
        return (*self.expr(node.label), "=" if _is_literal(node.value) else " = ", *self.expr(node.value))

    def reached(self, node: nodes.Attribute | nodes.Item) -> Doc:
        if isinstance(node, nodes.Item):
            return (*self.expr(node.base, 8), "[", *self.expr(node.index), "]")
        tightness = 10 if isinstance(node.base, nodes.Number) else 8
        return (*self.expr(node.base, tightness), f".{node.key.id}")

    def operation(self, node: nodes.Sign | nodes.Arithmetic | nodes.Comparison) -> Doc:
        if isinstance(node, nodes.Sign):
            return (node.sign, *self.expr(node.operand, 7))
        tightness = _level(node) + 1
        rest = [(f" {operator} ", *self.expr(operand, tightness)) for operator, operand in node.rest]
        return (*self.expr(node.first, tightness), *(piece for doc in rest for piece in doc))

    def logic(self, node: nodes.Logic | nodes.Not | nodes.IfElse) -> Doc:
        match node:
            case nodes.Logic():
                return _joined((self.expr(part, _level(node) + 1) for part in node.parts), f" {node.word} ")
            case nodes.Not():
                return ("not ", *self.expr(node.operand, 3))
            case nodes.IfElse():
                condition = self.expr(node.condition, 1)
                return (*self.expr(node.then, 1), " if ", *condition, " else ", *self.expr(node.otherwise))
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
    ) -> _Group:
        """A bracket with its comments: above the part that follows, beside the one they stand behind, or at its end."""
        above: list[list[nodes.Comment]] = [[] for _ in range(len(docs) + 1)]
        beside: list[list[nodes.Comment]] = [[] for _ in docs]
        starts = [span.start for span in spans]
        for comment in self.homes.get(place, ()):
            last = bisect_right(starts, comment.span.start) - 1
            if last >= 0 and comment.span.start < spans[last].end:
                above[last].append(comment)
            elif last >= 0 and not comment.alone and not beside[last]:
                beside[last].append(comment)
            else:
                above[last + 1].append(comment)
        parts = (_Part(d, tuple(a), tuple(b)) for d, a, b in zip(docs, above, beside, strict=False))
        return _Group(opening, tuple(parts), tuple(above[-1]), closing, separator, ends)


def _joined(docs: Iterable[Doc], separator: str) -> Doc:
    pieces: list[Piece] = []
    for doc in docs:
        pieces += [separator, *doc] if pieces else doc
    return tuple(pieces)
