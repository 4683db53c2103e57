"""Text to tree. A sound text is parsed whole; a broken one line by line, so that each mistake is told once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

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
    """A tree, whole or in part, and what is wrong with the text it came from."""

    module: nodes.Module
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source | str) -> ParseResult:
    """Parse a spec; never raises. Mistakes come back as diagnostics beside the part of the tree that could be read.

    >>> parse("param floor = 3.5").module.declarations[0].name.id
    'floor'
    >>> [d.code for d in parse("grader a -> 1-5 = '{{ q }}'\\nparam b = ").diagnostics]
    ['RMG121', 'RMG101']
    """
    if isinstance(source, str):
        source = Source.of(source)
    comments = tuple(_comments(source))
    try:
        builder = Builder(source, -1)
        tree = grammar().parse(f"\n{source.text}\n")
        check_depth(tree, -1)
        found, mistakes = list(builder.build_all(tree.children)), builder.mistakes
    except (UnexpectedInput, LayoutError, NestingError) as failure:
        # Loaded for a broken text only: most are sound.
        from rmg_dsl.syntax.recovery import recover

        found, mistakes = recover(source)
        if not mistakes:
            mistakes = [_whole_text_diagnostic(source, failure)]
    return ParseResult(_module(source, found, comments), sort_diagnostics(mistakes))


def _whole_text_diagnostic(source: Source, failure: Exception) -> Diagnostic:
    """Line by line nothing is wrong: then it is the layout, or the nesting, at the place where the parser stopped."""
    if isinstance(failure, NestingError):
        message, code = "this is nested too deeply to be read", "RMG125"
    elif isinstance(failure, LayoutError):
        message, code = "this line's indentation fits no line above it", "RMG107"
    else:
        message, code = "this cannot be read here", "RMG101"
    at: int = getattr(failure, "offset", None) or getattr(failure, "pos_in_stream", None) or 0
    at = min(max(0, at - (not isinstance(failure, NestingError))), max(0, len(source.text) - 1))
    return diagnose(code, message, source, Span(at, at + 1))


def _module(
    source: Source, found: Iterable[Any], comments: tuple[nodes.Comment, ...]
) -> nodes.Module:
    docs = _docs_by_line(source, comments)
    documented = [_attach_doc(source, node, docs) for node in found]
    edition = next((n for n in documented if isinstance(n, nodes.Edition)), None)
    declarations = tuple(n for n in documented if not isinstance(n, nodes.Edition))
    return nodes.Module(source, edition, declarations, comments, edition.doc if edition else "")


def _comments(source: Source) -> Iterable[nodes.Comment]:
    for found in _STRING_OR_COMMENT.finditer(source.text):
        if found.group().startswith("#"):
            line = source.line_span(found.start())
            alone = not source.text[line.start : found.start()].strip()
            yield nodes.Comment(
                found.group().rstrip(),
                alone,
                Span(found.start(), found.start() + len(found.group().rstrip())),
            )


def _docs_by_line(source: Source, comments: tuple[nodes.Comment, ...]) -> dict[int, str]:
    """Documentation by the line below it: the `##` lines that stand right above."""
    docs: dict[int, str] = {}
    for comment in comments:
        if comment.is_doc and comment.span.start == source.line_span(comment.span.start).start:
            line = source.position(comment.span.start).line
            above = docs.pop(line, "")
            docs[line + 1] = f"{above}\n{comment.text[2:].strip()}".strip("\n")
    return docs


def _attach_doc(source: Source, node: Documented, docs: dict[int, str]) -> Documented:
    doc = docs.get(source.position(node.span.start).line, "")
    return replace(node, doc=doc) if doc else node
