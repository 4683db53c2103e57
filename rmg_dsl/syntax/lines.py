"""A broken spec as logical lines: what can still be told apart when the parser cannot read the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose

KEYWORDS = (
    "rmg",
    "from",
    "param",
    "model",
    "fields",
    "grader",
    "pairwise",
    "ranking",
    "aggregate",
    "refine",
    "require",
    "validate",
    "internal",
)
BLOCK_KEYS = frozenset(
    "prompt system model rubric samples pool logprobs escalate generator score missing compare swap decide group among "
    "by until rounds keep patience guard holdout feedback draft level pass".split()
)
HEAD = re.compile(
    r"(?:(?:param|model|grader|pairwise|ranking|aggregate|refine|validate)[ \t]+[^\W\d]\w*[ \t]*(?!=[^=]|\.|\w)"
    r"|(?:param|model|grader|aggregate)[ \t]+[^\W\d]\w*[ \t]*=|fields[ \t]*:|rmg[ \t]+\d|from[ \t]+[\"']|require[ \t]+\S)"
)
_KEY_LINE = re.compile(r"[ \t]*([^\W\d]\w*)[ \t]*(?:=(?!=)|:)")
_TRIPLE = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|\'\'\'(?:[^\'\\]|\\.|\'(?!\'\'))*\'\'\'', re.S)
_SINGLE = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_PLAIN = re.compile(r"[^\"'#()\[\]\n]+")
_CLOSER = {"(": ")", "[": "]"}


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A statement's text without indent and trailing comment; `readable` unless its string or bracket never ends."""

    start: int
    end: int
    indent: int
    readable: bool = True


def split_lines(source: Source) -> tuple[list[LogicalLine], list[Diagnostic]]:
    """Cut a source into logical lines, with the mistakes that only show there: tabs, open strings, open brackets."""
    scanner = _Scanner(source)
    lines: list[LogicalLine] = []
    while (line := scanner.next_line()) is not None:
        lines.append(line)
    return lines, scanner.mistakes


class _Scanner:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.at = 0
        self.mistakes: list[Diagnostic] = []

    def next_line(self) -> LogicalLine | None:
        while self.at < len(self.text):
            start = self.at
            blanks = re.compile(r"[ \t\f]*").match(self.text, start)
            assert blanks is not None
            if self.text[blanks.end() : blanks.end() + 1] in ("", "\n", "#"):
                self.at = self._line_end(start) + 1
                continue
            self._check_tabs(start, blanks.group())
            return self._logical(blanks.end(), len(blanks.group().expandtabs(4)))
        return None

    def _check_tabs(self, start: int, blanks: str) -> None:
        if "\t" not in blanks:
            return
        span = Span(start, start + len(blanks))
        fix = Fix(span, blanks.expandtabs(4), "use four blanks for a tab")
        message = "a tab in the indentation"
        self.mistakes.append(
            diagnose("RMG105", message, self.source, span, help="indent with four blanks", fixes=[fix])
        )

    def _logical(self, start: int, indent: int) -> LogicalLine:
        self.at = start
        open_brackets: list[int] = []
        end = start
        readable = True
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\n":
                if not open_brackets:
                    break
                if self._fresh_statement(self.at + 1, indent):
                    break
                self.at += 1
            elif char == "#":
                self.at = self._line_end(self.at)
            elif char in "\"'":
                readable = self._string(indent) and readable
                end = self.at
            elif char in "()[]":
                _track(open_brackets, self.text, self.at)
                self.at += 1
                end = self.at
            else:
                end = self._plain()
        if open_brackets and readable:
            self._unclosed_bracket(open_brackets[-1])
            readable = False
        self.at = self._line_end(self.at) + 1
        return LogicalLine(start, max(end, start), indent, readable)

    def _plain(self) -> int:
        run = _PLAIN.match(self.text, self.at)
        assert run is not None
        self.at = run.end()
        return self.at - (len(run.group()) - len(run.group().rstrip()))

    def _string(self, indent: int) -> bool:
        """Step over a string; where it never ends, say so and stop where the next statement begins."""
        triple = self.text.startswith(('"""', "'''"), self.at)
        found = (_TRIPLE if triple else _SINGLE).match(self.text, self.at)
        if found and not (triple and self._swallows(found.start(), found.end(), indent)):
            self.at = found.end()
            return True
        if not triple and _curly_before(self.source.line_at(self.at), self.source.position(self.at).column - 1):
            self.at += 1
            return True
        self._unclosed_string(triple)
        self.at = self._resume(indent) if triple else self._line_end(self.at)
        return False

    def _swallows(self, start: int, end: int, indent: int) -> bool:
        """Does the string reach over a line that starts a declaration, or a setting beside its own line?"""
        at = self._line_end(start) + 1
        while at < end:
            if self._fresh_statement(at, indent):
                return True
            at = self._line_end(at) + 1
        return False

    def _fresh_statement(self, at: int, indent: int) -> bool:
        if HEAD.match(self.text, at):
            return True
        key = _KEY_LINE.match(self.text, at)
        if not key or indent == 0 or key.group(1) not in BLOCK_KEYS:
            return False
        return len(self.text[at : key.start(1)].expandtabs(4)) <= indent

    def _resume(self, indent: int) -> int:
        at = self._line_end(self.at) + 1
        while at < len(self.text) and not self._fresh_statement(at, indent):
            at = self._line_end(at) + 1
        return min(at - 1, len(self.text))

    def _line_end(self, at: int) -> int:
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found

    def _unclosed_string(self, triple: bool) -> None:
        quotes = self.text[self.at : self.at + (3 if triple else 1)]
        span = Span(self.at, self.at + len(quotes))
        help = f"end the text with {quotes}" + (
            "" if triple else '; a text of several lines stands between """ and """'
        )
        self.mistakes.append(
            diagnose("RMG106", f"the text that starts here has no closing {quotes}", self.source, span, help=help)
        )

    def _unclosed_bracket(self, at: int) -> None:
        bracket = self.text[at]
        message = f"`{bracket}` is never closed"
        self.mistakes.append(
            diagnose("RMG109", message, self.source, Span(at, at + 1), help=f"add the missing `{_CLOSER[bracket]}`")
        )


def _track(open_brackets: list[int], text: str, at: int) -> None:
    if text[at] in "([":
        open_brackets.append(at)
    elif open_brackets and _CLOSER[text[open_brackets[-1]]] == text[at]:
        open_brackets.pop()


def _curly_before(line: str, column: int) -> bool:
    """Curly quotes earlier on the line: what follows is a word's apostrophe, and the curly ones are the mistake."""
    return any(quote in line[:column] for quote in "“”„‘’")
