"""Indentation as tokens: a pass over the stream of the lexer.

It has no state of its own, so that one parser can serve many threads.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token

_OPENING = frozenset({"LPAR", "LSQB"})
_CLOSING = frozenset({"RPAR", "RSQB"})


class LayoutError(Exception):
    """Indentation that matches no open block; `offset` is where the text of the line starts."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Layout:
    """Lark's post-lexer: it adds _INDENT and _DEDENT, and drops line breaks inside brackets."""

    # The lexer must read a NAME whole: `paramfloor` is one name, not the keyword and a name.
    always_accept = ("_NL", "NAME")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        # Local variables, not attributes: two threads may read two streams at once.
        stack, depth, last = [0], 0, None
        for token in stream:
            last = token
            if token.type == "_NL":
                if not depth:
                    yield token
                    yield from _indent_change_tokens(stack, token)
                continue
            depth += (token.type in _OPENING) - (token.type in _CLOSING)
            yield token
        # The end of the text closes every block that is open.
        if last is not None:
            yield from _dedent_tokens(stack, 0, last)


def _indent_change_tokens(stack: list[int], newline: Token) -> Iterator[Token]:
    indent = _indent_after(newline)
    # Any deeper indentation opens a block: the formatter, not the parser, cares about its width.
    if indent > stack[-1]:
        stack.append(indent)
        yield Token.new_borrow_pos("_INDENT", "", newline)
        return
    yield from _dedent_tokens(stack, indent, newline)
    if indent != stack[-1]:
        raise LayoutError(newline.end_pos or 0)


def _dedent_tokens(stack: list[int], indent: int, at: Token) -> Iterator[Token]:
    while stack[-1] > indent:
        stack.pop()
        yield Token.new_borrow_pos("_DEDENT", "", at)


def _indent_after(newline: Token) -> int:
    """The number of blanks before the next token."""
    blanks = str(newline).rpartition("\n")[2]
    # A tab has no width that everybody agrees on.
    if "\t" in blanks.partition("#")[0]:
        raise LayoutError(newline.end_pos or 0)
    # A comment in the last line of the token ends the text: all blocks close.
    if "#" in blanks:
        return 0
    return len(blanks)
