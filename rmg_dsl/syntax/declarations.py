"""The table of declarations and keys, loaded from `grammar/declarations.toml`.

The table lives in `syntax` and not in `ir`, because the parser's recovery reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from rmg_dsl.syntax.disk_cache import load_or_make, private_file
from rmg_dsl.syntax.grammar import declarations_text

Form = Literal["line", "block", "line or block"]
NameRole = Literal["none", "new", "field", "score"]
Shape = Literal[
    "prompt",
    "model",
    "expr",
    "condition",
    "count",
    "bool",
    "text",
    "words",
    "score",
    "scores",
    "fields",
    "rubric",
]


class KeySpec(NamedTuple):
    """A key of a block: what its value is, and what may stand in it."""

    name: str
    shape: Shape
    doc: str
    takes: str
    words: tuple[str, ...] = ()
    most: int = 0
    required: bool = False
    asks_judge: bool = False
    has_when: bool = False
    names: Mapping[str, str] = MappingProxyType({})


class DeclarationSpec(NamedTuple):
    """A declaration: its form, its name and its keys, in the order of the table."""

    keyword: str
    doc: str
    usage: str
    form: Form
    name_role: NameRole
    keys: Mapping[str, KeySpec]
    start: str = ""
    has_value: bool = False
    text_key: str = ""
    value_key: str = ""
    has_condition: bool = False
    has_scale: bool = False
    gives_score: bool = False
    is_library_only: bool = False

    @property
    def has_block(self) -> bool:
        return self.form != "line"

    @property
    def has_line(self) -> bool:
        return self.form != "block"

    @property
    def declares_name(self) -> bool:
        """Does it declare a name in a spec? `internal` does so in the library only."""
        return self.name_role == "new" and not self.is_library_only

    @property
    def has_name(self) -> bool:
        """Does a name follow the keyword, a new one or that of a field or a score?"""
        return self.name_role != "none" and not self.is_library_only

    @property
    def settings(self) -> Mapping[str, KeySpec]:
        """The keys that stand on a line `key = value`: all but `rubric`, which has lines of its
        own.
        """
        return {name: key for name, key in self.keys.items() if key.shape != "rubric"}

    @property
    def required_keys(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys.values() if key.required)


@cache
def declarations() -> Mapping[str, DeclarationSpec]:
    """Every declaration of the language by its keyword, in the order of the grammar.

    >>> declarations()["aggregate"].required_keys, declarations()["refine"].form
    (('score',), 'block')
    >>> declarations()["grader"].keys["pool"].words
    ('mean', 'majority', 'median', 'worst')

    Raises `KeyError` or `TypeError` where the file lacks an entry or has an unknown one.
    """
    return {keyword: _declaration_spec(keyword, row) for keyword, row in _table().items()}


def _table() -> dict[str, dict[str, Any]]:
    text = declarations_text()

    def parse_toml() -> dict[str, dict[str, Any]]:
        # The parser of TOML costs more than the rest of the table: 3 ms of every `rmg check`.
        import tomllib

        return tomllib.loads(text)

    return load_or_make(private_file("declarations", text), parse_toml)


def _declaration_spec(keyword: str, row: Mapping[str, Any]) -> DeclarationSpec:
    rest = {entry: value for entry, value in row.items() if entry not in _RENAMED_ENTRIES}
    renamed = {ours: row[theirs] for theirs, ours in _RENAMED_ENTRIES.items() if theirs in row}
    keys = {name: _key_spec(name, key) for name, key in row.get("keys", {}).items()}
    return DeclarationSpec(keyword=keyword, **rest, **renamed | {"keys": keys})


# What the file calls by a shorter word than the fields here.
_RENAMED_ENTRIES = {
    "name": "name_role",
    "keys": "keys",
    "value": "has_value",
    "library_only": "is_library_only",
}


def _key_spec(name: str, row: Mapping[str, Any]) -> KeySpec:
    return KeySpec(name=name, **{**row, "words": tuple(row.get("words", ()))})


def keywords() -> tuple[str, ...]:
    """The words that start a declaration, in the order of the grammar.

    >>> keywords()[:3]
    ('rmg', 'from', 'param')
    """
    return tuple(declarations())


@cache
def block_keys() -> frozenset[str]:
    """The keys of all blocks.

    >>> {"prompt", "rubric", "rounds"} <= block_keys()
    True
    """
    return frozenset(name for spec in declarations().values() for name in spec.keys)


def keys_of(keyword: str) -> Mapping[str, KeySpec]:
    """The keys of a declaration; none for a word that is no keyword."""
    spec = declarations().get(keyword)
    if spec is None:
        return {}
    return spec.keys


def word_pattern(words: Iterable[str]) -> str:
    """A pattern for one of these words, to be put between `(` and `)`.

    >>> word_pattern(spec.keyword for spec in declarations().values() if spec.has_scale)
    'grader'
    """
    return "|".join(words)
