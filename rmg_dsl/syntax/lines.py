"""A broken spec as logical lines, with the mistakes that make a line unreadable."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose
from rmg_dsl.syntax.declarations import block_keys, declarations, word_pattern
from rmg_dsl.syntax.strings import TRIPLE

# What may follow the name in a real head. Prose that starts with a keyword rarely goes on like
# this.
_AFTER_NAME = r"(?=[ \t]*(?:$|\n|\#|[=:>(\[|→-]|[\"'“\d]|against\b|\w+\.\w|\w+\())"


def _head_pattern() -> str:
    """The start of a line that is certainly a declaration, whatever follows on it."""
    table = declarations().values()
    named = word_pattern(spec.keyword for spec in table if spec.has_name)
    nameless = word_pattern(spec.keyword + spec.start for spec in table if spec.start)
    return rf"(?:{named})[ \t]+[^\W\d]\w*+{_AFTER_NAME}|{nameless}"


HEAD = re.compile(_head_pattern())
CRITERION = re.compile(r"(?:[+-]?\d[\w.]*|\"[^\"\n]*\"|'[^'\n]*'|True|False|veto)[ \t]*:")
_KEY_LINE = re.compile(r"[ \t]*([^\W\d]\w*)[ \t]*(?:=(?!=)|:)")
_BLANKS = re.compile(r"[ \t\f]*")
_TRIPLE = re.compile(TRIPLE, re.S)
_SINGLE = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_PLAIN = re.compile(r"[^\"'#()\[\]\n]+")
_OPENS_TEXT = re.compile(r"[=:(,\[][ \t]*r?$")
_TEXT_EXPECTED = re.compile(r"=[ \t]*(?:\"\"?|''?)?$")
# How far the other end of a broken text is looked for: beyond, the search would cost too much.
_MAX_BLOCK_LINES = 200
_MAX_TEXT_LINES = 60
_CLOSING_BRACKET = {"(": ")", "[": "]"}


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A statement's text, without its indentation and the comment at its end.

    It is not `readable` where a string or a bracket in it never ends. Offsets count characters of
    the source; `indent` counts blanks, a tab for up to four.
    """

    start: int
    end: int
    indent: int
    readable: bool = True
    tabs: bool = False


def split_lines(source: Source) -> tuple[list[LogicalLine], list[Diagnostic]]:
    """Cut a source into logical lines; report tabs, and strings and brackets that are never
    closed.
    """
    scanner = _Scanner(source)
    lines: list[LogicalLine] = []
    while (line := scanner.next_line()) is not None:
        unopened = scanner.take_unopened_text()
        # The lines of such a text were read as statements: they belong to the line above them.
        while unopened and lines and lines[-1].start > unopened.start:
            lines.pop()
        if unopened and lines:
            lines[-1] = replace(lines[-1], end=unopened.end, readable=False)
        else:
            lines.append(line)
    return lines, scanner.mistakes


class _Scanner:
    """Reads a source from start to end, one logical line after the other."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.position = 0
        self.mistakes: list[Diagnostic] = []
        self._unopened_text: Span | None = None

    def next_line(self) -> LogicalLine | None:
        while self.position < len(self.text):
            start = self.position
            blanks = _BLANKS.match(self.text, start)
            assert blanks is not None
            if self.text[blanks.end() : blanks.end() + 1] in ("", "\n", "#"):
                self.position = self._line_end(start) + 1
                continue
            self._check_tabs(start, blanks.group())
            line = self._scan_line(blanks.end(), len(blanks.group().expandtabs(4)))
            return replace(line, tabs="\t" in blanks.group())
        return None

    def take_unopened_text(self) -> Span | None:
        """The span of a text that has closing quotes only, if the last line ended such a text.

        It starts at the end of the line where the opening quotes are missing.
        """
        unopened, self._unopened_text = self._unopened_text, None
        return unopened

    def _check_tabs(self, start: int, blanks: str) -> None:
        if "\t" not in blanks:
            return
        span = Span(start, start + len(blanks))
        fix = Fix(span, blanks.expandtabs(4), "use four blanks for a tab")
        self._report("RMG105", "a tab in the indentation", span, "indent with four blanks", fix)

    def _report(
        self, code: str, message: str, span: Span, help: str, fix: Fix | None = None
    ) -> None:
        fixes = [fix] if fix else []
        self.mistakes.append(diagnose(code, message, self.source, span, help=help, fixes=fixes))

    def _scan_line(self, start: int, indent: int) -> LogicalLine:
        self.position = start
        open_brackets: list[int] = []
        end = start
        readable = True
        while self.position < len(self.text):
            char = self.text[self.position]
            if char == "\n":
                # A bracket that is never closed must not take in the statements below it.
                if not open_brackets or self._statement_starts_below(end, indent):
                    break
                self.position += 1
            elif char == "#":
                self.position = self._line_end(self.position)
            elif char in "\"'":
                readable = self._scan_string(start, indent) and readable
                end = self.position
            elif char in "()[]":
                readable = self._scan_bracket(open_brackets) and readable
                self.position += 1
                end = self.position
            else:
                end = self._scan_plain()
        if open_brackets and readable:
            self._report_unclosed_bracket(open_brackets[-1])
            readable = False
        self.position = self._line_end(self.position) + 1
        return LogicalLine(start, max(end, start), indent, readable)

    def _statement_starts_below(self, end: int, indent: int) -> bool:
        """Does the next line start a statement, although a bracket is open?"""
        at = self.position + 1
        if self._starts_statement(at, indent):
            return True
        # A line that ends in a colon opens a block: a key below it is the block's, at any indent.
        if self.text[end - 1 : end] != ":":
            return False
        key = _KEY_LINE.match(self.text, at)
        return key is not None and key.group(1) in block_keys()

    def _scan_plain(self) -> int:
        run = _PLAIN.match(self.text, self.position)
        assert run is not None
        self.position = run.end()
        return self.position - (len(run.group()) - len(run.group().rstrip()))

    # ── strings ──

    def _scan_string(self, start: int, indent: int) -> bool:
        """Step over a string; report one that never ends, and stop before the next statement."""
        if self.text.startswith(('"""', "'''"), self.position):
            return self._scan_block(start, indent)
        string = _SINGLE.match(self.text, self.position)
        if string:
            self.position = string.end()
            return True
        if _has_curly_quote(self.text[start : self.position]):
            self.position += 1
            return True
        self._report_unclosed_string(start)
        return False

    def _scan_block(self, start: int, indent: int) -> bool:
        block = _TRIPLE.match(self.text, self.position)
        if block and not self._swallows_statement(block.start(), block.end(), indent):
            self.position = block.end()
            return True
        self._report_unclosed_block(start, indent)
        return False

    def _swallows_statement(self, start: int, end: int, indent: int) -> bool:
        """Do the closing quotes open another text, with a new statement in between?"""
        before = self.text[self.text.rfind("\n", 0, end) + 1 : end - 3]
        at = self._line_end(start) + 1
        if at >= end or not _OPENS_TEXT.search(before):
            return False
        while at < end:
            if self._starts_statement(at, indent):
                return True
            at = self._line_end(at) + 1
        return False

    def _starts_statement(self, at: int, indent: int) -> bool:
        if HEAD.match(self.text, at):
            return True
        key = _KEY_LINE.match(self.text, at)
        if not key or indent == 0 or key.group(1) not in block_keys():
            return False
        # A line that is indented deeper may be part of a text that reads like a spec.
        return len(self.text[at : key.start(1)].expandtabs(4)) <= indent

    def _report_unclosed_block(self, start: int, indent: int) -> None:
        """Report triple quotes without a partner: the opening or the closing ones are missing."""
        quotes = self.text[self.position : self.position + 3]
        line_end = None
        if self.position == start:
            line_end = self._line_without_opening_quotes(start)
        if line_end is not None:
            span = Span(line_end - 1, line_end)
            message = f"the text below this line has no opening {quotes}"
            self._report("RMG106", message, span, f"write {quotes} at the end of this line")
            self.position = self._line_end(self.position)
            self._unopened_text = Span(line_end - 1, self.position)
            return
        message = f"the text that starts here has no closing {quotes}"
        self._report(
            "RMG106",
            message,
            Span(self.position, self.position + 3),
            f"write {quotes} on a line of its own below the text",
        )
        self.position = self._next_statement_offset(indent)

    def _line_without_opening_quotes(self, at: int) -> int | None:
        """The end of the line above that ends in `=` or in too few quotes, in the same
        statement.
        """
        for _ in range(_MAX_BLOCK_LINES):
            end = self.text.rfind("\n", 0, at)
            if end < 0:
                return None
            at = self.text.rfind("\n", 0, end) + 1
            line = self.text[at:end].rstrip()
            if _TEXT_EXPECTED.search(line):
                return at + len(line)
            if HEAD.match(self.text, at) or '"""' in line or "'''" in line:
                return None
        return None

    def _next_statement_offset(self, indent: int) -> int:
        at = self._line_end(self.position) + 1
        while at < len(self.text) and not self._starts_statement(at, indent):
            at = self._line_end(at) + 1
        return min(at - 1, len(self.text))

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def _report_unclosed_string(self, start: int) -> None:
        """Report a quote without a partner on its line.

        It is a quote inside of a text, a text of several lines, or one whose end is missing.
        """
        quote = self.text[self.position]
        inner = self._quote_inside_word(start)
        below = self._closing_quote_below(quote)
        if inner is not None:
            other = '"' if self.text[inner] == "'" else "'"
            help = (
                f"write \\{self.text[inner]} for a quote inside a text, "
                f"or put the text between {other} and {other}"
            )
            self._report("RMG106", "this quote ends the text", Span(inner, inner + 1), help)
        else:
            # The usual reasons: a text of several lines in single quotes, or a slip.
            help = (
                'a text of several lines stands between """ and """'
                if below
                else f"write {quote} where the text ends, on this line"
            )
            message = f"the text that starts here has no closing {quote}"
            self._report("RMG106", message, Span(self.position, self.position + 1), help)
        self.position = below or self._line_end(self.position)

    def _quote_inside_word(self, start: int) -> int | None:
        """The quote earlier on this line after which a word goes on, as in 'it's'."""
        for string in _SINGLE.finditer(self.text, start, self.position):
            if self.text[string.end() : string.end() + 1].isalpha():
                return string.end() - 1
        return None

    def _closing_quote_below(self, quote: str) -> int | None:
        """The end of a text of several lines in single quotes, if no statement lies in between."""
        at = self._line_end(self.position) + 1
        for _ in range(_MAX_TEXT_LINES):
            end = self._line_end(at)
            line = self.text[at:end]
            if at >= len(self.text) or _is_statement(line):
                return None
            if line.count(quote) - line.count("\\" + quote) == 1:
                written = line.rstrip()
                is_end = written.endswith((quote, f"{quote})"))
                return at + len(written) if is_end else None
            if quote in line:
                return None
            at = end + 1
        return None

    def _scan_bracket(self, open_brackets: list[int]) -> bool:
        """Update the list of open brackets; false where a bracket closes one of the other kind."""
        bracket = self.text[self.position]
        if bracket in _CLOSING_BRACKET:
            open_brackets.append(self.position)
            return True
        if not open_brackets:
            return True
        opening = self.text[open_brackets[-1]]
        if _CLOSING_BRACKET[opening] == bracket:
            open_brackets.pop()
            return True
        # `f(a, [b)`: an outer bracket is closed, so the inner one was never closed.
        if any(_CLOSING_BRACKET[self.text[at]] == bracket for at in open_brackets):
            self._report_unclosed_bracket(open_brackets.pop())
            while _CLOSING_BRACKET[self.text[open_brackets.pop()]] != bracket:
                pass
            return False
        span = Span(self.position, self.position + 1)
        fix = Fix(span, _CLOSING_BRACKET[opening], f"write `{_CLOSING_BRACKET[opening]}`")
        message = f"`{bracket}` does not close the `{opening}` before it"
        self._report(
            "RMG109", message, span, f"write `{_CLOSING_BRACKET[opening]}`, or remove it", fix
        )
        open_brackets.pop()
        return False

    def _report_unclosed_bracket(self, at: int) -> None:
        bracket = self.text[at]
        help = f"add the missing `{_CLOSING_BRACKET[bracket]}`"
        self._report("RMG109", f"`{bracket}` is never closed", Span(at, at + 1), help)


def _is_statement(line: str) -> bool:
    return bool(_KEY_LINE.match(line) or HEAD.match(line) or CRITERION.match(line.strip()))


def _has_curly_quote(text: str) -> bool:
    """Are there curly quotes before? Then a quote is an apostrophe, and the curly ones the
    mistake.
    """
    return any(quote in text for quote in "“”„‘’")
