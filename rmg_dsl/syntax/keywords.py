"""The words of the grammar by their use, read from the grammar itself."""

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
    """Every word of the grammar, each in one group;
    `inside` has those of no other use, such as `when`.

    >>> grammar_keywords().constants, "points" in grammar_keywords().scale
    (('True', 'False', 'None'), True)
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
    words = keywords_by_terminal().values()
    name = next(t.pattern for t in grammar().terminals if t.name == "NAME").to_regexp()
    declarations = _keywords_of(_first_terminals("_declaration") | _first_terminals("edition"))
    scale = _keywords_of(_reachable_terminals("scale"))
    # Keywords are soft: only words that the pattern of a name excludes are reserved.
    reserved = [word for word in words if not re.fullmatch(name, word)]
    grouped = {*declarations, *scale, *reserved}
    inside = tuple(word for word in words if word not in grouped)
    operators = tuple(word for word in reserved if word[0].islower())
    constants = tuple(word for word in reserved if word not in operators)
    return Keywords(declarations, inside, scale, operators, constants)


@cache
def keywords_by_terminal() -> Mapping[str, str]:
    """The word of each terminal that stands for one.

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
    chosen = set(terminals)
    return tuple(word for terminal, word in keywords_by_terminal().items() if terminal in chosen)


def _expansions(rules: set[str]) -> Iterator[Sequence[Symbol]]:
    return (rule.expansion for rule in grammar().rules if str(rule.origin.name) in rules)


def _first_terminals(rule: str) -> set[str]:
    """The terminals that a rule can start with."""
    terminals: set[str] = set()
    for first, *_ in _expansions({rule}):
        if isinstance(first, Terminal):
            terminals.add(first.name)
        else:
            terminals |= _first_terminals(str(first.name))
    return terminals


def _reachable_terminals(rule: str) -> set[str]:
    """The terminals of a rule and of all rules that it names."""
    terminals: set[str] = set()
    visited: set[str] = set()
    rules = {rule}
    while rules:
        # Rules can name each other in a circle: none is expanded twice.
        visited |= rules
        symbols = [symbol for expansion in _expansions(rules) for symbol in expansion]
        terminals |= {symbol.name for symbol in symbols if isinstance(symbol, Terminal)}
        names = {str(symbol.name) for symbol in symbols if isinstance(symbol, NonTerminal)}
        rules = names - visited
    return terminals
