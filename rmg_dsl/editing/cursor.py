"""Where in a spec somebody is writing: the line so far, and the declaration that it belongs to."""

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
    """A place in a spec. `owner` is the keyword of the declaration that a line of a block belongs to, `name` what that
    declares, `keys` what its other lines begin with. `line` is the code so far, up to the `word` at `start`; inside of
    quotes it ends where they open, and `text` is what stands between them so far, the word included.
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
        """The name that is being declared: it cannot be used in its own declaration."""
        found = _HEAD.match(self.line) if self.kind == "head" else None
        owner, name = found.groups() if found else (self.owner, self.name)
        spec = declarations().get(owner)
        return name if spec is not None and spec.declares_name else ""


def locate(source: Source, offset: int) -> Cursor | None:
    """The place at an offset; none in a comment, and where no line of a spec can stand.

    >>> text = "grader clarity -> 1..5:\\n    model = str"
    >>> place = locate(Source.of(text), len(text))
    >>> place.kind, place.owner, place.name, place.line, place.word
    ('setting', 'grader', 'clarity', 'model = ', 'str')
    """
    lines, _ = split_lines(source)
    above = [line for line in lines if line.start <= offset]
    start = _line_start(source, above, offset)
    own = above.pop() if above and above[-1].start == start else None
    found = _enclosing_declaration(
        source, above, own.indent if own else start - source.line_span(offset).start
    )
    opened = _open_text_start(source.text[start:offset])
    if found is None or opened == _IN_COMMENT:
        return None
    written = source.text[start:offset]
    word = _WORD.search(written)
    assert word is not None  # it may be empty
    if opened is None:
        keys = _sibling_keys(source, lines, start)
        return Cursor(
            *found, written[: word.start()], word.group(), start + word.start(), keys=keys
        )
    quotes = _OPENING_QUOTES.match(written, opened)
    assert quotes is not None
    return Cursor(
        *found, written[:opened], word.group(), start + word.start(), written[quotes.end() :]
    )


def _line_start(source: Source, above: Sequence[LogicalLine], offset: int) -> int:
    """Where the line that the cursor stands on begins; on a line that is blank so far, the cursor itself."""
    if above and (offset <= above[-1].end or "\n" not in source.text[above[-1].end : offset]):
        return above[-1].start
    line = source.text[source.line_span(offset).start : offset]
    return offset - len(line.lstrip())


def _enclosing_declaration(
    source: Source, above: Sequence[LogicalLine], indent: int
) -> tuple[LineKind, str, str] | None:
    """What kind of line stands at this indent below those above, and the declaration that it belongs to."""
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
    return ("field", owner, "") if owner == "fields" else ("setting", owner, name)


def _sibling_keys(source: Source, lines: Sequence[LogicalLine], start: int) -> frozenset[str]:
    """What the other lines of the same declaration begin with."""
    heads = [line.start for line in lines if not line.indent]
    first = max((head for head in heads if head < start), default=0)
    last = min((head for head in heads if head > start), default=len(source.text))
    others = (line for line in lines if first < line.start < last and line.start != start)
    return frozenset(
        found.group(1) for line in others if (found := _KEY.match(source.text, line.start))
    )


def _open_text_start(line: str) -> int | None:
    """Where the text opens that the line ends in; none where it ends in code; in a comment `_IN_COMMENT`."""
    at = 0
    while found := _QUOTE_OR_COMMENT.search(line, at):
        if found.group() == "#":
            end = line.find("\n", found.start())
            if end < 0:
                return _IN_COMMENT
            at = end
            continue
        start = found.start() - _has_raw_prefix(line, found.start())
        text = STRING.match(line, start)
        if (
            text is None
            and "\n" in line[start:]
            and not line.startswith(('"""', "'''"), found.start())
        ):
            at = line.find("\n", start)  # a slip above: its line is over
        elif text is None:
            return start
        else:
            at = text.end()
    return None


def _has_raw_prefix(line: str, quote: int) -> bool:
    """Has the text an `r` before its quotes, which is no end of a name?"""
    return re.search(r"(?<!\w)r\Z", line[:quote]) is not None
