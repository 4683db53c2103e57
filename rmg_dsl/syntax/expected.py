"""What may stand next: the grammar itself is asked, at the end of a line that is not finished."""

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
    """A token of the grammar as it was read: the terminal's name, and the text."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class ExpectedNext:
    """The pieces of a line so far, and what the grammar takes after them: words of its own, a name, a text."""

    tokens: tuple[LineToken, ...]
    keywords: tuple[str, ...]
    allows_name: bool
    allows_string: bool


def expected_next(kind: LineKind, line: str) -> ExpectedNext | None:
    """What may follow a line of this kind; none where what is written cannot be read.

    >>> expected_next("head", "grader clarity -> 1..5").keywords
    ('lower',)
    >>> expected_next("criterion", "").keywords
    ('veto', 'True', 'False')
    >>> expected_next("head", "grader = 5") is None
    True
    """
    state = grammar().parse_interactive(f"\n{CONTEXT_BEFORE[kind]}{line}")
    pieces: list[LineToken] = []
    try:
        for token in state.lexer_thread.lex(state.parser_state):  # type: ignore[no-untyped-call] # lark's own
            if token.type == "_DEDENT":  # the text ends here, and its blocks do not
                break
            state.feed_token(token)
            if token.type not in _LAYOUT_TERMINALS and (token.start_pos or 0) > len(
                CONTEXT_BEFORE[kind]
            ):
                pieces.append(LineToken(token.type, str(token)))
    except (UnexpectedInput, LayoutError):
        return None
    accepted: set[str] = state.accepts()  # type: ignore[no-untyped-call] # lark's own
    words = tuple(word for terminal, word in keywords_by_terminal().items() if terminal in accepted)
    return ExpectedNext(tuple(pieces), words, "NAME" in accepted, "STRING" in accepted)
