"""The words of the grammar by what they are for, read from the grammar itself: the one list of keywords."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from lark.grammar import NonTerminal, Symbol, Terminal
from lark.lexer import PatternStr

from rmg_dsl.syntax.grammar import grammar


@dataclass(frozen=True, slots=True)
class Keywords:
    """Every word that the grammar knows, each once: `inside` are those of no other kind, such as `when`.

    >>> grammar_keywords().constants, "grader" in grammar_keywords().declarations, "points" in grammar_keywords().scale
    (('True', 'False', 'None'), True, True)
    """

    declarations: tuple[str, ...]
    inside: tuple[str, ...]
    scale: tuple[str, ...]
    operators: tuple[str, ...]
    constants: tuple[str, ...]

    @property
    def reserved_words(self) -> tuple[str, ...]:
        """The words that can never be names."""
        return (*self.operators, *self.constants)

    def __iter__(self) -> Iterator[str]:
        for group in (self.declarations, self.inside, self.scale, self.operators, self.constants):
            yield from group


@cache
def grammar_keywords() -> Keywords:
    """The words of the grammar, in its order."""
    known = keywords_by_terminal()
    name = next(t.pattern for t in grammar().terminals if t.name == "NAME").to_regexp()
    declarations = _keywords_of(_first_terminals("_declaration") | _first_terminals("edition"))
    scale = _keywords_of(_reachable_terminals("scale"))
    reserved = [word for word in known.values() if not re.fullmatch(name, word)]
    inside = tuple(
        word for word in known.values() if word not in {*declarations, *scale, *reserved}
    )
    operators = tuple(word for word in reserved if word[0].islower())
    return Keywords(
        declarations,
        inside,
        scale,
        operators,
        tuple(word for word in reserved if word not in operators),
    )


@cache
def keywords_by_terminal() -> Mapping[str, str]:
    """The terminals that stand for words, with their words.

    >>> keywords_by_terminal()["GRADER"], "LPAR" in keywords_by_terminal()
    ('grader', False)
    """
    patterns = ((terminal.name, terminal.pattern) for terminal in grammar().terminals)
    return {
        name: p.value
        for name, p in patterns
        if isinstance(p, PatternStr) and p.value.isidentifier()
    }


def _keywords_of(terminals: Iterable[str]) -> tuple[str, ...]:
    wanted = set(terminals)
    return tuple(word for terminal, word in keywords_by_terminal().items() if terminal in wanted)


def _expansions(rules: set[str]) -> Iterator[Sequence[Symbol]]:
    return (rule.expansion for rule in grammar().rules if str(rule.origin.name) in rules)


def _first_terminals(rule: str) -> set[str]:
    """The terminals that a rule can start with."""
    found: set[str] = set()
    for first, *_ in _expansions({rule}):
        found |= {first.name} if isinstance(first, Terminal) else _first_terminals(str(first.name))
    return found


def _reachable_terminals(rule: str) -> set[str]:
    """The terminals of a rule and of all rules that it names."""
    found: set[str] = set()
    seen: set[str] = set()
    rules = {rule}
    while rules:
        seen |= rules
        symbols = [symbol for expansion in _expansions(rules) for symbol in expansion]
        found |= {symbol.name for symbol in symbols if isinstance(symbol, Terminal)}
        rules = {str(symbol.name) for symbol in symbols if isinstance(symbol, NonTerminal)} - seen
    return found
