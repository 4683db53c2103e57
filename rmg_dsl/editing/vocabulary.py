"""All words that an editor may colour or offer, by kind: made from the grammar, the keys and the standard library."""

from __future__ import annotations

from dataclasses import dataclass

from rmg_dsl.checker import Universe
from rmg_dsl.checker.keys import KEYS
from rmg_dsl.editing.templates import STATEMENTS, WORDS_IN_TAGS
from rmg_dsl.prompts.sandbox import FILTERS
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.keywords import grammar_keywords

WordGroup = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The one list: what the lexer for Pygments, the mode for JupyterLab and completion know.

    >>> from rmg_dsl.api.sources import universe
    >>> vocabulary(universe()).scale
    ('lower', 'bool', 'points')
    """

    declarations: WordGroup
    inside: WordGroup
    scale: WordGroup
    operators: WordGroup
    constants: WordGroup
    keys: WordGroup
    templates: WordGroup
    functions: WordGroup
    graders: WordGroup
    settings: WordGroup
    statements: WordGroup
    filters: WordGroup


def vocabulary(universe: Universe) -> Vocabulary:
    """The words of the language, and of the functions and graders that this universe has."""
    found = grammar_keywords()
    keys = {name: key for block in KEYS.values() for name, key in block.items()}
    graders = (d.name.id for d in universe.library.declarations if isinstance(d, nodes.GraderDecl))
    return Vocabulary(
        found.declarations,
        tuple(word for word in found.inside if word != "rubric"),
        found.scale,
        found.operators,
        found.constants,
        (*sorted(keys), "rubric"),
        tuple(sorted(name for name, key in keys.items() if key.shape == "prompt")),
        (*universe.functions, "llm", "panel", "python"),
        tuple(graders),
        universe.settings,
        tuple(dict.fromkeys((*STATEMENTS, *WORDS_IN_TAGS))),
        tuple(sorted(FILTERS)),
    )
