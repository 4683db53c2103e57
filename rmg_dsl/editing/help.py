"""Help on a word of the language, a function, a standard grader, or the code of a diagnostic."""

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
# Words without a row in a table.
_OTHER_WORDS = (
    *((offer.text, offer.doc) for offer in (LLM, PANEL, PYTHON, STD)),
    ("lower", "after a scale: lower is better"),
    (
        "veto",
        "before a criterion of a rubric of points: where it is met, "
        "the score is the worst there is",
    ),
    *((word, "a word of expressions, as in Python") for word in grammar_keywords().reserved_words),
)


def help_on(name: str, universe: Universe) -> str:
    """All meanings of a name as text; without a name the list of names.

    >>> from rmg_dsl.api.sources import universe
    >>> print(help_on("missing", universe()))
    missing: a key of `aggregate`
        `propagate` (default) or `drop`
        what happens where a part has no score

    Raises UsageError for an unknown name.
    """
    # Names are often copied from messages, where they stand in backticks.
    name = name.strip().strip("`")
    if not name:
        return _help_index(universe)
    library = _library_help(name.removeprefix("std."), universe)
    parts = [*_code_help(name), *_word_help(name), *library]
    if not parts:
        raise UsageError(f"there is no help on `{name}`: {_advice_on(name, universe)}")
    return "\n\n".join(parts)


def _advice_on(name: str, universe: Universe) -> str:
    words = {entry.name for entry in doc_entries()}
    close = suggest_name(name, words | {*universe.functions} | {*_std_graders(universe)})
    if close:
        return f"did you mean `{close}`?"
    return "`%rmg_help` lists what there is"


def help_at(source: Source, offset: int, universe: Universe) -> str | None:
    """The meaning of the word at an offset of a spec, a name of the spec itself first; else None.

    >>> from rmg_dsl.api.sources import universe
    >>> source = Source.of("grader brief = words(response) <= 80")
    >>> print(help_at(source, 17, universe()))
    words(text): a function of one row
        How many words the text has, split on white space.
    """
    words = _WORD.finditer(source.text)
    word = next((match for match in words if match.start() <= offset <= match.end()), None)
    if word is None:
        return None
    prefix, name = word.groups()
    # `std.relevance` is never the declaration `relevance` of the spec.
    if not prefix:
        blocks = _declaration_help(name, SpecNames(source, universe, ()))
        if blocks:
            return "\n\n".join(blocks)
    try:
        return help_on(name, universe)
    except UsageError:
        return None


def _declaration_help(name: str, names: SpecNames) -> list[str]:
    kinds = (*SCORED_KINDS, "field", "param", "model")
    return [
        _titled_block(f"{offer.text}: a {offer.kind} of this spec", offer.doc)
        for offer in names.declaration_offers(*kinds)
        if offer.text == name
    ]


def _titled_block(title: str, *lines: str) -> str:
    wrapped = (fill(line, _WIDTH - 4, break_long_words=False) for line in lines if line)
    return "\n".join([title, *(indent(line, "    ") for line in wrapped)])


def _code_help(name: str) -> Iterator[str]:
    # `401` and `rmg401` are RMG401.
    row = codes().get(f"RMG{name.upper().removeprefix('RMG')}")
    if row is not None:
        yield f"{row.code} ({row.severity}): {row.title}\n\n{row.text}"


# ── words ─────────────────────────────────────────────────────────────────────────────────────────


def _word_help(name: str) -> Iterator[str]:
    entries = [e for e in doc_entries() if e.name == name and (e.form or e.meaning)]
    for entry in entries:
        yield _entry_help(entry)
    for word, line in _OTHER_WORDS:
        if word == name:
            yield _titled_block(f"{name}: in a spec", line)
    # A word such as `against` has no entry: the declarations that it belongs to explain it.
    if not entries and name in grammar_keywords():
        in_code = re.compile(rf"`[^`]*\b{name}\b[^`]*`")
        yield from (_entry_help(entry) for entry in doc_entries() if in_code.search(entry.form))


def _entry_help(entry: DocEntry) -> str:
    kind = {
        "declaration": "a declaration",
        "key": f"a key of `{entry.owner}`",
        "scale": "a scale",
        "setting": "a setting of `llm(…)`",
        "status": "a status of a row",
    }[entry.kind]
    meaning = word_meaning(entry.kind, entry.name, entry.owner)
    return _titled_block(f"{entry.name}: {kind}", entry.form, meaning)


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
        title = f"std.{name}: a grader of the standard library"
        yield f"{_titled_block(title, *grader.doc.splitlines())}\n\n{text}"


def _function_help(function: Function) -> str:
    where = "all rows, for `require`" if function.is_statistic else "one row"
    return _titled_block(f"{function}: a function of {where}", *function.doc.split("\n"))


def _help_index(universe: Universe) -> str:
    """The names that have help, by kind."""
    keys = {entry.name for entry in doc_entries() if entry.kind == "key"}
    functions = universe.functions.values()
    rows = {
        "declarations": [s.keyword for s in declarations().values() if not s.is_library_only],
        "keys": sorted(keys),
        "scales": grammar_keywords().scale,
        "functions": [f.name for f in functions if not f.is_statistic],
        "over all rows": [f.name for f in functions if f.is_statistic],
        "std": list(_std_graders(universe)),
        "settings": universe.settings,
    }
    blocks = [_titled_block(f"{title}:", " ".join(names)) for title, names in rows.items()]
    return "\n".join([*blocks, "codes:", "    RMG101 and the like"])
