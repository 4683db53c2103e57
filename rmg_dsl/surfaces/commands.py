"""What each word of the `rmg` command does; each returns its exit code."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import rmg_dsl
from rmg_dsl import api
from rmg_dsl import std as library
from rmg_dsl.api.grading import messages_of
from rmg_dsl.api.results import Result
from rmg_dsl.api.suites import read_source
from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, codes, errors_in
from rmg_dsl.diagnostics.render import as_github, as_json, as_sarif
from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces.terminal import put, say, show_diagnostics
from rmg_dsl.syntax import format_source, nodes, parse, reindent
from rmg_dsl.tables import check_writable, write_text

# ── run ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def run(chosen: Namespace) -> int:
    """Grade; write the rows and the summary."""
    for path in chosen.output:
        check_writable(path)
    if chosen.allow_python:
        sys.path.insert(0, os.getcwd())
    options = _options(chosen, concurrency=chosen.concurrency, log=chosen.log, progress=False if chosen.quiet else None)
    if chosen.dry_run:
        return _dry_run(chosen, options)
    job = api.prepare(Path(chosen.spec), chosen.data, options)
    result = api.run_job(job)
    for path in chosen.output:
        result.save(path)
    _show(result, chosen)
    return _exit_code(result)


def _dry_run(chosen: Namespace, options: api.Options) -> int:
    put(str(api.prepare(Path(chosen.spec), chosen.data, options).bill()))
    return 0


def _exit_code(result: Result) -> int:
    if result.interrupted:
        return 130
    if result.stopped or result.every_row_failed:
        return 3
    return 0 if result.holds else 1


def _show(result: Result, chosen: Namespace) -> None:
    if result.stopped:
        say(f"rmg: the run ended early: {result.stopped}")
    elif result.every_row_failed:
        say(f"rmg: no row could be graded: {result.ledger.failures[0]['message']}")
    if chosen.json:
        put(json.dumps(result.as_json(chosen.by), ensure_ascii=False))
    elif not chosen.quiet:
        for name, group in result.groups(chosen.by) if chosen.by else ():
            put(f"{chosen.by} = {name}\n{group}\n")
        put(str(result))
    elif not result.holds:
        say("\n".join(str(verdict) for verdict in result.gates if not verdict.holds))


def _options(chosen: Namespace, **more: Any) -> api.Options:
    return api.Options(
        model=_models(chosen.model),
        params=_params(chosen.set),
        limit=chosen.limit,
        sample=chosen.sample,
        seed=chosen.seed,
        only=tuple(name for names in chosen.only for name in names.split(",")),
        prefix=chosen.prefix,
        allow_python=tuple(chosen.allow_python),
        **more,
    )


def _models(given: Sequence[str]) -> str | dict[str, str] | None:
    """`--model PROVIDER/NAME` replaces the default; `--model NAME=PROVIDER/NAME` a declared one."""
    named: dict[str, str] = {}
    default: str | None = None
    for text in given:
        name, equals, model = text.partition("=")
        if equals and "/" not in name:
            named[name] = model
        elif default is not None:
            raise UsageError("`--model` is given twice without a name: write `--model NAME=PROVIDER/NAME`")
        else:
            default = text
    if named and default is not None:
        return {**named, "": default}
    return named or default


def _params(given: Sequence[str]) -> dict[str, float | int | bool | str]:
    found: dict[str, float | int | bool | str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"`--set {text}`: write `--set PARAM=VALUE`")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> float | int | bool | str:
    """A number, True or False as in a spec; all else is a text."""
    if text in ("True", "true", "False", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("\"'") if text[:1] in "\"'" and text[:1] == text[-1:] else text


# ── check, fmt ───────────────────────────────────────────────────────────────────────────────────────────────────


def check(chosen: Namespace) -> int:
    """Every mistake of every spec, in one run."""
    found: list[Diagnostic] = []
    for path in chosen.specs:
        if chosen.fix:
            _fix(path, chosen.data)
        found += api.check(Path(path), chosen.data)
    _report(found, chosen.format)
    return 1 if any(d.severity != "note" for d in found) else 0


def _report(found: Sequence[Diagnostic], form: str) -> None:
    match form:
        case "json":
            put(json.dumps(as_json(found), ensure_ascii=False))
        case "sarif":
            put(json.dumps(as_sarif(found, rmg_dsl.__version__), ensure_ascii=False))
        case "github":
            put(as_github(found)) if found else None
        case _:
            show_diagnostics(found, sys.stdout)


def _fix(path: str, data: str | None) -> None:
    """Apply the fixes that leave no choice; those of one round can open the way for more."""
    for _ in range(10):
        source = read_source(path)
        fixes = [fix for d in api.check(Path(path), data) if d.source.name == source.name for fix in _sure(d)]
        text = _applied(source, fixes)
        if text == source.text:
            return
        write_text(path, text)


def _sure(diagnostic: Diagnostic) -> tuple[Fix, ...]:
    """A diagnostic's fixes, unless they are alternatives for one place."""
    spans = [fix.span for fix in diagnostic.fixes]
    return diagnostic.fixes if len(set(spans)) == len(spans) else ()


def _applied(source: Source, fixes: Iterable[Fix]) -> str:
    text, before = source.text, len(source.text) + 1
    for fix in sorted(set(fixes), key=lambda f: f.span, reverse=True):
        if fix.span.end <= before:
            text = text[: fix.span.start] + fix.text + text[fix.span.end :]
            before = fix.span.start
    return text


def fmt(chosen: Namespace) -> int:
    """The one layout, written back; `--check` only tells."""
    return max(_format(path, chosen) for path in chosen.files)


def _format(path: str, chosen: Namespace) -> int:
    source = Source.of(sys.stdin.read(), "<stdin>") if path == "-" else read_source(path)
    text = reindent(source.text) if chosen.reindent else source.text
    parsed = parse(Source(source.name, text))
    if errors_in(parsed.diagnostics):
        show_diagnostics(parsed.diagnostics)
        return 1
    formatted = format_source(parsed)
    same = formatted == _written(path, source)
    if chosen.check:
        if not same:
            say(f"{path} would change")
        return int(not same)
    if path == "-":
        put(formatted) if formatted else None
    elif not same:
        write_text(path, formatted)
    return 0


def _written(path: str, source: Source) -> str:
    """The text as it is on disk, line ends and all: a file with CRLF is not in the one layout."""
    return source.text if path == "-" else Path(path).read_bytes().decode("utf-8")


# ── plan, render ─────────────────────────────────────────────────────────────────────────────────────────────────


def plan(chosen: Namespace) -> int:
    """The steps, and the calls they cost."""
    from rmg_dsl.api.grading import plan as make

    options = _options(chosen)
    found = make(Path(chosen.spec), chosen.data, **{f.name: getattr(options, f.name) for f in fields(options)})
    put(json.dumps(found.as_json(), ensure_ascii=False) if chosen.json else str(found))
    return 0


def render(chosen: Namespace) -> int:
    """The exact messages of one row."""
    found = messages_of(Path(chosen.spec), chosen.data, chosen.row, chosen.grader, _params(chosen.set))
    if chosen.json:
        put(json.dumps(found, ensure_ascii=False))
        return 0
    for asked in found:
        put(f"── {asked['grader']} ──")
        if asked["status"] != "ok":
            put(f"not asked: {asked['status']}: {asked['message']}\n")
        for message in asked["messages"]:
            put(f"[{message['role']}]\n{message['content']}\n")
    if not found:
        put("this spec asks no model: it is all code")
    return 0


# ── explain, std, ast, demo ──────────────────────────────────────────────────────────────────────────────────────


def explain(chosen: Namespace) -> int:
    """The long text of a code."""
    digits = chosen.code.upper().removeprefix("RMG")
    row = codes().get(f"RMG{digits}")
    if row is None:
        raise UsageError(f"there is no diagnostic {chosen.code}; codes look like RMG401")
    put(f"{row.code} ({row.severity}): {row.title}\n\n{row.text}")
    return 0


def std(chosen: Namespace) -> int:
    """The standard library, or one name of it, as its source."""
    if chosen.name is None:
        put("\n\n".join(_source_of(name).strip() for name in library.FILES))
        return 0
    wanted = chosen.name.removeprefix("std.")
    for name in library.FILES:
        module = library.library(name)
        for declared in module.declarations:
            if isinstance(declared, nodes.Grader | nodes.Internal) and declared.name.id == wanted:
                put(_with_doc(module.source.text, declared.span, declared.doc))
                return 0
    raise UsageError(f"the standard library has no `{wanted}`; `rmg std` shows all of it")


def _source_of(name: str) -> str:
    return library.library(name).source.text


def _with_doc(text: str, span: Span, doc: str) -> str:
    above = "".join(f"## {line}".rstrip() + "\n" for line in doc.split("\n")) if doc else ""
    return above + text[span.start : span.end]


def ast(chosen: Namespace) -> int:
    """The tree as JSON."""
    source = read_source(chosen.spec)
    parsed = parse(source)
    put(json.dumps(_tree(parsed.module, source), ensure_ascii=False))
    if errors_in(parsed.diagnostics):
        show_diagnostics(parsed.diagnostics)
        return 1
    return 0


def _tree(node: object, source: Source) -> Any:
    if isinstance(node, Span):
        start, end = source.position(node.start), source.position(node.end)
        return {"line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column}
    if isinstance(node, Source):
        return node.name
    if isinstance(node, tuple):
        return [_tree(item, source) for item in node]
    if is_dataclass(node):
        kind = {"node": type(node).__name__}
        return kind | {f.name: _tree(getattr(node, f.name), source) for f in fields(node)}
    return node


def demo(chosen: Namespace) -> int:
    """The shipped example, from inside the package."""
    folder = files("rmg_dsl") / "examples"
    with as_file(folder / "support.rmg") as spec, as_file(folder / "support.csv") as data:
        put(spec.read_text("utf-8"))
        result = api.run_job(api.prepare(spec, str(data), api.Options(model=chosen.model)))
    put(result.glance())
    put(str(result))
    if result.usage.calls == 0:
        put("\nThis was the embedded word-overlap baseline. A real judge: rmg demo --model openai/gpt-6-luna")
    return _exit_code(result)
