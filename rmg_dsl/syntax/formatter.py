"""The formatter: print the tree anew, and put the comments back.

There are no options.

    Module ── _Statement (a line, its comments) ── Doc (pieces that may be broken over lines) ──
    text

Nothing but the tree, the comments and their order decides, so texts that differ in layout only come
out alike.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rmg_dsl.diagnostics import Source, Span, has_errors
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.doc import INDENT_WIDTH, comment_lines, render_doc, trailing_comments
from rmg_dsl.syntax.parser import ParseResult, parse
from rmg_dsl.syntax.printer import NodePrinter
from rmg_dsl.syntax.strings import SINGLE, TRIPLE

_LEXEME = re.compile(
    rf"(?P<string>{TRIPLE}|{SINGLE})|(?P<skip>#[^\n]*|[ \t]+)|(?P<open>[(\[])"
    r"|(?P<close>[)\]])|(?P<end>\n)|\w+|.",
    re.S,
)


def format_text(text: str) -> str:
    r"""A spec in its one layout: same meaning, same comments, and formatting it again changes
    nothing.

    >>> spec = "grader  brief=( words(response)<=120 ) #short\naggregate r=weighted(a = .6,b=.4)"
    >>> print(format_text(spec), end="")
    grader brief = words(response) <= 120  # short
    <BLANKLINE>
    aggregate r = weighted(a=0.6, b=0.4)

    Raises `ValueError` for a text with mistakes.
    """
    parsed = parse(text)
    if has_errors(parsed.diagnostics):
        raise ValueError("a text with mistakes has no layout")
    return format_source(parsed)


def format_source(parsed: ParseResult) -> str:
    r"""The text of a spec that was read without errors, in its one layout; whether there were any,
    the caller checks.

    >>> format_source(parse("param a=1\n\n\n\nparam b   = 1_000"))
    'param a = 1\nparam b = 1000\n'
    """
    assert not has_errors(parsed.diagnostics), "a text with mistakes has no layout"
    statements, last_words = _statements(parsed.module)
    chunks = [
        _format_declaration(parsed.module.source, group)
        for group in _group_by_declaration(statements)
    ]
    text = "".join(
        _gap_between(above, below) + below.text
        for above, below in pairwise([None, *chunks])
        if below
    )
    ending = "".join(f"{line}\n" for line in comment_lines(last_words, 0))
    return text + ("\n" if text and ending else "") + ending


@dataclass(slots=True)
class _Statement:
    """A logical line: its node, how deep it stands, where it was, and the comments around and
    inside it.
    """

    node: object
    level: int
    span: Span
    above: list[nodes.Comment] = field(default_factory=list)
    inside_brackets: list[nodes.Comment] = field(default_factory=list)
    beside: list[nodes.Comment] = field(default_factory=list)
    below: list[tuple[int, nodes.Comment]] = field(default_factory=list)


def logical_lines(text: str) -> Iterator[Span]:
    """The places of the statements: without indent and trailing comment; brackets and strings may
    go over lines.
    """
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


def _nodes_with_lines(module: nodes.Module) -> Iterator[tuple[object, int]]:
    """The nodes that stand on a line of their own, and their levels."""
    for declaration in (*([module.edition] if module.edition else []), *module.declarations):
        yield declaration, 0
        if isinstance(declaration, nodes.FieldsDecl):
            yield from ((line, 1) for line in declaration.fields)
        body = getattr(declaration, "body", None)
        for line in body.lines if isinstance(body, nodes.Block) else ():
            yield line, 1
            yield from ((criterion, 2) for criterion in getattr(line, "criteria", ()))


def _statements(module: nodes.Module) -> tuple[list[_Statement], list[nodes.Comment]]:
    """The lines of a module with the comments of each, and the comments below the last one."""
    places = logical_lines(module.source.text)
    statements = [
        _Statement(node, level, span)
        for (node, level), span in zip(_nodes_with_lines(module), places, strict=True)
    ]
    starts = [statement.span.start for statement in statements]
    gaps: list[list[nodes.Comment]] = [[] for _ in range(len(statements) + 1)]
    for comment in module.comments:
        before = bisect_right(starts, comment.span.start)
        statement = statements[before - 1] if before else None
        if statement and comment.span.start < statement.span.end:
            statement.inside_brackets.append(comment)
        elif statement and not comment.alone:
            statement.beside.append(comment)
        else:
            gaps[before].append(comment)
    for at in range(len(statements)):
        _assign_gap_comments(gaps[at], statements, at, module.source)
    return statements, _assign_gap_comments(gaps[-1], statements, len(statements), module.source)


def _assign_gap_comments(
    gap: Sequence[nodes.Comment], statements: Sequence[_Statement], at: int, source: Source
) -> list[nodes.Comment]:
    """Give the comments between two lines to the next one, but those that end a block to the line
    before.
    """
    level = statements[at - 1].level if at else 0
    floor = statements[at].level if at < len(statements) else 0
    above = statements[at].above if at < len(statements) else []
    outer = (
        next((s.span.start for s in reversed(statements[:at]) if s.level == 1), 0)
        if level == 2
        else 0
    )
    for comment in gap:
        column = source.position(comment.span.start).column
        deep = 0 if column == 1 else 2 if column > source.position(outer).column else 1
        level = min(level, max(floor, deep))
        if level > floor:
            statements[at - 1].below.append((level, comment))
        else:
            above.append(comment)
    return above


@dataclass(frozen=True, slots=True)
class _FormattedDeclaration:
    """A printed declaration; those of one `family` that take `alone` one line stand together."""

    text: str
    keyword: str
    is_one_line: bool
    has_comments: bool


def _group_by_declaration(statements: Iterable[_Statement]) -> list[list[_Statement]]:
    groups: list[list[_Statement]] = []
    for statement in statements:
        if statement.level == 0:
            groups.append([])
        groups[-1].append(statement)
    return groups


def _gap_between(above: _FormattedDeclaration | None, below: _FormattedDeclaration) -> str:
    if above is None:
        return ""
    together = (
        above.is_one_line
        and below.is_one_line
        and above.keyword == below.keyword
        and not below.has_comments
    )
    return "" if together else "\n"


def _format_declaration(source: Source, statements: Sequence[_Statement]) -> _FormattedDeclaration:
    printed = [_format_statement(statement) for statement in statements]
    lines = [line for _, own in printed for line in own]
    comments = _header_lines(source, statements[0], printed[0][0])
    text = "".join(f"{line}\n" for line in [*comments, *lines])
    family = lines[0].partition(" ")[0]
    return _FormattedDeclaration(
        text, family, len(lines) == 1 and "\n" not in lines[0], bool(comments)
    )


def _format_statement(statement: _Statement) -> tuple[list[nodes.Comment], list[str]]:
    """The comments that found no bracket to stand in, and the lines of a statement with the
    comments below it.
    """
    homes, strays = _comments_by_bracket(statement)
    indent = INDENT_WIDTH * statement.level
    text = render_doc(NodePrinter(homes).statement(statement.node), indent) + trailing_comments(
        statement.beside
    )
    above = comment_lines([*statement.above, *strays], indent) if statement.level else []
    below = [
        line
        for level in (2, 1)
        for line in comment_lines(
            [c for at, c in statement.below if at == level], INDENT_WIDTH * level
        )
    ]
    return strays, [*above, text, *below]


def _header_lines(source: Source, head: _Statement, strays: Sequence[nodes.Comment]) -> list[str]:
    """The comments above a declaration: its documentation stays right above it, and nothing else
    becomes part of it.
    """
    count = _count_doc_comments(source, head)
    docs = comment_lines(head.above[len(head.above) - count :], 0)
    plain = comment_lines([*head.above[: len(head.above) - count], *strays], 0)
    apart = plain and (docs or plain[-1].startswith("##") or isinstance(head.node, nodes.Edition))
    return [*plain, *([""] if apart else []), *docs]


def _count_doc_comments(source: Source, head: _Statement) -> int:
    """How many of the comments above a declaration document it:
    `##` in column 1, line by line right above.
    """
    line = source.position(head.span.start).line
    for count, comment in enumerate(reversed(head.above)):
        place = source.position(comment.span.start)
        if not comment.is_doc or place.column > 1 or place.line != line - count - 1:
            return count
    return len(head.above)


def _comments_by_bracket(
    statement: _Statement,
) -> tuple[dict[Span, list[nodes.Comment]], list[nodes.Comment]]:
    """The comments inside a statement: by the innermost bracket around each, and those that stand
    in none.
    """
    homes: dict[Span, list[nodes.Comment]] = {}
    strays: list[nodes.Comment] = []
    brackets = list(_bracket_spans(statement.node)) if statement.inside_brackets else []
    for comment in statement.inside_brackets:
        around = [b for b in brackets if b[0] <= comment.span.start < b[1].end]
        if around:
            homes.setdefault(max(around)[1], []).append(comment)
        else:
            strays.append(comment)
    return homes, strays


def _bracket_spans(node: object) -> Iterator[tuple[int, Span]]:
    """What can be broken below a node: where its bracket may open, and its span."""
    for below in nodes.walk_nodes(node):
        match below:
            case nodes.CallNode():
                yield below.function.span.end, below.span
            case nodes.ListNode() | nodes.ValueScale():
                yield below.span.start, below.span
            case nodes.InternalDecl():
                yield below.name.span.end, Span(below.name.span.end, below.result.span.start)
            case _:
                pass
