"""The place of a cursor in a spec: the line so far, and the declaration that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rmg_dsl.diagnostics import Source
from rmg_dsl.syntax.bad_line import LineKind
from rmg_dsl.syntax.declarations import declarations
from rmg_dsl.syntax.lines import LogicalLine, split_lines
from rmg_dsl.syntax.strings import STRING

_WORD = re.compile(r"(?:[^\W\d]\w*)?\Z")
_HEAD = re.compile(r"(\w+)[ \t]*(\w*)")
_KEY = re.compile(r"(\w+)[ \t]*[=:]")
_RUBRIC = re.compile(r"rubric[ \t]*:")
_QUOTE_OR_COMMENT = re.compile(r"[\"'#]")
_IN_COMMENT = -1
_OPENING_QUOTES = re.compile(r"r?(\"\"\"|'''|\"|')")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a spec.

    In a block `owner` is the keyword of the declaration, `name` its name, and `keys` are the first
    words of its other lines. `line` is the code up to the `word` at `start`. Inside of quotes
    `line` ends where they open, and `text` is the text so far with the word; in code it is None.
    """

    kind: LineKind
    owner: str
    name: str
    line: str
    word: str
    start: int
    text: str | None = None
    keys: frozenset[str] = frozenset()

    @property
    def declared_name(self) -> str:
        """The name that the declaration declares: it cannot be used in its own declaration."""
        owner, name = self.owner, self.name
        head = _HEAD.match(self.line)
        if self.kind == "head" and head:
            owner, name = head.groups()
        spec = declarations().get(owner)
        if spec is None or not spec.declares_name:
            return ""
        return name


def locate(source: Source, offset: int) -> Cursor | None:
    """The place at an offset; None in a comment, and where no line of a spec can stand.

    >>> text = "grader clarity -> 1..5:\\n    model = str"
    >>> place = locate(Source.of(text), len(text))
    >>> place.kind, place.owner, place.name, place.line, place.word
    ('setting', 'grader', 'clarity', 'model = ', 'str')
    """
    lines, _ = split_lines(source)
    above = [line for line in lines if line.start <= offset]
    start = _line_start(source, above, offset)
    indent = start - source.line_span(offset).start
    if above and above[-1].start == start:
        indent = above.pop().indent
    owner = _enclosing_declaration(source, above, indent)
    written = source.text[start:offset]
    quote = _open_text_start(written)
    if owner is None or quote == _IN_COMMENT:
        return None
    word = _WORD.search(written)
    assert word is not None  # it may be empty
    place = start + word.start()
    if quote is None:
        keys = _sibling_keys(source, lines, start)
        return Cursor(*owner, written[: word.start()], word.group(), place, keys=keys)
    quotes = _OPENING_QUOTES.match(written, quote)
    assert quotes is not None
    return Cursor(*owner, written[:quote], word.group(), place, written[quotes.end() :])


def _line_start(source: Source, above: Sequence[LogicalLine], offset: int) -> int:
    """The start of the line of the cursor; on a line that is blank so far, the cursor itself."""
    if above and (offset <= above[-1].end or "\n" not in source.text[above[-1].end : offset]):
        return above[-1].start
    line = source.text[source.line_span(offset).start : offset]
    return offset - len(line.lstrip())


def _enclosing_declaration(
    source: Source, above: Sequence[LogicalLine], indent: int
) -> tuple[LineKind, str, str] | None:
    """The kind of a line below the lines `above`, with the keyword and name of its declaration."""
    if not indent:
        return "head", "", ""
    inner = next((line for line in reversed(above) if line.indent < indent), None)
    head = next((line for line in reversed(above) if not line.indent), None)
    opening = _HEAD.match(source.text, head.start) if head else None
    if inner is None or head is None or opening is None:
        return None
    owner, name = opening.group(1), opening.group(2)
    if inner.indent and _RUBRIC.match(source.text, inner.start):
        return "criterion", owner, name
    if owner == "fields":
        return "field", owner, ""
    return "setting", owner, name


def _sibling_keys(source: Source, lines: Sequence[LogicalLine], start: int) -> frozenset[str]:
    """The first words of the other lines of the same declaration."""
    # The block also goes on below the cursor: a key there must not be offered again.
    heads = [line.start for line in lines if not line.indent]
    first = max((head for head in heads if head < start), default=0)
    last = min((head for head in heads if head > start), default=len(source.text))
    others = (line for line in lines if first < line.start < last and line.start != start)
    matches = (_KEY.match(source.text, line.start) for line in others)
    return frozenset(match.group(1) for match in matches if match)


def _open_text_start(line: str) -> int | None:
    """The start of the text that is open at the end of a line.

    None where the line ends in code, `_IN_COMMENT` where it ends in a comment.
    """
    place = 0
    while match := _QUOTE_OR_COMMENT.search(line, place):
        mark = match.start()
        line_end = line.find("\n", mark)
        if match.group() == "#":
            if line_end < 0:
                return _IN_COMMENT
            place = line_end
            continue
        start = mark - _has_raw_prefix(line, mark)
        text = STRING.match(line, start)
        if text is not None:
            place = text.end()
        elif line_end < 0 or line.startswith(('"""', "'''"), mark):
            return start
        else:
            # A text on one line whose quote was forgotten: it ends with its line.
            place = line_end
    return None


def _has_raw_prefix(line: str, quote: int) -> bool:
    """Has the text a prefix `r` before its quotes, which is not the end of a name?"""
    return re.search(r"(?<!\w)r\Z", line[:quote]) is not None
