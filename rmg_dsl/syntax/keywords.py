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
class Words:
    """Every word that the grammar knows, each once: `inside` are those of no other kind, such as `when`.

    >>> words().constants, "grader" in words().declarations, "points" in words().scale
    (('True', 'False', 'None'), True, True)
    """

    declarations: tuple[str, ...]
    inside: tuple[str, ...]
    scale: tuple[str, ...]
    operators: tuple[str, ...]
    constants: tuple[str, ...]

    @property
    def reserved(self) -> tuple[str, ...]:
        """The words that can never be names."""
        return (*self.operators, *self.constants)

    def __iter__(self) -> Iterator[str]:
        for group in (self.declarations, self.inside, self.scale, self.operators, self.constants):
            yield from group


@cache
def words() -> Words:
    """The words of the grammar, in its order."""
    known = by_terminal()
    name = next(t.pattern for t in grammar().terminals if t.name == "NAME").to_regexp()
    declarations = _among(_starting("_declaration") | _starting("edition"))
    scale = _among(_below("scale"))
    reserved = [word for word in known.values() if not re.fullmatch(name, word)]
    inside = tuple(
        word for word in known.values() if word not in {*declarations, *scale, *reserved}
    )
    operators = tuple(word for word in reserved if word[0].islower())
    return Words(
        declarations,
        inside,
        scale,
        operators,
        tuple(word for word in reserved if word not in operators),
    )


@cache
def by_terminal() -> Mapping[str, str]:
    """The terminals that stand for words, with their words.

    >>> by_terminal()["GRADER"], "LPAR" in by_terminal()
    ('grader', False)
    """
    patterns = ((terminal.name, terminal.pattern) for terminal in grammar().terminals)
    return {
        name: p.value
        for name, p in patterns
        if isinstance(p, PatternStr) and p.value.isidentifier()
    }


def _among(terminals: Iterable[str]) -> tuple[str, ...]:
    wanted = set(terminals)
    return tuple(word for terminal, word in by_terminal().items() if terminal in wanted)


def _expansions(rules: set[str]) -> Iterator[Sequence[Symbol]]:
    return (rule.expansion for rule in grammar().rules if str(rule.origin.name) in rules)


def _starting(rule: str) -> set[str]:
    """The terminals that a rule can start with."""
    found: set[str] = set()
    for first, *_ in _expansions({rule}):
        found |= {first.name} if isinstance(first, Terminal) else _starting(str(first.name))
    return found


def _below(rule: str) -> set[str]:
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
