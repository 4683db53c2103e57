"""Help on a name: what a word of the language, a function, a standard grader or the code of a diagnostic means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import fill, indent

from rmg_dsl.checker import Function, Universe
from rmg_dsl.diagnostics import Source, codes
from rmg_dsl.editing.code import LLM, PANEL, PYTHON, STD
from rmg_dsl.editing.names import SCORED_KINDS, SpecNames
from rmg_dsl.editing.spec_docs import DocEntry, doc_entries, word_meaning
from rmg_dsl.errors import UsageError
from rmg_dsl.suggest import suggest_name
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.declarations import declarations
from rmg_dsl.syntax.keywords import grammar_keywords

_WIDTH = 96
_WORD = re.compile(r"(\bstd\.)?\b([^\W\d]\w*)")
_OTHER_WORDS = (
    *((offer.text, offer.doc) for offer in (LLM, PANEL, PYTHON, STD)),
    ("lower", "after a scale: lower is better"),
    (
        "veto",
        "before a criterion of a rubric of points: where it is met, the score is the worst there is",
    ),
    *((word, "a word of expressions, as in Python") for word in grammar_keywords().reserved_words),
)


def help_on(name: str, universe: Universe) -> str:
    """All that a name means, as text; for no name a list of the names. Raises UsageError for one that means nothing.

    >>> from rmg_dsl.api.sources import universe
    >>> print(help_on("missing", universe()))
    missing: a key of `aggregate`
        `propagate` (default) or `drop`
        what happens where a part has no score
    """
    name = name.strip().strip("`")
    if not name:
        return _help_index(universe)
    found = [
        *_code_help(name),
        *_word_help(name),
        *_library_help(name.removeprefix("std."), universe),
    ]
    if not found:
        close = suggest_name(
            name,
            {entry.name for entry in doc_entries()}
            | {*universe.functions}
            | {*_std_graders(universe)},
        )
        advice = f"did you mean `{close}`?" if close else "`%rmg_help` lists what there is"
        raise UsageError(f"there is no help on `{name}`: {advice}")
    return "\n\n".join(found)


def help_at(source: Source, offset: int, universe: Universe) -> str | None:
    """What the word at an offset of a spec means: a name of the spec itself first; none where there is no help.

    >>> from rmg_dsl.api.sources import universe
    >>> print(help_at(Source.of("grader brief = words(response) <= 80"), 17, universe()))
    words(text): a function of one row
        How many words the text has, split on white space.
    """
    word = next(
        (found for found in _WORD.finditer(source.text) if found.start() <= offset <= found.end()),
        None,
    )
    if word is None:
        return None
    declared = (
        [] if word.group(1) else _declaration_help(word.group(2), SpecNames(source, universe, ()))
    )
    try:
        return "\n\n".join(declared) or help_on(word.group(2), universe)
    except UsageError:
        return None


def _declaration_help(name: str, known: SpecNames) -> list[str]:
    kinds = (*SCORED_KINDS, "field", "param", "model")
    return [
        _titled_block(f"{offer.text}: a {offer.kind} of this spec", offer.doc)
        for offer in known.declaration_offers(*kinds)
        if offer.text == name
    ]


def _titled_block(title: str, *lines: str) -> str:
    wrapped = (fill(line, _WIDTH - 4, break_long_words=False) for line in lines if line)
    return "\n".join([title, *(indent(line, "    ") for line in wrapped)])


def _code_help(name: str) -> Iterator[str]:
    row = codes().get(f"RMG{name.upper().removeprefix('RMG')}")
    if row is not None:
        yield f"{row.code} ({row.severity}): {row.title}\n\n{row.text}"


# ── words ─────────────────────────────────────────────────────────────────────────────────────────


def _word_help(name: str) -> Iterator[str]:
    entries = [
        entry for entry in doc_entries() if entry.name == name and (entry.form or entry.meaning)
    ]
    yield from (_entry_help(entry) for entry in entries)
    yield from (
        _titled_block(f"{name}: in a spec", line) for word, line in _OTHER_WORDS if word == name
    )
    if not entries and name in grammar_keywords():
        shown = [
            entry for entry in doc_entries() if re.search(rf"`[^`]*\b{name}\b[^`]*`", entry.form)
        ]
        yield from (_entry_help(entry) for entry in shown)


def _entry_help(entry: DocEntry) -> str:
    kind = {
        "declaration": "a declaration",
        "key": f"a key of `{entry.owner}`",
        "scale": "a scale",
        "setting": "a setting of `llm(…)`",
        "status": "a status of a row",
    }[entry.kind]
    said = word_meaning(entry.kind, entry.name, entry.owner)
    return _titled_block(f"{entry.name}: {kind}", entry.form, said)


# ── the library ───────────────────────────────────────────────────────────────────────────────────


def _std_graders(universe: Universe) -> dict[str, nodes.GraderDecl]:
    return {d.name.id: d for d in universe.library.declarations if isinstance(d, nodes.GraderDecl)}


def _library_help(name: str, universe: Universe) -> Iterator[str]:
    function = universe.functions.get(name)
    if function is not None:
        yield _function_help(function)
    grader = _std_graders(universe).get(name)
    if grader is not None:
        text = universe.library.source.text[grader.span.start : grader.span.end]
        doc = _titled_block(
            f"std.{name}: a grader of the standard library", *grader.doc.split("\n")
        )
        yield f"{doc}\n\n{text}"


def _function_help(function: Function) -> str:
    where = "all rows, for `require`" if function.is_statistic else "one row"
    return _titled_block(f"{function}: a function of {where}", *function.doc.split("\n"))


def _help_index(universe: Universe) -> str:
    """What there is help on, by kind."""
    keys = {entry.name for entry in doc_entries() if entry.kind == "key"}
    rows = {
        "declarations": [s.keyword for s in declarations().values() if not s.is_library_only],
        "keys": sorted(keys),
        "scales": grammar_keywords().scale,
        "functions": [
            name for name, function in universe.functions.items() if not function.is_statistic
        ],
        "over all rows": [
            name for name, function in universe.functions.items() if function.is_statistic
        ],
        "std": list(_std_graders(universe)),
        "settings": universe.settings,
    }
    told = "\n".join(_titled_block(f"{title}:", " ".join(names)) for title, names in rows.items())
    return f"{told}\ncodes:\n    RMG101 and the like"
