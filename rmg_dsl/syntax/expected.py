"""What the grammar accepts at the end of an unfinished line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lark.exceptions import UnexpectedInput

from rmg_dsl.syntax.bad_line import CONTEXT_BEFORE, LineKind
from rmg_dsl.syntax.grammar import grammar
from rmg_dsl.syntax.keywords import keywords_by_terminal
from rmg_dsl.syntax.layout import LayoutError

_LAYOUT_TERMINALS = frozenset({"_NL", "_INDENT", "_DEDENT"})


class LineToken(NamedTuple):
    """A token of the line: the name of its terminal, and its text."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class ExpectedNext:
    """The tokens of a line so far, and what may follow: keywords, a name, a text."""

    tokens: tuple[LineToken, ...]
    keywords: tuple[str, ...]
    allows_name: bool
    allows_string: bool


def expected_next(kind: LineKind, line: str) -> ExpectedNext | None:
    """What may follow the text of a line of this kind; none where the text cannot be read.

    >>> expected_next("head", "grader clarity -> 1..5").keywords
    ('lower',)
    >>> expected_next("criterion", "").keywords
    ('veto', 'True', 'False')
    >>> expected_next("head", "grader = 5") is None
    True
    """
    before = CONTEXT_BEFORE[kind]
    state = grammar().parse_interactive(f"\n{before}{line}")
    tokens: list[LineToken] = []
    try:
        lexer = state.lexer_thread
        for token in lexer.lex(state.parser_state):  # type: ignore[no-untyped-call] # of lark
            # The text ends here, but its blocks are still open: a dedent would close them.
            if token.type == "_DEDENT":
                break
            state.feed_token(token)
            is_in_line = (token.start_pos or 0) > len(before)
            if is_in_line and token.type not in _LAYOUT_TERMINALS:
                tokens.append(LineToken(token.type, str(token)))
    except (UnexpectedInput, LayoutError):
        return None
    accepted: set[str] = state.accepts()  # type: ignore[no-untyped-call] # lark's own
    words = tuple(word for terminal, word in keywords_by_terminal().items() if terminal in accepted)
    return ExpectedNext(tuple(tokens), words, "NAME" in accepted, "STRING" in accepted)
