"""A broken spec, read line by line: every line that is sound gives its node, every other one its own diagnostic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, cast

from lark.exceptions import UnexpectedInput

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.bad_line import CONTEXT_BEFORE, BadLine, LineKind
from rmg_dsl.syntax.builder import Builder, NestingError, check_depth
from rmg_dsl.syntax.declarations import block_keys, declarations, keywords, word_pattern
from rmg_dsl.syntax.error_rules import declaration_help, explain_bad_line, nesting_diagnostic
from rmg_dsl.syntax.grammar import grammar
from rmg_dsl.syntax.layout import LayoutError
from rmg_dsl.syntax.lines import CRITERION, HEAD, LogicalLine, split_lines

_WORD = re.compile(r"[^\W\d]\w*")
_SETTING = re.compile(r"([^\W\d]\w*)[ \t]*=(?!=)")
_RUBRIC = re.compile(r"rubric[ \t]*:?$")
_WORD_CHARACTER = re.compile(r"\w")
_RUBRIC_AND_KEY = re.compile(r"rubric[ \t]*:[ \t]*[^\W\d]\w*[ \t]*=")
_MODEL = re.compile(r"model[ \t]+\w+[ \t]*=[ \t]*(?:llm|panel)\b")
_NAMING = word_pattern(spec.keyword for spec in declarations().values() if spec.declares_name)
_DECLARED_NAME = re.compile(rf"\b(?:{_NAMING})[ \t]+([^\W\d]\w*)")
_CLOSING_BRACKET_RUN = re.compile(r"[)\]]+")
_RUBRIC_LIKE = re.compile(r"([^\W\d]\w*)[ \t]*:?$")
_CONTINUATION = re.compile(r"(?:and|or|if|else|in|not in)\b|[-+*/<>|)\]]|[=!]=|->")
_UNFINISHED = re.compile(r"(?:\b(?:and|or|not|if|else|in)|[=+*/<>|,\\]|(?<!:)-|->)$")
_ONE_LINE_HELP = "a statement ends with its line; it goes on below only inside brackets: put ( and ) around the value"
_BLOCKS = word_pattern(spec.keyword for spec in declarations().values() if spec.has_block)
_BLOCK_HEAD = re.compile(rf"(?:{_BLOCKS})\b")


@dataclass(frozen=True, slots=True)
class DeclarationLines:
    """A line in column 0 and the indented lines below it."""

    head: LogicalLine
    body: tuple[LogicalLine, ...]


def recover(source: Source) -> tuple[list[Any], list[Diagnostic]]:
    """What can be read of a text that the parser refuses, and every mistake in it."""
    lines, mistakes = split_lines(source)
    reader = _LineReader(source, mistakes)
    found = [node for chunk in _split_declarations(source, lines) for node in reader.read(chunk)]
    return found, mistakes


def _split_declarations(source: Source, lines: list[LogicalLine]) -> Iterator[DeclarationLines]:
    """Cut at the lines that start a declaration, and at all in column 0 but those that only lost their indentation."""
    head: LogicalLine | None = None
    body: list[LogicalLine] = []
    for at, line in enumerate(lines):
        if head is not None and _belongs_to_declaration(source, head, line, lines[at + 1 : at + 2]):
            body.append(line)
            continue
        if head is not None:
            yield DeclarationLines(head, tuple(body))
        head, body = line, []
    if head is not None:
        yield DeclarationLines(head, tuple(body))


def _belongs_to_declaration(
    source: Source, head: LogicalLine, line: LogicalLine, below: list[LogicalLine]
) -> bool:
    """Is a line part of the declaration above it?"""
    if HEAD.match(source.text, line.start):
        key = source.text.startswith("model", line.start) and line.indent > 0
        return key and not _MODEL.match(source.text, line.start)
    if _CLOSING_BRACKET_RUN.fullmatch(source.text, line.start, line.end):
        return True
    return (
        line.indent > 0
        or _is_unindented_body(source, head, line)
        or _is_stray_line(source, head, line, below)
    )


def _is_unindented_body(source: Source, head: LogicalLine, line: LogicalLine) -> bool:
    opening = source.text[head.start : head.end]
    text = source.text[line.start : line.end]
    if not opening.endswith(":"):
        return False
    setting = _SETTING.match(text)
    known = bool(setting and (setting.group(1) in block_keys() or opening.startswith("fields")))
    return known or bool(CRITERION.match(text)) or bool(_RUBRIC.match(text))


def _is_stray_line(
    source: Source, head: LogicalLine, line: LogicalLine, below: list[LogicalLine]
) -> bool:
    """A line in column 0 that starts nothing, in the middle of a block that goes on below it."""
    opening = source.text[head.start : head.end]
    word = _WORD.match(source.text, line.start)
    if (
        not opening.endswith(":")
        or source.text[line.end - 1 : line.end] == ":"
        or _nearest_keyword(word)
    ):
        return False
    return bool(below) and below[0].indent > 0 and not HEAD.match(source.text, below[0].start)


def _nearest_keyword(word: re.Match[str] | None) -> str | None:
    """The first word of a declaration that a word is, or nearly is."""
    close = get_close_matches(word.group().lower(), keywords(), 1, 0.7) if word else []
    return close[0] if close else None


class _LineReader:
    """Reads chunks of one source; adds to `mistakes` what it cannot read."""

    def __init__(self, source: Source, mistakes: list[Diagnostic]) -> None:
        self.source = source
        self.mistakes = mistakes

    def line_text(self, line: LogicalLine) -> str:
        return self.source.text[line.start : line.end]

    def report(
        self, code: str, message: str, span: Span, help: str = "", fix: Fix | None = None
    ) -> None:
        self.mistakes.append(
            diagnose(code, message, self.source, span, help=help, fixes=[fix] if fix else [])
        )

    def read(self, chunk: DeclarationLines) -> Iterator[Any]:
        head = chunk.head
        if head.indent:
            self.report(
                "RMG107",
                "a declaration starts in column 1",
                self._first_word_span(head),
                "remove the blanks before it",
            )
        text = self._head_with_keyword(head)
        if text is None:
            yield self._broken_node(chunk)
        elif not head.readable:
            yield self._read_unreadable(chunk, text)
        elif text.endswith(":") and _BLOCK_HEAD.match(text):
            yield self._read_block(chunk, text)
        elif chunk.body:
            yield self._read_unopened_block(chunk, text)
        else:
            yield self._read_one_line(chunk, text)

    def _first_word_span(self, line: LogicalLine) -> Span:
        word = _WORD.match(self.source.text, line.start)
        return Span(line.start, word.end() if word else line.start + 1)

    # ── heads ──

    def _head_with_keyword(self, head: LogicalLine) -> str | None:
        """The head's text, its keyword mended where it is misspelt; none where no declaration can be meant."""
        text = self.line_text(head)
        word = _WORD.match(text)
        if word and word.group() in keywords():
            return text
        close = _nearest_keyword(word)
        if close and word and not re.match(r"\s*(?:=|\()", text[word.end() :]):
            span = self._first_word_span(head)
            fix = Fix(span, close, f"write `{close}`")
            self.report(
                "RMG110",
                f"`{word.group()}` is no declaration",
                span,
                f"did you mean `{close}`?",
                fix,
            )
            return close + text[word.end() :] if head.readable else None
        span = self._first_word_span(head) if head.readable else Span(head.start, head.start + 1)
        self.report("RMG110", "this starts no declaration", span, declaration_help(text))
        return None

    def _read_unreadable(self, chunk: DeclarationLines, text: str) -> nodes.Broken:
        """A text or a bracket of the head never ends; the lines of its block, if they are some, can still be read."""
        if chunk.body and _SETTING.match(self.line_text(chunk.body[0])):
            self._read_body(chunk, text.split()[0].rstrip(":"))
        return self._broken_node(chunk)

    def _read_one_line(self, chunk: DeclarationLines, text: str) -> Any:
        node = self._parse("head", text, self._head_offset(chunk, text))
        if node is None:
            return self._broken_node(chunk)
        return replace(node, span=Span(chunk.head.start, node.span.end))

    def _head_offset(self, chunk: DeclarationLines, text: str) -> int:
        """Where a head's text would start, counted from its end: its keyword, or its colon, may have been mended."""
        mended = text.endswith(":") and self.source.text[chunk.head.end - 1] != ":"
        return chunk.head.end + mended - len(text)

    def _read_unopened_block(self, chunk: DeclarationLines, text: str) -> Any:
        """Indented lines below a line that opens no block: the colon is missing, or it is one line too much."""
        if self._report_if_continued(chunk, text):
            return self._broken_node(chunk)
        end = chunk.head.end
        if self._can_parse("head", f"{text}:\n    x = 1"):
            fix = Fix(Span(end, end), ":", "add the colon")
            message = "a colon is missing at the end of this line"
            self.report(
                "RMG102", message, Span(end - 1, end), "write `:` before the indented lines", fix
            )
            return self._read_block(chunk, text + ":")
        node = self._read_one_line(chunk, text)
        if isinstance(node, nodes.Broken):
            self._read_body(chunk, "fields" if text.startswith("fields") else "")
        else:
            self._report_line_and_block(chunk)
        return node

    def _report_if_continued(self, chunk: DeclarationLines, text: str) -> bool:
        """Is the line below the rest of this one? A statement ends with its line, unless a bracket is open."""
        first = chunk.body[0]
        if unfinished := _UNFINISHED.search(text):
            span = Span(chunk.head.end - len(unfinished.group()), chunk.head.end)
            self.report("RMG101", "the line ends too early", span, _ONE_LINE_HELP)
        elif _CONTINUATION.match(self.line_text(first)):
            return self._report_continuation(first)
        else:
            return False
        return True

    def _report_line_and_block(self, chunk: DeclarationLines) -> None:
        first = chunk.body[0]
        if _SETTING.match(self.line_text(first)):
            message = "a declaration is one line or a block, never both"
            help = "in a block the value stands on a line of its own: `score = …` or `prompt = …`"
            self.report("RMG115", message, self._first_word_span(first), help)
        else:
            help = "declarations start in column 1; the lines of a block stand below a line that ends in a colon"
            self.report(
                "RMG107",
                "this line is indented, and no block is open",
                self._first_word_span(first),
                help,
            )

    def _read_block(self, chunk: DeclarationLines, text: str) -> Any:
        keyword = text.split()[0].rstrip(":")
        node = self._parse(
            "head", f"{text}\n    x = 1", self._head_offset(chunk, text), mistakes_until=len(text)
        )
        lines, damaged = self._read_body(chunk, keyword)
        if node is None:
            return self._broken_node(chunk)
        if not chunk.body:
            help = "indent its lines by four blanks"
            self.report(
                "RMG108",
                "an indented block is missing below this line",
                self._first_word_span(chunk.head),
                help,
            )
        span = Span(chunk.head.start, lines[-1].span.end if lines else chunk.head.end)
        damaged = damaged or not lines
        if isinstance(node, nodes.FieldsDecl):
            return replace(node, fields=tuple(lines), span=span, damaged=damaged)
        return replace(node, body=nodes.Block(tuple(lines), span, damaged), span=span)

    def _broken_node(self, chunk: DeclarationLines) -> nodes.Broken:
        text = self.line_text(chunk.head)
        keyword, *words = _WORD.findall(text.split("->")[0].split("=")[0].split("#")[0]) or [""]
        names = words[:1] if keyword in keywords() else [keyword, *words[:1]]
        if keyword == "from":
            names = _WORD.findall(text.partition("import")[2])
        names += _DECLARED_NAME.findall(text)
        end = chunk.body[-1].end if chunk.body else chunk.head.end
        return nodes.Broken(
            tuple(dict.fromkeys(name for name in names if name)), Span(chunk.head.start, end)
        )

    # ── bodies ──

    def _read_body(self, chunk: DeclarationLines, keyword: str) -> tuple[list[Any], bool]:
        if keyword == "fields":
            found = self._read_lines("field", chunk.body)
            self._check_indents(chunk.body)
            return [n for n in found if n is not None], None in found
        return self._read_settings(chunk.body)

    def _read_lines(self, kind: LineKind, lines: tuple[LogicalLine, ...]) -> list[Any]:
        """Lines of one kind; of several in a row that are none, only the first is told."""
        found: list[Any] = []
        for line in lines:
            stray = (
                bool(found) and found[-1] is None and not _has_start_of(kind, self.line_text(line))
            )
            found.append(self._read_line(kind, line, quiet=stray))
        return found

    def _read_settings(self, body: tuple[LogicalLine, ...]) -> tuple[list[Any], bool]:
        lines: list[Any] = []
        damaged, failed = False, False
        settings: list[LogicalLine] = []
        at = 0
        while at < len(body):
            line = body[at]
            settings.append(line)
            at += 1
            criteria = self._criteria_below(line, body[at:])
            if criteria or (line.readable and _RUBRIC.match(self.line_text(line))):
                rubric = self._read_rubric(line, criteria)
                at += len(criteria)
                whole = (
                    len(rubric.criteria) == len(criteria) > 0 and self.line_text(line) == "rubric:"
                )
                damaged = damaged or not whole
                lines.append(rubric)
                continue
            if (
                lines
                and _CONTINUATION.match(self.line_text(line))
                and self._report_continuation(line)
            ):
                damaged = failed = lines.pop() is not None
                continue
            stray = failed and not _has_start_of("setting", self.line_text(line))
            node = self._read_line("setting", line, quiet=stray)
            failed = node is None
            damaged = damaged or failed
            lines += [node] if node is not None else []
        self._check_indents(tuple(settings))
        return lines, damaged

    def _report_continuation(self, line: LogicalLine) -> bool:
        self.report(
            "RMG101",
            "this line cannot go on with the one above it",
            self._first_word_span(line),
            _ONE_LINE_HELP,
        )
        return True

    def _criteria_below(
        self, line: LogicalLine, below: tuple[LogicalLine, ...]
    ) -> tuple[LogicalLine, ...]:
        """The lines of a rubric under its first line, which may be damaged itself."""
        named = _RUBRIC.match(self.line_text(line)) if line.readable else None
        if not below or not (named or self._opens_criteria(line, below[0])):
            return ()
        for count, one in enumerate(below):
            text = self.line_text(one)
            deeper = (
                one.indent > line.indent and not _is_known_setting(text) and not _RUBRIC.match(text)
            )
            if not CRITERION.match(text) and not deeper:
                return below[:count]
        return below

    def _opens_criteria(self, line: LogicalLine, first: LogicalLine) -> bool:
        return first.indent > line.indent and bool(CRITERION.match(self.line_text(first)))

    def _read_rubric(self, line: LogicalLine, body: tuple[LogicalLine, ...]) -> nodes.Rubric:
        self._check_rubric_line(line)
        if not body:
            help = 'below it stand lines such as `5: "…"`, indented once more'
            self.report(
                "RMG108", "the lines of the rubric are missing", self._first_word_span(line), help
            )
        shallow = [b for b in body if b.indent <= line.indent]
        if len(shallow) * 2 > len(body):
            message = "a line of the rubric is indented deeper than `rubric:`"
            self.report(
                "RMG107",
                message,
                self._first_word_span(shallow[0]),
                "indent it by four more blanks",
            )
        else:
            self._check_indents(body)
        criteria = self._read_lines("criterion", body)
        end = body[-1].end if body else line.end
        return nodes.Rubric(
            tuple(c for c in criteria if c is not None), None, Span(line.start, end)
        )

    def _check_rubric_line(self, line: LogicalLine) -> None:
        """The line above the levels: `rubric:`, or what became of it."""
        text = self.line_text(line)
        end = Span(line.end, line.end)
        word = _RUBRIC_LIKE.match(text)
        if text == "rubric:" or not line.readable:
            return
        if _RUBRIC_AND_KEY.match(text):
            self._read_line("setting", line)
            return
        if text.startswith("rubric"):
            tail = Span(line.start + len("rubric"), line.end) if len(text) > len("rubric") else end
            at = tail if tail != end else Span(line.end - 1, line.end)
            if not _RUBRIC.match(text) or not text.endswith(":"):
                message = "a colon is missing after `rubric`"
                fix = None
                if not _WORD_CHARACTER.search(text.removeprefix("rubric")):
                    fix = Fix(tail, ":", "write `rubric:`")
                self.report("RMG102", message, at, "write `rubric:`", fix)
        elif word and get_close_matches(word.group(1), ["rubric"], 1, 0.6):
            span = Span(line.start, line.start + len(word.group(1)))
            fix = Fix(span, "rubric", "write `rubric`")
            self.report(
                "RMG210", f"unknown key `{word.group(1)}`", span, "did you mean `rubric`?", fix
            )
        elif self._read_line("setting", line) is not None:
            message = "levels stand below `rubric:`, and this line is none"
            self.report(
                "RMG102",
                message,
                self._first_word_span(line),
                "add the line `rubric:` between this one and the levels",
            )

    def _check_indents(self, lines: tuple[LogicalLine, ...]) -> None:
        """Lines of one block stand in one column, that of most of them; the first that does not is told."""
        plain = [line for line in lines if not line.tabs]
        counted = Counter(line.indent for line in plain if line.indent)
        usual = max(counted, key=lambda i: (counted[i], i % 4 == 0, -i), default=4)
        odd = next((line for line in plain if line.indent != usual), None)
        if odd is not None:
            lost = " like the other lines of its block" if counted else ""
            fits = "this line's indentation fits no line above it"
            message = fits if odd.indent else "a line of a block is indented, and this one is not"
            self.report(
                "RMG107", message, self._first_word_span(odd), f"indent it by {usual} blanks{lost}"
            )

    def _read_line(self, kind: LineKind, line: LogicalLine, quiet: bool = False) -> Any:
        if not line.readable:
            return None
        before = len(self.mistakes)
        node = self._parse(kind, self.line_text(line), line.start)
        if quiet and node is None:
            del self.mistakes[before:]
        return node

    # ── one line through the real parser ──

    def _parse(
        self, kind: LineKind, text: str, start: int, mistakes_until: int | None = None
    ) -> Any:
        before = CONTEXT_BEFORE[kind]
        shift = start - len(before) - 1
        try:
            return self._build(kind, f"\n{before}{text}\n", shift)
        except UnexpectedInput as failure:
            written = text if mistakes_until is None else text[:mistakes_until]
            stopped = cast(int, failure.pos_in_stream) - len(before) - 1
            misread = BadLine(self.source, kind, start, written, stopped, failure)
            self.mistakes.append(explain_bad_line(misread))
        except LayoutError:
            self.report(
                "RMG107", "this line's indentation fits no line above it", Span(start, start + 1)
            )
        except NestingError as failure:
            self.mistakes.append(nesting_diagnostic(self.source, failure.offset))
        return None

    def _build(self, kind: LineKind, text: str, shift: int) -> Any:
        tree = grammar().parse(text)
        check_depth(tree, shift)
        builder = Builder(self.source, shift)
        (node,) = builder.build_all(tree.children)
        self.mistakes += builder.mistakes
        return _NODE_OF_KIND[kind](node)

    def _can_parse(self, kind: LineKind, text: str) -> bool:
        try:
            grammar().parse(f"\n{CONTEXT_BEFORE[kind]}{text}\n")
        except (UnexpectedInput, LayoutError):
            return False
        return True


def _is_known_setting(text: str) -> bool:
    setting = _SETTING.match(text)
    return setting is not None and setting.group(1) in block_keys()


def _has_start_of(kind: LineKind, text: str) -> bool:
    """Does a line begin as its kind does, however it ends?"""
    return bool(CRITERION.match(text) if kind == "criterion" else _SETTING.match(text))


_NODE_OF_KIND: dict[LineKind, Callable[[Any], Any]] = {
    "head": lambda node: node,
    "setting": lambda node: node.body.lines[0],
    "field": lambda node: node.fields[0],
    "criterion": lambda node: node.body.lines[0].criteria[0],
}
