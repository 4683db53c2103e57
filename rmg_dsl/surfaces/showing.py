"""`rmg plan`, `render`, `explain`, `std`, `ast`: what only shows. Each returns its exit code."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from rmg_dsl import api
from rmg_dsl.diagnostics import Source, Span, codes, has_errors
from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces.cli_options import options_from_arguments, parse_param_flags
from rmg_dsl.surfaces.terminal import (
    EXIT_CHECK_FAILED,
    EXIT_OK,
    print_diagnostics,
    write_stdout,
    write_visible,
)
from rmg_dsl.syntax import nodes, parse


def plan(chosen: Namespace) -> int:
    """The steps, and the calls they cost."""
    found = api.plan_of(Path(chosen.spec), chosen.data, options_from_arguments(chosen))
    write_stdout(json.dumps(found.as_json(), ensure_ascii=False) if chosen.json else str(found))
    return EXIT_OK


def render(chosen: Namespace) -> int:
    """The exact messages of one row."""
    found = api.messages_of(
        Path(chosen.spec), chosen.data, chosen.row, chosen.grader, parse_param_flags(chosen.set)
    )
    if chosen.json:
        write_stdout(json.dumps(found, ensure_ascii=False))
        return EXIT_OK
    for asked in found:
        write_stdout(f"── {asked['grader'] or 'a part of another grader'} ──")
        if asked["status"] != "ok":
            write_visible(f"not asked: {asked['status']}: {asked['message']}\n")
        for message in asked["messages"]:
            write_visible(f"[{message['role']}]\n{message['content']}\n")
    if not found:
        write_stdout(
            f"`{chosen.grader}` asks no model: it is code"
            if chosen.grader
            else "this spec asks no model: it is code"
        )
    return EXIT_OK


def explain(chosen: Namespace) -> int:
    """The long text of a code."""
    digits = chosen.code.upper().removeprefix("RMG")
    row = codes().get(f"RMG{digits}")
    if row is None:
        raise UsageError(f"there is no diagnostic {chosen.code}; codes look like RMG401")
    write_stdout(f"{row.code} ({row.severity}): {row.title}\n\n{row.text}")
    return EXIT_OK


# ── the standard library ──


def std(chosen: Namespace) -> int:
    """The standard library, or one name of it, as its source."""
    from rmg_dsl import std as library

    modules = [library.library(name) for name in library.FILES]
    if chosen.name is None:
        write_stdout("\n\n".join(module.source.text.strip() for module in modules))
        return EXIT_OK
    wanted = chosen.name.removeprefix("std.")
    for module in modules:
        for declared in module.declarations:
            if (
                isinstance(declared, nodes.GraderDecl | nodes.InternalDecl)
                and declared.name.id == wanted
            ):
                write_stdout(_source_with_doc(module.source.text, declared.span, declared.doc))
                return EXIT_OK
    raise UsageError(f"the standard library has no `{wanted}`; `rmg std` shows all of it")


def _source_with_doc(text: str, span: Span, doc: str) -> str:
    above = "".join(f"## {line}".rstrip() + "\n" for line in doc.split("\n")) if doc else ""
    return above + text[span.start : span.end]


# ── the tree ──


def ast(chosen: Namespace) -> int:
    """The tree as JSON."""
    source = api.read_source(chosen.spec)
    parsed = parse(source)
    write_stdout(json.dumps(_node_as_json(parsed.module, source), ensure_ascii=False))
    if has_errors(parsed.diagnostics):
        print_diagnostics(parsed.diagnostics)
        return EXIT_CHECK_FAILED
    return EXIT_OK


def _node_as_json(node: object, source: Source) -> Any:
    if isinstance(node, Span):
        start, end = source.position(node.start), source.position(node.end)
        return {
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
        }
    if isinstance(node, Source):
        return node.name
    if isinstance(node, tuple):
        return [_node_as_json(item, source) for item in node]
    if is_dataclass(node):
        kind = {"node": nodes.published_name(node)}
        return kind | {f.name: _node_as_json(getattr(node, f.name), source) for f in fields(node)}
    return node
