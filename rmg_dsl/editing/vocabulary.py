"""All words that an editor may colour or offer, by kind.

They come from the grammar, the table of declarations and the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass

from rmg_dsl.checker import Universe
from rmg_dsl.editing.templates import STATEMENTS, WORDS_IN_TAGS
from rmg_dsl.prompts.sandbox import FILTERS
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.declarations import block_keys, declarations
from rmg_dsl.syntax.keywords import grammar_keywords

WordGroup = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that the lexer for Pygments, the mode for JupyterLab and completion know.

    `named` are the declarations whose keyword a name follows and no scale; `scaled` those that take
    a scale too; `templates` the keys whose value is a prompt.

    >>> from rmg_dsl.api.sources import universe
    >>> "points" in vocabulary(universe()).scale
    True
    """

    declarations: WordGroup
    named: WordGroup
    scaled: WordGroup
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
    # The grammar has the words, the table says which of them name keys and declarations.
    words = grammar_keywords()
    table = declarations().values()
    keys = [key for spec in table for key in spec.keys.values()]
    graders = (d.name.id for d in universe.library.declarations if isinstance(d, nodes.GraderDecl))
    return Vocabulary(
        words.declarations,
        tuple(s.keyword for s in table if s.name_role != "none" and not s.has_scale),
        tuple(s.keyword for s in table if s.has_scale),
        tuple(word for word in words.inside if word not in block_keys()),
        words.scale,
        words.operators,
        words.constants,
        tuple(sorted(block_keys())),
        tuple(sorted({key.name for key in keys if key.shape == "prompt"})),
        (*universe.functions, "llm", "panel", "python"),
        tuple(graders),
        universe.settings,
        tuple(dict.fromkeys((*STATEMENTS, *WORDS_IN_TAGS))),
        tuple(sorted(FILTERS)),
    )
