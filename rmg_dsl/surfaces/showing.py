"""Commands that only show something: `rmg plan render explain std ast ir schema`.

Each returns its exit code.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rmg_dsl import api
from rmg_dsl.diagnostics import Source, Span, codes, has_errors
from rmg_dsl.errors import UsageError
from rmg_dsl.ir.columns import OutputColumn
from rmg_dsl.ir.expr import IRNode
from rmg_dsl.ir.types import Type
from rmg_dsl.surfaces.cli_options import options_from_arguments, parse_param_flags
from rmg_dsl.surfaces.terminal import (
    EXIT_CHECK_FAILED,
    EXIT_OK,
    print_diagnostics,
    write_json,
    write_plan,
    write_stdout,
    write_visible,
)
from rmg_dsl.syntax import nodes, parse

if TYPE_CHECKING:
    from rmg_dsl.api.planning import QuestionEntry


def plan(arguments: Namespace) -> int:
    """Show the steps and the number of calls."""
    options = options_from_arguments(arguments)
    write_plan(api.plan_of(Path(arguments.spec), arguments.data, options), as_json=arguments.json)
    return EXIT_OK


def render(arguments: Namespace) -> int:
    """Show the exact messages of one row."""
    questions = api.messages_of(
        Path(arguments.spec),
        arguments.data,
        arguments.row,
        arguments.grader,
        parse_param_flags(arguments.set),
        arguments.allow_files,
    )
    if arguments.json:
        write_json(questions)
        return EXIT_OK
    for question in questions:
        _write_question(question)
    if not questions:
        grader = f"`{arguments.grader}`" if arguments.grader else "this spec"
        write_stdout(f"{grader} asks no model: it is code")
    return EXIT_OK


def _write_question(question: QuestionEntry) -> None:
    write_stdout(f"── {question['grader'] or 'a part of another grader'} ──")
    if question["status"] != "ok":
        write_visible(f"not asked: {question['status']}: {question['message']}\n")
    for message in question["messages"]:
        write_visible(f"[{message['role']}]\n{message['content']}\n")


def explain(arguments: Namespace) -> int:
    """Print the long text of a diagnostic's code."""
    digits = arguments.code.upper().removeprefix("RMG")
    entry = codes().get(f"RMG{digits}")
    if entry is None:
        raise UsageError(f"there is no diagnostic {arguments.code}; codes look like RMG401")
    write_stdout(f"{entry.code} ({entry.severity}): {entry.title}\n\n{entry.text}")
    return EXIT_OK


def schema(arguments: Namespace) -> int:
    """Print a JSON Schema, or the names of all of them."""
    from rmg_dsl.api.schemas import SCHEMAS, json_schema

    if arguments.name is None:
        width = max(map(len, SCHEMAS))
        write_stdout("\n".join(f"{name:<{width}}  {s.title}" for name, s in SCHEMAS.items()))
        return EXIT_OK
    write_stdout(json.dumps(json_schema(arguments.name), indent=2, ensure_ascii=False))
    return EXIT_OK


# ── the standard library ──


def std(arguments: Namespace) -> int:
    """Print the source of the standard library, or of one of its names."""
    from rmg_dsl import std as library

    modules = [library.library(name) for name in library.FILES]
    if arguments.name is None:
        write_stdout("\n\n".join(module.source.text.strip() for module in modules))
        return EXIT_OK
    name = arguments.name.removeprefix("std.")
    for module in modules:
        for declaration in _named_declarations(module):
            if declaration.name.id == name:
                write_stdout(_source_with_doc(module.source.text, declaration))
                return EXIT_OK
    raise UsageError(f"the standard library has no `{name}`; `rmg std` shows all of it")


def _named_declarations(module: nodes.Module) -> Iterator[nodes.GraderDecl | nodes.InternalDecl]:
    for declaration in module.declarations:
        if isinstance(declaration, nodes.GraderDecl | nodes.InternalDecl):
            yield declaration


def _source_with_doc(text: str, declaration: nodes.GraderDecl | nodes.InternalDecl) -> str:
    # The span of a declaration begins after its `##` lines.
    body = text[declaration.span.start : declaration.span.end]
    if not declaration.doc:
        return body
    doc = "".join(f"## {line}".rstrip() + "\n" for line in declaration.doc.split("\n"))
    return doc + body


# ── the tree ──


def ast(arguments: Namespace) -> int:
    """Print the tree of a spec as JSON."""
    source = api.read_source(arguments.spec)
    parsed = parse(source)
    # A broken spec has a tree too: of what could be read.
    write_json(_node_as_json(parsed.module, source))
    if has_errors(parsed.diagnostics):
        print_diagnostics(parsed.diagnostics)
        return EXIT_CHECK_FAILED
    return EXIT_OK


def ir(arguments: Namespace) -> int:
    """Print the checked program of a spec as JSON: what the planner gets from the checker."""
    source = api.read_source(arguments.spec)
    suite = api.load(arguments.spec).checked
    write_json(_node_as_json(suite, source))
    return EXIT_OK


def _node_as_json(node: object, source: Source) -> object:
    if isinstance(node, Span):
        return _span_as_json(node, source)
    if isinstance(node, Source):
        return node.name
    # Its own text is what people read: `a number from 0 to 1`.
    if isinstance(node, Type):
        return str(node)
    if isinstance(node, OutputColumn):
        return node.role
    if isinstance(node, frozenset):
        return sorted(node)
    if isinstance(node, tuple):
        return [_node_as_json(item, source) for item in node]
    is_checked = isinstance(node, IRNode)
    if is_dataclass(node):
        # A part that another file declares has its places there.
        source = getattr(node, "source", source)
        entries: dict[str, object] = {"node": nodes.published_name(node)}
        for entry in fields(node):
            value = getattr(node, entry.name)
            # In the checked program a scale is no tree: it is written as in a spec.
            if entry.name == "scale" and is_checked and value is not None:
                value = str(value)
            entries[entry.name] = _node_as_json(value, source)
        return entries
    return node


def _span_as_json(span: Span, source: Source) -> dict[str, int]:
    start, end = source.position(span.start), source.position(span.end)
    return {
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
    }
