"""Read a broken spec line by line.

Each line that is sound gives its node, each other one a diagnostic of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, TypeAlias, cast

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
from rmg_dsl.syntax.lookalikes import replace_lookalikes
from rmg_dsl.syntax.text_error_rules import (
    ADJACENT_TEXTS,
    are_texts_alone,
    joined_texts,
    texts_at_end,
)

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
# `if = …` is a key that the language does not have, and no rest of the line above.
_FOREIGN_KEY = re.compile(r"(?:if|else|in|not)[ \t]*(?:=(?!=)|:)")
_LEVEL_HEAD = re.compile(r"(?!rubric\b)[^\W\d]\w*[ \t]*:")
_WEIGHTS_HEAD = re.compile(r"(?:weighted|weights)[ \t]*:")
_WEIGHT_LINE = re.compile(r"[\"']?([^\W\d]\w*)[\"']?[ \t]*[:=][ \t]*(\d[\d.]*),?")
_UNFINISHED = re.compile(r"(?:\b(?:and|or|not|if|else|in)|[=+*/<>|,\\]|(?<!:)-|->)$")
_ONE_LINE_HELP = (
    "a statement ends with its line; it goes on below only inside brackets: "
    "put ( and ) around the value"
)
_BLOCKS = word_pattern(spec.keyword for spec in declarations().values() if spec.has_block)
_BLOCK_HEAD = re.compile(rf"(?:{_BLOCKS})\b")


DeclarationNode: TypeAlias = nodes.Declaration | nodes.Edition
BlockLine: TypeAlias = nodes.SettingLine | nodes.Rubric
# Keywords are short: below this, words of the data would pass for misspelt ones.
_MIN_SIMILARITY = 0.7


@dataclass(frozen=True, slots=True)
class DeclarationLines:
    """The head of a declaration and the lines below it."""

    head: LogicalLine
    body: tuple[LogicalLine, ...]


def recover(source: Source) -> tuple[list[DeclarationNode], list[Diagnostic]]:
    """The declarations that can be read in a text that the parser rejects, and its mistakes."""
    meant, lookalikes = replace_lookalikes(source)
    lines, mistakes = split_lines(meant)
    reader = _LineReader(meant, mistakes)
    declared = [reader.read(chunk) for chunk in _split_declarations(meant, lines)]
    # What else is wrong on such a line may be due to the character: one diagnostic is enough.
    odd_lines = {lookalike.line for lookalike in lookalikes}
    others = [replace(d, source=source) for d in mistakes if d.line not in odd_lines]
    return declared, lookalikes + others


def _split_declarations(source: Source, lines: list[LogicalLine]) -> Iterator[DeclarationLines]:
    """Cut before each line that starts a declaration.

    A line in column 1 starts one, unless it has only lost its indentation.
    """
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
        # `model = judge` is a key, also where its `=` is missing.
        is_key = source.text.startswith("model", line.start) and line.indent > 0
        return is_key and not _MODEL.match(source.text, line.start)
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
    if setting and (setting.group(1) in block_keys() or opening.startswith("fields")):
        return True
    return bool(CRITERION.match(text) or _RUBRIC.match(text))


def _is_stray_line(
    source: Source, head: LogicalLine, line: LogicalLine, below: list[LogicalLine]
) -> bool:
    """Is this a line in column 1 that starts nothing, inside of a block that goes on below it?"""
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
    """The keyword that a word is, or nearly is."""
    if word is None:
        return None
    close = get_close_matches(word.group().lower(), keywords(), 1, _MIN_SIMILARITY)
    return close[0] if close else None


class _LineReader:
    """Reads the declarations of a source; adds a diagnostic to `mistakes` for what it cannot
    read.
    """

    def __init__(self, source: Source, mistakes: list[Diagnostic]) -> None:
        self.source = source
        self.mistakes = mistakes

    def line_text(self, line: LogicalLine) -> str:
        return self.source.text[line.start : line.end]

    def report(
        self, code: str, message: str, span: Span, help: str = "", fix: Fix | None = None
    ) -> None:
        fixes = [fix] if fix else []
        self.mistakes.append(diagnose(code, message, self.source, span, help=help, fixes=fixes))

    def read(self, chunk: DeclarationLines) -> DeclarationNode:
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
            return self._broken_node(chunk)
        if not head.readable:
            return self._read_unreadable(chunk, text)
        if text.endswith(":") and _BLOCK_HEAD.match(text):
            return self._read_block(chunk, text)
        if chunk.body:
            return self._read_unopened_block(chunk, text)
        return self._read_one_line(chunk, text)

    def _first_word_span(self, line: LogicalLine) -> Span:
        word = _WORD.match(self.source.text, line.start)
        return Span(line.start, word.end() if word else line.start + 1)

    # ── heads ──

    def _head_with_keyword(self, head: LogicalLine) -> str | None:
        """The text of the head with a misspelt keyword corrected; none for no declaration."""
        text = self.line_text(head)
        word = _WORD.match(text)
        if word and word.group() in keywords():
            return text
        close = _nearest_keyword(word)
        # `models = 3` and `model(3)` are no misspelt heads: the word is a name there.
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
        span = Span(head.start, head.start + 1)
        if head.readable:
            span = self._first_word_span(head)
        self.report("RMG110", "this starts no declaration", span, declaration_help(text))
        return None

    def _read_unreadable(self, chunk: DeclarationLines, text: str) -> nodes.Broken:
        """A head with a text or a bracket that never ends: only the lines of its block are read."""
        if chunk.body and _SETTING.match(self.line_text(chunk.body[0])):
            self._read_body(chunk, text.split()[0].rstrip(":"))
        return self._broken_node(chunk)

    def _read_one_line(self, chunk: DeclarationLines, text: str) -> DeclarationNode:
        node = self._parse("head", text, self._head_offset(chunk, text))
        if node is None:
            return self._broken_node(chunk)
        span = Span(chunk.head.start, node.span.end)
        return cast(DeclarationNode, replace(node, span=span))

    def _head_offset(self, chunk: DeclarationLines, text: str) -> int:
        """Where the text of the head starts, counted from its end.

        A corrected keyword or an added colon moves the start, and places must count in the source.
        """
        has_new_colon = text.endswith(":") and self.source.text[chunk.head.end - 1] != ":"
        return chunk.head.end + has_new_colon - len(text)

    def _read_unopened_block(self, chunk: DeclarationLines, text: str) -> DeclarationNode:
        """Lines below a head without a colon: the colon is missing, or the lines are misplaced."""
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
        """Report a head that goes on in the line below, although no bracket is open."""
        first = chunk.body[0]
        if are_texts_alone(self.line_text(first)) and texts_at_end(text) is not None:
            self._report_text_below(chunk.head, _texts_alone(self.source, chunk.body))
        elif unfinished := _UNFINISHED.search(text):
            span = Span(chunk.head.end - len(unfinished.group()), chunk.head.end)
            self.report("RMG101", "the line ends too early", span, _ONE_LINE_HELP)
        elif _CONTINUATION.match(self.line_text(first)):
            self._report_continuation(first)
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
            help = (
                "declarations start in column 1; the lines of a block stand below a line "
                "that ends in a colon"
            )
            self.report(
                "RMG107",
                "this line is indented, and no block is open",
                self._first_word_span(first),
                help,
            )

    def _read_block(self, chunk: DeclarationLines, text: str) -> DeclarationNode:
        # The parser wants a line in the block: with one that is sound, it reads the head alone.
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
        end = lines[-1].span.end if lines else chunk.head.end
        span = Span(chunk.head.start, end)
        damaged = damaged or not lines
        if isinstance(node, nodes.FieldsDecl):
            return replace(node, fields=tuple(lines), span=span, damaged=damaged)
        body = nodes.Block(tuple(lines), span, damaged)
        return cast(DeclarationNode, replace(node, body=body, span=span))

    def _broken_node(self, chunk: DeclarationLines) -> nodes.Broken:
        """A node for what cannot be read, with all names that it may declare."""
        text = self.line_text(chunk.head)
        keyword, *words = _WORD.findall(text.split("->")[0].split("=")[0].split("#")[0]) or [""]
        names = words[:1]
        if keyword not in keywords():
            names.insert(0, keyword)
        if keyword == "from":
            names = _WORD.findall(text.partition("import")[2])
        names += _DECLARED_NAME.findall(text)
        end = chunk.body[-1].end if chunk.body else chunk.head.end
        unique = dict.fromkeys(name for name in names if name)
        return nodes.Broken(tuple(unique), Span(chunk.head.start, end))

    # ── bodies ──

    def _read_body(self, chunk: DeclarationLines, keyword: str) -> tuple[list[Any], bool]:
        if keyword == "fields":
            fields = self._read_lines("field", chunk.body)
            self._check_indents(chunk.body)
            return [field for field in fields if field is not None], None in fields
        return self._read_settings(chunk.body)

    def _read_lines(self, kind: LineKind, lines: tuple[LogicalLine, ...]) -> list[Any]:
        """The nodes of lines of one kind; none for each line that cannot be read."""
        read: list[Any] = []
        for line in lines:
            # Lines below a broken one may be the rest of it: one diagnostic is enough.
            is_rest = bool(read) and read[-1] is None
            quiet = is_rest and not _has_start_of(kind, self.line_text(line))
            read.append(self._read_line(kind, line, quiet=quiet))
        return read

    def _read_settings(self, body: tuple[LogicalLine, ...]) -> tuple[list[BlockLine], bool]:
        """The lines of a block that can be read, and whether others could not."""
        lines: list[BlockLine] = []
        damaged, failed = False, False
        settings: list[LogicalLine] = []
        at = 0
        while at < len(body):
            line = body[at]
            settings.append(line)
            at += 1
            criteria = self._criteria_below(line, body[at:])
            if _WEIGHTS_HEAD.fullmatch(self.line_text(line)):
                criteria = ()
            if criteria or (line.readable and _RUBRIC.match(self.line_text(line))):
                rubric = self._read_rubric(line, criteria)
                at += len(criteria)
                all_read = len(rubric.criteria) == len(criteria) > 0
                if not all_read or self.line_text(line) != "rubric:":
                    damaged = True
                lines.append(rubric)
                continue
            if below := self._lines_of_level(line, body[at:]):
                self._report_second_level(line, below)
                settings.pop()
                at += len(below)
                damaged = failed = True
                continue
            if lines and self._report_if_rest(settings, line, body[at:]):
                at += len(_texts_alone(self.source, body[at:]))
                # The line above is not what its author means: its node must not be checked.
                lines.pop()
                settings.pop()
                damaged = failed = True
                continue
            quiet = failed and not _has_start_of("setting", self.line_text(line))
            node = self._read_line("setting", line, quiet=quiet)
            failed = node is None
            damaged = damaged or failed
            if node is not None:
                lines.append(node)
        self._check_indents(tuple(settings))
        return lines, damaged

    def _report_if_rest(
        self, settings: list[LogicalLine], line: LogicalLine, below: tuple[LogicalLine, ...]
    ) -> bool:
        """Report a line that goes on with the one above it, although no bracket is open."""
        above = settings[-2] if len(settings) > 1 else None
        text = self.line_text(line)
        if above and are_texts_alone(text) and texts_at_end(self.line_text(above)) is not None:
            self._report_text_below(above, (line, *_texts_alone(self.source, below)))
        elif _CONTINUATION.match(text) and not _FOREIGN_KEY.match(text):
            self._report_continuation(line)
        else:
            return False
        return True

    def _report_text_below(self, above: LogicalLine, below: tuple[LogicalLine, ...]) -> None:
        """Report texts below a text, which Python would join to one."""
        start = texts_at_end(self.line_text(above))
        assert start is not None
        span = Span(below[0].start, below[0].end)
        whole = Span(above.start + start, below[-1].end)
        joined = joined_texts(self.source.text[whole.start : whole.end])
        fix = Fix(whole, joined, "make one text of them") if joined else None
        help = 'make one text of them; one of several lines stands between """ and """'
        self.report("RMG101", ADJACENT_TEXTS, span, help, fix)

    def _lines_of_level(
        self, line: LogicalLine, below: tuple[LogicalLine, ...]
    ) -> tuple[LogicalLine, ...]:
        """The deeper lines below a line such as `weights:`; only `rubric:` has such lines."""
        if not line.readable or not _LEVEL_HEAD.fullmatch(self.line_text(line)):
            return ()
        count = next((i for i, b in enumerate(below) if b.indent <= line.indent), len(below))
        return below[:count]

    def _report_second_level(self, line: LogicalLine, below: tuple[LogicalLine, ...]) -> None:
        word = self.line_text(line).rstrip(" \t:")
        parts = [_WEIGHT_LINE.fullmatch(self.line_text(b)) for b in below]
        weights = [f"{part.group(1)}={part.group(2)}" for part in parts if part]
        message, fix = "only `rubric:` has lines of its own below it", None
        help = f"write `{word} = …` on one line"
        if len(weights) == len(below):
            better = f"score = weighted({', '.join(weights)})"
            help = f"write `{better}`"
            fix = Fix(Span(line.start, below[-1].end), better, help)
        self.report("RMG103", message, self._first_word_span(line), help, fix)

    def _report_continuation(self, line: LogicalLine) -> None:
        self.report(
            "RMG101",
            "this line cannot go on with the one above it",
            self._first_word_span(line),
            _ONE_LINE_HELP,
        )

    def _criteria_below(
        self, line: LogicalLine, below: tuple[LogicalLine, ...]
    ) -> tuple[LogicalLine, ...]:
        """The lines of a rubric below its first line, which may be broken itself."""
        has_head = line.readable and _RUBRIC.match(self.line_text(line))
        if not below or not (has_head or self._opens_criteria(line, below[0])):
            return ()
        for count, criterion in enumerate(below):
            text = self.line_text(criterion)
            is_setting = _is_known_setting(text) or _RUBRIC.match(text)
            is_deeper = criterion.indent > line.indent and not is_setting
            if not CRITERION.match(text) and not is_deeper:
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
        # One shallow line is a slip of its own; with most of them, the author did not indent at
        # all.
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
            tuple(c for c in criteria if c is not None),
            None,
            Span(line.start, end),
            damaged=None in criteria,
        )

    def _check_rubric_line(self, line: LogicalLine) -> None:
        """Report a line above the levels that is not `rubric:`."""
        text = self.line_text(line)
        word = _RUBRIC_LIKE.match(text)
        if text == "rubric:" or not line.readable:
            return
        if _RUBRIC_AND_KEY.match(text):
            self._read_line("setting", line)
            return
        if text.startswith("rubric"):
            self._check_rubric_colon(line, text)
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

    def _check_rubric_colon(self, line: LogicalLine, text: str) -> None:
        if _RUBRIC.match(text) and text.endswith(":"):
            return
        tail = Span(line.start + len("rubric"), line.end)
        at = tail
        if tail.start == tail.end:
            at = Span(line.end - 1, line.end)
        # A fix must not delete what stands behind the word.
        fix = None
        if not _WORD_CHARACTER.search(text.removeprefix("rubric")):
            fix = Fix(tail, ":", "write `rubric:`")
        message = "a colon is missing after `rubric`"
        self.report("RMG102", message, at, "write `rubric:`", fix)

    def _check_indents(self, lines: tuple[LogicalLine, ...]) -> None:
        """Report the first line of a block that does not stand in the column of most of them."""
        # Tabs have a diagnostic of their own.
        plain = [line for line in lines if not line.tabs]
        counts = Counter(line.indent for line in plain if line.indent)
        # Of two indents that are equally frequent, the usual one is a multiple of four, or small.
        usual = max(counts, key=lambda i: (counts[i], i % 4 == 0, -i), default=4)
        odd = next((line for line in plain if line.indent != usual), None)
        if odd is not None:
            help = f"indent it by {usual} blanks"
            if counts:
                help += " like the other lines of its block"
            message = "a line of a block is indented, and this one is not"
            if odd.indent:
                message = "this line's indentation fits no line above it"
            self.report("RMG107", message, self._first_word_span(odd), help)

    def _read_line(self, kind: LineKind, line: LogicalLine, quiet: bool = False) -> Any:
        # The scanner has reported why the line is not readable.
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
        """The node of a line; none where the parser rejects it, with a diagnostic.

        Mistakes are looked for up to the offset `mistakes_until` of the text only.
        """
        before = CONTEXT_BEFORE[kind]
        shift = start - len(before) - 1
        try:
            return self._build(kind, f"\n{before}{text}\n", shift)
        except UnexpectedInput as failure:
            written = text[:mistakes_until]
            stopped = cast(int, failure.pos_in_stream) - len(before) - 1
            bad_line = BadLine(self.source, kind, start, written, stopped, failure)
            self.mistakes.append(explain_bad_line(bad_line))
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


def _texts_alone(source: Source, lines: tuple[LogicalLine, ...]) -> tuple[LogicalLine, ...]:
    """The first lines, as far as they hold nothing but texts."""
    texts = [are_texts_alone(source.text[line.start : line.end]) for line in lines]
    return lines[: (*texts, False).index(False)]


def _is_known_setting(text: str) -> bool:
    setting = _SETTING.match(text)
    return setting is not None and setting.group(1) in block_keys()


def _has_start_of(kind: LineKind, text: str) -> bool:
    """Does a line begin like a sound one of its kind?"""
    if kind == "criterion":
        return bool(CRITERION.match(text))
    return bool(_SETTING.match(text))


# How to find the node of a line in the declaration that CONTEXT_BEFORE makes of it.
_NODE_OF_KIND: dict[LineKind, Callable[[Any], Any]] = {
    "head": lambda node: node,
    "setting": lambda node: node.body.lines[0],
    "field": lambda node: node.fields[0],
    "criterion": lambda node: node.body.lines[0].criteria[0],
}
