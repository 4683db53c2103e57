"""A broken spec, read line by line: every line that is sound gives its node, every other one its own diagnostic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from lark.exceptions import UnexpectedInput

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.builder import Builder, TooDeep, check_depth
from rmg_dsl.syntax.grammar import grammar
from rmg_dsl.syntax.layout import LayoutError
from rmg_dsl.syntax.lines import BLOCK_KEYS, KEYWORDS, LogicalLine, split_lines
from rmg_dsl.syntax.mistakes import Kind, Misread, explain, too_deep

_WORD = re.compile(r"[^\W\d]\w*")
_SETTING = re.compile(r"([^\W\d]\w*)[ \t]*=(?!=)")
_CRITERION = re.compile(r"(?:[+-]?\d[\w.]*|\"[^\"\n]*\"|'[^'\n]*'|True|False|veto)[ \t]*:")
_RUBRIC = re.compile(r"rubric[ \t]*:?$")
_BEFORE: dict[Kind, str] = {
    "head": "",
    "setting": "grader x:\n    ",
    "field": "fields:\n    ",
    "criterion": "grader x:\n    rubric:\n        ",
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A line in column 0 and the indented lines below it."""

    head: LogicalLine
    body: tuple[LogicalLine, ...]


def recover(source: Source) -> tuple[list[Any], list[Diagnostic]]:
    """What can be read of a text that the parser refuses, and every mistake in it."""
    lines, mistakes = split_lines(source)
    reader = _Reader(source, mistakes)
    found = [node for chunk in _chunks(source, lines) for node in reader.read(chunk)]
    return found, mistakes


def _chunks(source: Source, lines: list[LogicalLine]) -> Iterator[Chunk]:
    """Cut at the lines in column 0, except those that only lost their indentation."""
    head: LogicalLine | None = None
    body: list[LogicalLine] = []
    for line in lines:
        if head is not None and (line.indent or _lost_its_indent(source, head, line)):
            body.append(line)
            continue
        if head is not None:
            yield Chunk(head, tuple(body))
        head, body = line, []
    if head is not None:
        yield Chunk(head, tuple(body))


def _lost_its_indent(source: Source, head: LogicalLine, line: LogicalLine) -> bool:
    opening = source.text[head.start : head.end]
    text = source.text[line.start : line.end]
    if not opening.endswith(":"):
        return False
    setting = _SETTING.match(text)
    known = bool(setting and (setting.group(1) in BLOCK_KEYS or opening.startswith("fields")))
    return known or bool(_CRITERION.match(text)) or bool(_RUBRIC.match(text))


class _Reader:
    """Reads chunks of one source; adds to `mistakes` what it cannot read."""

    def __init__(self, source: Source, mistakes: list[Diagnostic]) -> None:
        self.source = source
        self.mistakes = mistakes

    def text(self, line: LogicalLine) -> str:
        return self.source.text[line.start : line.end]

    def report(self, code: str, message: str, span: Span, help: str = "", fix: Fix | None = None) -> None:
        self.mistakes.append(diagnose(code, message, self.source, span, help=help, fixes=[fix] if fix else []))

    def read(self, chunk: Chunk) -> Iterator[Any]:
        head = chunk.head
        if head.indent:
            self.report("RMG107", "a declaration starts in column 1", self._at(head), "remove the blanks before it")
        text = self._with_known_keyword(head)
        if text is None or not head.readable:
            yield self._broken(chunk)
            return
        if text.endswith(":") and _is_block_head(text):
            yield self._block(chunk, text)
        elif chunk.body:
            yield self._headless(chunk, text)
        else:
            yield self._one_line(chunk, text)

    def _at(self, line: LogicalLine) -> Span:
        word = _WORD.match(self.source.text, line.start)
        return Span(line.start, word.end() if word else line.start + 1)

    # ── heads ──

    def _with_known_keyword(self, head: LogicalLine) -> str | None:
        """The head's text, its keyword mended where it is misspelt; none where no declaration can be meant."""
        text = self.text(head)
        word = _WORD.match(text)
        if word and word.group() in KEYWORDS:
            return text
        span = self._at(head)
        close = get_close_matches(word.group().lower(), KEYWORDS, 1, 0.7) if word else []
        if close and word and not re.match(r"\s*=", text[word.end() :]):
            fix = Fix(span, close[0], f"write `{close[0]}`")
            self.report("RMG110", f"`{word.group()}` is no declaration", span, f"did you mean `{close[0]}`?", fix)
            return close[0] + " " * (len(word.group()) - len(close[0])) + text[word.end() :] if head.readable else None
        self._not_a_declaration(head, text, span)
        return None

    def _not_a_declaration(self, head: LogicalLine, text: str, span: Span) -> None:
        if text.startswith(("%", "!")):
            help = "magics belong into notebooks, above the spec"
        elif setting := _SETTING.match(text):
            name = setting.group(1)
            help = f"`grader {name} = …`, `aggregate {name} = …` or `param {name} = …`? a line of a block is indented"
        else:
            help = "a line in column 1 starts with one of: " + ", ".join(k for k in KEYWORDS if k != "internal")
        self.report(
            "RMG110", "this starts no declaration", span if head.readable else Span(head.start, head.start + 1), help
        )

    def _one_line(self, chunk: Chunk, text: str) -> Any:
        node = self._parse("head", text, chunk.head.start)
        return node if node is not None else self._broken(chunk)

    def _headless(self, chunk: Chunk, text: str) -> Any:
        """Indented lines below a line that opens no block: the colon is missing, or it is one line too much."""
        end = chunk.head.start + len(text)
        if self._reads("head", f"{text}:\n    x = 1"):
            fix = Fix(Span(end, end), ":", "add the colon")
            self.report(
                "RMG102",
                "a colon is missing at the end of this line",
                Span(end - 1, end),
                "write `:` before the indented lines",
                fix,
            )
            return self._block(chunk, text + ":")
        node = self._one_line(chunk, text)
        if not isinstance(node, nodes.Broken):
            first = chunk.body[0]
            message = "a declaration is one line or a block, never both"
            self.report(
                "RMG115",
                message,
                self._at(first),
                "in a block the value stands on a line of its own: `score = …` or `prompt = …`",
            )
            return node
        self._read_body(chunk, "fields" if text.startswith("fields") else "")
        return node

    def _block(self, chunk: Chunk, text: str) -> Any:
        keyword = text.split()[0].rstrip(":")
        node = self._parse("head", f"{text}\n    x = 1", chunk.head.start, mistakes_until=len(text))
        lines, damaged = self._read_body(chunk, keyword)
        if node is None:
            return self._broken(chunk)
        if not chunk.body:
            self.report(
                "RMG108",
                "an indented block is missing below this line",
                self._at(chunk.head),
                "indent its lines by four blanks",
            )
        span = Span(node.span.start, lines[-1].span.end if lines else chunk.head.end)
        damaged = damaged or not lines
        if isinstance(node, nodes.Fields):
            return replace(node, fields=tuple(lines), span=span, damaged=damaged)
        return replace(node, body=nodes.Block(tuple(lines), span, damaged), span=span)

    def _broken(self, chunk: Chunk) -> nodes.Broken:
        text = self.text(chunk.head)
        keyword, *words = _WORD.findall(text.split("->")[0].split("=")[0].split("#")[0]) or [""]
        names = words[:1]
        if keyword == "from":
            names = _WORD.findall(text.partition("import")[2])
        end = chunk.body[-1].end if chunk.body else chunk.head.end
        return nodes.Broken(tuple(names), Span(chunk.head.start, end))

    # ── bodies ──

    def _read_body(self, chunk: Chunk, keyword: str) -> tuple[list[Any], bool]:
        if keyword == "fields":
            found = [self._line("field", line) for line in chunk.body]
            self._check_indents(chunk.body)
            return [n for n in found if n is not None], None in found
        return self._settings(chunk.body)

    def _settings(self, body: tuple[LogicalLine, ...]) -> tuple[list[Any], bool]:
        lines: list[Any] = []
        damaged = False
        settings: list[LogicalLine] = []
        at = 0
        while at < len(body):
            line = body[at]
            settings.append(line)
            at += 1
            if line.readable and _RUBRIC.match(self.text(line)):
                count = self._count_criteria(line, body[at:])
                rubric = self._rubric(line, body[at : at + count])
                at += count
                lines.append(rubric)
                damaged = damaged or len(rubric.criteria) < count or not count
                continue
            node = self._line("setting", line)
            damaged = damaged or node is None
            lines += [node] if node is not None else []
        self._check_indents(tuple(settings))
        return lines, damaged

    def _count_criteria(self, rubric: LogicalLine, below: tuple[LogicalLine, ...]) -> int:
        for count, line in enumerate(below):
            if line.indent <= rubric.indent and not _CRITERION.match(self.text(line)):
                return count
        return len(below)

    def _rubric(self, line: LogicalLine, body: tuple[LogicalLine, ...]) -> nodes.Rubric:
        if not self.text(line).endswith(":"):
            span = Span(line.end - 1, line.end)
            self.report(
                "RMG102",
                "a colon is missing after `rubric`",
                span,
                "write `rubric:`",
                Fix(Span(line.end, line.end), ":", "add the colon"),
            )
        if not body:
            self.report(
                "RMG108",
                "the lines of the rubric are missing",
                self._at(line),
                'below it stand lines such as `5: "…"`, indented once more',
            )
        shallow = next((b for b in body if b.indent <= line.indent), None)
        if shallow:
            self.report(
                "RMG107",
                "a line of the rubric is indented deeper than `rubric:`",
                self._at(shallow),
                "indent it by four more blanks",
            )
        else:
            self._check_indents(body)
        criteria = [self._line("criterion", b) for b in body]
        end = body[-1].end if body else line.end
        return nodes.Rubric(tuple(c for c in criteria if c is not None), None, Span(line.start, end))

    def _check_indents(self, lines: tuple[LogicalLine, ...]) -> None:
        """Lines of one block stand in one column; the first that does not is told."""
        if any(m.code == "RMG105" for m in self.mistakes):
            return
        odd = next((line for line in lines if line.indent != lines[0].indent or not line.indent), None)
        if odd is not None:
            help = (
                f"indent it by {lines[0].indent or 4} blanks like the line above it"
                if odd is not lines[0]
                else "indent it by four blanks"
            )
            self.report("RMG107", "this line's indentation fits no line above it", self._at(odd), help)

    def _line(self, kind: Kind, line: LogicalLine) -> Any:
        return self._parse(kind, self.text(line), line.start) if line.readable else None

    # ── one line through the real parser ──

    def _parse(self, kind: Kind, text: str, start: int, mistakes_until: int | None = None) -> Any:
        before = _BEFORE[kind]
        shift = start - len(before) - 1
        try:
            return self._build(kind, f"\n{before}{text}\n", shift)
        except UnexpectedInput as failure:
            written = text if mistakes_until is None else text[:mistakes_until]
            misread = Misread(
                self.source, kind, start, written, failure.pos_in_stream - len(before) - 1, failure
            )
            self.mistakes.append(explain(misread))
        except LayoutError:
            self.report("RMG107", "this line's indentation fits no line above it", Span(start, start + 1))
        except TooDeep as failure:
            self.mistakes.append(too_deep(self.source, failure.offset))
        return None

    def _build(self, kind: Kind, text: str, shift: int) -> Any:
        tree = grammar().parse(text)
        check_depth(tree, shift)
        builder = Builder(self.source, shift)
        (node,) = builder.all(tree.children)
        self.mistakes += builder.mistakes
        return _INNER[kind](node)

    def _reads(self, kind: Kind, text: str) -> bool:
        try:
            grammar().parse(f"\n{_BEFORE[kind]}{text}\n")
        except (UnexpectedInput, LayoutError):
            return False
        return True


def _is_block_head(text: str) -> bool:
    return bool(re.match(r"(fields|grader|pairwise|ranking|aggregate|refine|validate)\b", text))


_INNER: dict[Kind, Callable[[Any], Any]] = {
    "head": lambda node: node,
    "setting": lambda node: node.body.lines[0],
    "field": lambda node: node.fields[0],
    "criterion": lambda node: node.body.lines[0].criteria[0],
}
