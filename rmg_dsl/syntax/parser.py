"""Text to tree: a sound text is parsed whole, a broken one line by line.

Line by line, each mistake gives one diagnostic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from lark.exceptions import UnexpectedInput

from rmg_dsl.diagnostics import Diagnostic, Source, Span, diagnose, sort_diagnostics
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.builder import Builder, NestingError, check_depth
from rmg_dsl.syntax.grammar import grammar
from rmg_dsl.syntax.layout import LayoutError
from rmg_dsl.syntax.strings import TRIPLE

_STRING_OR_COMMENT = re.compile(
    rf'{TRIPLE}|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|#[^\n]*', re.S
)

Documented = TypeVar("Documented", bound=nodes.Declaration | nodes.Edition)


@dataclass(frozen=True, slots=True)
class ParseResult:
    """The tree of a text, or the parts that could be read, and the mistakes of the text."""

    module: nodes.Module
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source | str) -> ParseResult:
    """Parse a spec. It never raises: mistakes come back as diagnostics, with what could be read.

    >>> parse("param floor = 3.5").module.declarations[0].name.id
    'floor'
    >>> [d.code for d in parse("grader a -> 1-5 = '{{ q }}'\\nparam b = ").diagnostics]
    ['RMG121', 'RMG101']
    """
    if isinstance(source, str):
        # Offsets in diagnostics count in the normalized text, so normalize first.
        source = Source.of(source)
    # The grammar ignores comments; the formatter and the documentation need them.
    comments = tuple(_comments(source))
    try:
        builder = Builder(source, -1)
        # The line breaks around the text give its first and last line the same layout as the
        # others.
        tree = grammar().parse(f"\n{source.text}\n")
        check_depth(tree, -1)
        declared, mistakes = list(builder.build_all(tree.children)), builder.mistakes
    except (UnexpectedInput, LayoutError, NestingError) as failure:
        # Imported for a broken text only, because most are sound.
        from rmg_dsl.syntax.recovery import recover

        declared, mistakes = recover(source)
        # Each line by itself is sound: then the whole is wrong, as with its nesting.
        if not mistakes:
            mistakes = [_whole_text_diagnostic(source, failure)]
    return ParseResult(_module(source, declared, comments), sort_diagnostics(mistakes))


def _whole_text_diagnostic(source: Source, failure: Exception) -> Diagnostic:
    """The mistake of a text whose lines are sound one by one: its layout, or its nesting."""
    if isinstance(failure, NestingError):
        message, code = "this is nested too deeply to be read", "RMG125"
    elif isinstance(failure, LayoutError):
        message, code = "this line's indentation fits no line above it", "RMG107"
    else:
        message, code = "this cannot be read here", "RMG101"
    at: int = getattr(failure, "offset", None) or getattr(failure, "pos_in_stream", None) or 0
    # The parser reads a line break before the text; the builder has taken it off already.
    if not isinstance(failure, NestingError):
        at -= 1
    at = min(max(0, at), max(0, len(source.text) - 1))
    return diagnose(code, message, source, Span(at, at + 1))


def _module(
    source: Source,
    declared: Iterable[nodes.Declaration | nodes.Edition],
    comments: tuple[nodes.Comment, ...],
) -> nodes.Module:
    docs = _docs_by_line(source, comments)
    documented = [_attach_doc(source, node, docs) for node in declared]
    edition = next((n for n in documented if isinstance(n, nodes.Edition)), None)
    declarations = tuple(n for n in documented if not isinstance(n, nodes.Edition))
    return nodes.Module(source, edition, declarations, comments, edition.doc if edition else "")


def _comments(source: Source) -> Iterable[nodes.Comment]:
    # Strings are matched too, so that a `#` inside of one starts no comment.
    for match in _STRING_OR_COMMENT.finditer(source.text):
        if not match.group().startswith("#"):
            continue
        start, text = match.start(), match.group().rstrip()
        before = source.text[source.line_span(start).start : start]
        yield nodes.Comment(text, not before.strip(), Span(start, start + len(text)))


def _docs_by_line(source: Source, comments: tuple[nodes.Comment, ...]) -> dict[int, str]:
    """The `##` comments by the number of the line right below them."""
    docs: dict[int, str] = {}
    for comment in comments:
        if comment.is_doc and comment.span.start == source.line_span(comment.span.start).start:
            line = source.position(comment.span.start).line
            # Several lines of `##` in a row are one text.
            above = docs.pop(line, "")
            docs[line + 1] = f"{above}\n{comment.text[2:].strip()}".strip("\n")
    return docs


def _attach_doc(source: Source, node: Documented, docs: dict[int, str]) -> Documented:
    doc = docs.get(source.position(node.span.start).line, "")
    return replace(node, doc=doc) if doc else node
