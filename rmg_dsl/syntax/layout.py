"""Indentation as tokens: a stateless pass over the lexer's stream, so that one parser serves many threads."""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token

_OPENING = frozenset({"LPAR", "LSQB"})
_CLOSING = frozenset({"RPAR", "RSQB"})


class LayoutError(Exception):
    """Indentation that fits no open block; `offset` is where the line's text starts."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Layout:
    """Lark's post-lexer: adds _INDENT and _DEDENT, drops line breaks inside brackets; all state is in the generator."""

    # NAME is always read whole, so that `paramfloor` is one name and not a keyword with a name behind it.
    always_accept = ("_NL", "NAME")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
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
        if last is not None:
            yield from _dedent_tokens(stack, 0, last)


def _indent_change_tokens(stack: list[int], newline: Token) -> Iterator[Token]:
    indent = _indent_after(newline)
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
    """The blanks before the next token; a stream that ends in a comment closes all blocks."""
    blanks = str(newline).rpartition("\n")[2]
    if "\t" in blanks.partition("#")[0]:
        raise LayoutError(newline.end_pos or 0)
    return 0 if "#" in blanks else len(blanks)
