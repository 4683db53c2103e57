"""Completion, help and colours: what is offered at a cursor, and that all of them know the one list
of words.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    _TokenType,
)
from spec_examples import examples

from rmg_dsl.api.sources import universe
from rmg_dsl.checker import check_spec
from rmg_dsl.diagnostics import Source
from rmg_dsl.editing import Vocabulary, complete, help_at, help_on, vocabulary
from rmg_dsl.editing.spec_docs import doc_entries, word_meaning
from rmg_dsl.errors import UsageError
from rmg_dsl.integrations.jupyterlab import with_words
from rmg_dsl.integrations.pygments_lexer import RmgLexer
from rmg_dsl.syntax import nodes, parse
from rmg_dsl.syntax.declarations import block_keys, declarations, keywords
from rmg_dsl.syntax.grammar import grammar, grammar_text
from rmg_dsl.syntax.keywords import grammar_keywords

CASES = ROOT / "tests" / "cases" / "complete"
SPECS = [
    *sorted((ROOT / "tests" / "cases" / "specs").glob("*.rmg")),
    ROOT / "rmg_dsl" / "examples" / "support.rmg",
]
JUPYTERLAB = ROOT / "grammar" / "editors" / "jupyterlab"
KNOWN: Vocabulary = vocabulary(universe())


# ── completion, case by case ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Case:
    """A text with a cursor, and what is offered there:
    `just` these, at least `has`, never one of `lacks`.
    """

    title: str
    text: str
    columns: list[str] | None
    just: list[str] | None
    has: set[str]
    lacks: set[str]

    @classmethod
    def read(cls, part: str) -> Case:
        head, text = part.split("\n\n", 1)
        title, *lines = head.split("\n")
        said = {key: listed(names) for key, _, names in (line.partition(":") for line in lines)}
        columns, just = said.get("columns"), said.get("is")
        has, lacks = set(said.get("has", [])), set(said.get("lacks", []))
        return cls(title, text.rstrip("\n"), columns, just, has, lacks)


def listed(line: str) -> list[str]:
    return [name.strip() for name in line.split(",") if name.strip()]


def cases() -> Iterator[Case]:
    for path in sorted(CASES.glob("*.txt")):
        for part in path.read_text("utf-8").split("=== ")[1:]:
            yield Case.read(part)


def offered(text: str, columns: list[str] | None = None) -> list[str]:
    cursor = text.index("│")
    source = Source.of(text.replace("│", ""), str(CASES / "here.rmg"))
    return [found.text for found in complete(source, cursor, universe(), columns)]


@pytest.mark.parametrize("case", [*cases()], ids=lambda case: case.title)
def test_what_is_offered(case: Case) -> None:
    found = offered(case.text, case.columns)
    assert case.just is None or sorted(found) == sorted(case.just)
    assert case.has <= {*found}
    assert not case.lacks & {*found}


# ── completion, word by word ──────────────────────────────────────────────────────────────────────


def written_words(source: Source) -> Iterator[tuple[int, str]]:
    """Every word of a spec's code with its offset, as the grammar reads them."""
    reader = grammar().parse_interactive(f"\n{source.text}\n")
    for token in reader.lexer_thread.lex(reader.parser_state):
        reader.feed_token(token)
        if re.fullmatch(r"[^\W\d]\w*", token):
            yield token.start_pos - 1, str(token)


def of_the_author(source: Source) -> set[int]:
    """Where words stand that nobody can know: new names, places inside of the data, arguments of
    Python functions.
    """
    found: set[int] = set()
    for node in nodes.walk_nodes(parse(source).module):
        match node:
            case nodes.RefineDecl() | nodes.ValidateDecl():
                continue
            case nodes.Imported():
                found.add(node.local_name.span.start)
            case nodes.AttributeNode(nodes.NameNode("std")):
                continue
            case nodes.AttributeNode():
                found.add(node.key.span.start)
            case nodes.CallNode(nodes.NameNode("python")):
                found |= {a.label.span.start for a in node.arguments if a.label}
            case _ if hasattr(node, "name"):
                found.add(node.name.span.start)
    return found


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_word_that_somebody_wrote_would_have_been_offered(path: Path) -> None:
    """Each word of a spec in its turn is taken out, and is among what is offered in its place."""
    source = Source.of(path.read_text("utf-8"), str(path))
    columns = [use.name for use in check_spec(parse(source), universe()).suite.columns]
    skipped = of_the_author(source)
    for start, word in written_words(source):
        if start not in skipped:
            rest = Source(source.name, source.text[:start] + source.text[start + len(word) :])
            found = {
                each.text.removesuffix("=") for each in complete(rest, start, universe(), columns)
            }
            assert word in found, f"{path.name}:{source.position(start)}: {word}"


TEXT = "\n".join(path.read_text("utf-8") for path in SPECS[:8])


@given(
    st.integers(0, len(TEXT)),
    st.integers(0, 400),
    st.integers(0, 400),
    st.text("\"'{}()[]%#:=.,│\n a1", max_size=5),
)
def test_no_text_is_too_broken(start: int, length: int, cursor: int, dirt: str) -> None:
    """What is offered goes on from what is written, wherever the cursor stands in whatever is left
    of a spec.
    """
    text = TEXT[start : start + length] + dirt + TEXT[start + length : start + length + 100]
    cursor = min(cursor, len(text))
    for found in complete(Source.of(text), cursor, universe(), ["query", "odd name"]):
        typed = text[found.start : found.end]
        assert found.end == cursor
        assert typed.lower() in found.text.lower()
        assert found.text


def test_completing_asks_nobody_and_needs_no_data_library() -> None:
    code = (
        "import sys\n"
        "from rmg_dsl.surfaces.completing import complete_cell\n"
        "text = '%%grade --model local/lexical rows\\ngrader kind -> bool = \"Is {{ que'\n"
        "found = complete_cell(text, len(text), {'rows': [{'query': 1}], 'other': 3})\n"
        "assert [each.text for each in found.completion_items] == ['query'], found\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'openai', 'httpx2', 'pandas', 'pyarrow', 'IPython', 'pygments'}, loaded\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


# ── one list of words ─────────────────────────────────────────────────────────────────────────────


def test_every_word_of_the_grammar_is_of_one_kind() -> None:
    literals = re.findall(r'^[A-Z]+: "([a-zA-Z]+)"$', grammar_text(), re.M)
    assert sorted(grammar_keywords()) == sorted(literals)
    assert set(grammar_keywords().reserved_words) == {
        word for word in literals if parse(f"param {word} = 1").diagnostics
    }


def test_recovery_knows_the_same_words() -> None:
    assert grammar_keywords().declarations == keywords()
    assert {*KNOWN.keys} == block_keys()


def test_jupyterlab_knows_the_same_words() -> None:
    script = (JUPYTERLAB / "static" / "remoteEntry.js").read_text("utf-8")
    assert script == with_words(script, KNOWN), "run `python -m rmg_dsl.integrations.jupyterlab`"


def test_the_page_says_of_every_word_what_it_means() -> None:
    for word in {*KNOWN.declarations} - {"internal"}:
        assert word_meaning("declaration", word), word
    for owner, spec in declarations().items():
        for key in spec.keys:
            assert word_meaning("key", key, owner), f"{key} of {owner}"
    assert {entry.name for entry in doc_entries() if entry.kind == "setting"} == {*KNOWN.settings}


# Where a word of each kind stands, and how it is coloured there.
PLACES: dict[str, tuple[str, _TokenType]] = {
    "declarations": ("{} name = 1", Keyword.Declaration),
    "named": ("{} name = 1", Keyword.Declaration),
    "scaled": ("{} name = 1", Keyword.Declaration),
    "inside": ("a {} b", Keyword),
    "scale": ("grader name -> {}:", Keyword.Type),
    "operators": ("require a {} b", Operator.Word),
    "constants": ("require {}", Keyword.Constant),
    "keys": ("    {} = 1", Name.Attribute),
    "templates": ('    {} = "{{{{ a }}}}"', Name.Attribute),
    "functions": ("require {}(a)", Name.Builtin),
    "graders": ("require std.{}", Name.Builtin),
    "settings": ("model a = llm({}=1)", Name.Attribute),
    "statements": ('    prompt = "{{% {} %}}"', Keyword),
    "filters": ('    prompt = "{{{{ a | {} }}}}"', Name.Function),
}


@pytest.mark.parametrize("kind", KNOWN.__dataclass_fields__)
def test_pygments_colours_every_word(kind: str) -> None:
    text, colour = PLACES[kind]
    for word in getattr(KNOWN, kind):
        tokens = [*RmgLexer().get_tokens(text.format(word))]
        assert (colour, word) in tokens, tokens


def test_completion_offers_every_word() -> None:
    """Each kind of word is offered whole in one place or in several."""
    blocks = [f"{owner} x:\n    │" for owner, spec in declarations().items() if spec.keys]
    scales = ["grader x -> │", "grader x -> 1..5 │"]
    inside = [
        'from "a" │',
        'from "a" import a │',
        "validate a │",
        "grader x:\n    escalate = a │",
        "grader x:\n    rubric:\n        │",
    ]
    values = [
        "model m = │",
        "grader x = │",
        "require a │",
        "require a if b │",
        "require │",
        'model m = llm("a/b", │',
    ]
    tags = [f'grader x -> bool = "{tag} │' for tag in ("{%", "{{ a", "{{ a |")]
    found = {
        label.removesuffix("=")
        for text in [*blocks, *scales, *inside, *values, *tags, "│"]
        for label in offered(text)
    }
    std = {*offered("grader x = std.│")}
    for kind in KNOWN.__dataclass_fields__:
        missing = {*getattr(KNOWN, kind)} - (std if kind == "graders" else found)
        assert missing <= {"internal"}, f"{kind}: {missing}"


# ── colours ───────────────────────────────────────────────────────────────────────────────────────

# What the grammar calls a piece of a spec, and how it may be coloured; where a name stands decides
# over its colour.
COLOURS: dict[str, tuple[_TokenType, ...]] = {
    **dict.fromkeys(("IF", "ELSE", "AND", "OR", "NOT", "IN"), (Operator.Word,)),
    **dict.fromkeys(("TRUE", "FALSE", "NONE", "VETO"), (Keyword.Constant,)),
    **dict.fromkeys(("BOOL", "POINTS", "LOWER"), (Keyword.Type,)),
    **dict.fromkeys(("WHEN", "AGAINST", "IMPORT", "AS"), (Keyword,)),
    **dict.fromkeys(("INT", "FLOAT"), (Number,)),
    **dict.fromkeys(("LPAR", "RPAR", "LSQB", "RSQB", "COMMA", "COLON"), (Punctuation,)),
    "RUBRIC": (Name.Attribute,),
    "STRING": (String, String.Affix),
    "NAME": (Name,),
}


def test_pygments_reads_a_spec_as_the_grammar_does() -> None:
    for text in examples():
        kinds = [kind for _, kind, piece in RmgLexer().get_tokens_unprocessed(text) for _ in piece]
        reader = grammar().parse_interactive(f"\n{text}\n")
        for token in reader.lexer_thread.lex(reader.parser_state):
            reader.feed_token(token)
            wanted = COLOURS.get(token.type) or (
                (Keyword.Declaration,)
                if token.type.lower() in grammar_keywords().declarations
                else ()
            )
            if wanted:
                kind = kinds[token.start_pos - 1]
                assert any(kind in colour for colour in wanted), (
                    f"{token.type} {token!r} is {kind} in\n{text}"
                )


def colours(text: str) -> dict[str, _TokenType]:
    return {piece: kind for kind, piece in RmgLexer().get_tokens(text)}


def test_a_template_is_coloured_as_jinja_and_other_texts_are_not() -> None:
    prompt = 'grader kind -> bool = "{% if a %}{{ b | upper }}{# c #}{% endif %}"'
    kinds = colours(prompt)
    assert (kinds["{%"], kinds["if"], kinds["b"]) == (Comment.Preproc, Keyword, Name.Variable)
    assert (kinds["upper"], kinds["{# c #}"]) == (Name.Function, Comment.Multiline)
    plain = [
        kind
        for kind, text in RmgLexer().get_tokens('grader a = contains(b, "{{ c }}")')
        if "{" in text
    ]
    assert {*plain} <= {String}


def test_a_cell_is_coloured_below_its_magic() -> None:
    kinds = colours('%%grade -o x df[df.a == "b"]\ngrader a = words(b) < 5')
    assert (kinds["%%grade"], kinds["grader"], kinds["words"]) == (
        Keyword.Pseudo,
        Keyword.Declaration,
        Name.Builtin,
    )


def test_a_mistake_does_not_take_the_colours_of_what_follows() -> None:
    for slip in (
        "aggregate a = weighted(b",
        'grader a = contains(b, "c',
        "grader a -> (",
        "    prompt = ",
    ):
        assert (Keyword.Declaration, "require") in [
            *RmgLexer().get_tokens(f"{slip}\nrequire mean(a) > 1")
        ]


@given(st.text("\"'{}()[]%#:=.,\n rgader->|+-015\\", max_size=60))
def test_every_text_is_coloured_whole(text: str) -> None:
    pieces = [piece for _, _, piece in RmgLexer().get_tokens_unprocessed(text)]
    assert "".join(pieces) == text


def test_what_is_no_part_of_the_language_is_marked() -> None:
    assert [text for kind, text in RmgLexer().get_tokens("grader a = b && c") if kind is Error] == [
        "&",
        "&",
    ]


# ── help ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("aggregate", "one value per row, made of others"),
        ("missing", "`propagate` (default) or `drop`"),
        ("samples", "a key of `pairwise`"),
        ("weighted", "weighted(*parts): a function of one row"),
        ("mean", "a function of all rows, for `require`"),
        ("std.relevance", "grader relevance -> 1..5:"),
        ("temperature", "a number from 0 to 2"),
        ("points", "yes or no for each criterion of the rubric"),
        ("against", "`validate NAME against COLUMN, …`"),
        ("veto", "the score is the worst there is"),
        ("off_scale", "the verdict is outside of the scale"),
        ("rmg401", "unknown name in a prompt"),
    ],
)
def test_help_on_a_name(name: str, line: str) -> None:
    assert line in help_on(name, universe())


def test_there_is_help_on_every_word() -> None:
    every = {
        *grammar_keywords(),
        *KNOWN.keys,
        *KNOWN.functions,
        *KNOWN.settings,
        *KNOWN.graders,
    } - {"internal"}
    assert [word for word in sorted(every) if not help_on(word, universe())] == []
    assert {*KNOWN.keys} <= {*help_on("", universe()).split()}


def test_help_knows_what_was_meant() -> None:
    with pytest.raises(UsageError, match="did you mean `weighted`"):
        help_on("wieghted", universe())


def test_help_at_a_place_of_a_spec() -> None:
    source = Source.of(
        "## Short?\ngrader brief = words(response) <= 80\naggregate reward = brief if std.relevance > 2 else 1"
    )
    at = {
        word: help_at(source, source.text.rindex(word) + 1, universe())
        for word in ("brief", "words", "relevance")
    }
    assert at["brief"] == "brief: a grader of this spec\n    Short?"
    assert str(at["words"]).startswith("words(text): a function of one row")
    assert str(at["relevance"]).startswith("std.relevance: a grader of the standard library")
    assert help_at(source, source.text.index("response") + 1, universe()) is None
