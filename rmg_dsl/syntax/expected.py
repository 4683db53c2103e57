"""What may stand next: the grammar itself is asked, at the end of a line that is not finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lark.exceptions import UnexpectedInput

from rmg_dsl.syntax.bad_line import BEFORE, Kind
from rmg_dsl.syntax.grammar import grammar
from rmg_dsl.syntax.keywords import by_terminal
from rmg_dsl.syntax.layout import LayoutError

_LAYOUT = frozenset({"_NL", "_INDENT", "_DEDENT"})


class Piece(NamedTuple):
    """A token of the grammar as it was read: the terminal's name, and the text."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """The pieces of a line so far, and what the grammar takes after them: words of its own, a name, a text."""

    pieces: tuple[Piece, ...]
    words: tuple[str, ...]
    name: bool
    text: bool


def ahead(kind: Kind, line: str) -> Ahead | None:
    """What may follow a line of this kind; none where what is written cannot be read.

    >>> ahead("head", "grader clarity -> 1..5").words
    ('lower',)
    >>> ahead("criterion", "").words
    ('veto', 'True', 'False')
    >>> ahead("head", "grader = 5") is None
    True
    """
    state = grammar().parse_interactive(f"\n{BEFORE[kind]}{line}")
    pieces: list[Piece] = []
    try:
        for token in state.lexer_thread.lex(state.parser_state):  # type: ignore[no-untyped-call] # lark's own
            if token.type == "_DEDENT":  # the text ends here, and its blocks do not
                break
            state.feed_token(token)
            if token.type not in _LAYOUT and (token.start_pos or 0) > len(BEFORE[kind]):
                pieces.append(Piece(token.type, str(token)))
    except (UnexpectedInput, LayoutError):
        return None
    accepted: set[str] = state.accepts()  # type: ignore[no-untyped-call] # lark's own
    words = tuple(word for terminal, word in by_terminal().items() if terminal in accepted)
    return Ahead(tuple(pieces), words, "NAME" in accepted, "STRING" in accepted)
