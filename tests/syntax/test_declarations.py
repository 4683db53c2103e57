"""The table of declarations: the grammar and SPEC.md say the same; two keys never stand on one
line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

import pytest

from rmg_dsl.diagnostics import Diagnostic, Source
from rmg_dsl.syntax import nodes, parse
from rmg_dsl.syntax.declarations import DeclarationSpec, KeySpec, declarations
from rmg_dsl.syntax.grammar import grammar_text, spec_text

TABLE = declarations()
BLOCKS = [spec for spec in TABLE.values() if spec.keys]

# ── keys on one line ──────────────────────────────────────────────────────────────────────────────

# Values of each shape: a call, a text, a list, a number, a name, and expressions that end in them.
VALUES = {
    "prompt": ['"Is {{ a }} good?"', "'{{ a }}'", '"""\n        Is it?\n        """', 'r"\\d"'],
    "model": ["judge"],
    "expr": [
        "conversation",
        "words(response)",
        "a + 1",
        "std.relevance(reference = b)",
        "x if y else z",
    ],
    "condition": ["score >= 3", "not low", "a == 'b'", "score in [1, 2]", "any(a, b)"],
    "count": ["3"],
    "bool": ["True"],
    "text": ['"gpt"'],
    "score": ["relevance", "std.relevance"],
    "scores": ["[a, b]", "[\n        a,\n        b,\n    ]"],
    "fields": ["[first, second]"],
    "rubric": ["criteria"],
}
HEADS = {"grader": "grader g -> 1..5:", "validate": "validate g against people:"}


class Pair(NamedTuple):
    """Two keys on one line, and the same text with a line for each of them."""

    name: str
    text: str
    place: int
    apart: str


def values_of(key: KeySpec) -> list[str]:
    if key.shape == "words":
        return list(key.words)
    values = VALUES[key.shape]
    return [f"{value} when spread > 1" for value in values] if key.has_when else values


def head_of(spec: DeclarationSpec) -> str:
    return HEADS.get(spec.keyword, f"{spec.keyword} g:")


def block_pairs() -> Iterator[Pair]:
    """Every pair of keys of every block, with every value of the first."""
    for spec in BLOCKS:
        for first, second in permutations(spec.keys.values(), 2):
            for value in values_of(first):
                one = f"{first.name} = {value}"
                two = f"{second.name} = {values_of(second)[-1]}"
                for indent in ("    ", "  "):
                    before = f"{head_of(spec)}\n{indent}{one}"
                    after = f"\n\naggregate z = {spec.keyword}\n"
                    name = f"{spec.keyword}: {one} {second.name}"
                    text = f"{before} {two}{after}"
                    yield Pair(name, text, len(before) + 1, f"{before}\n{indent}{two}{after}")


def rubric_pairs() -> Iterator[Pair]:
    """`rubric:` with its lines behind another key, and before one."""
    lines = '\n        5: "good"\n        1: "bad"\n'
    for spec in BLOCKS:
        if not any(key.shape == "rubric" for key in spec.keys.values()):
            continue
        head = f"{head_of(spec)}\n    "
        for key in spec.settings.values():
            one = f"{key.name} = {values_of(key)[0]}"
            apart = f"{head}{one}\n    rubric:{lines}"
            yield Pair(f"{one} rubric:", f"{head}{one} rubric:{lines}", len(head + one) + 1, apart)
            text = f"{head}rubric: {one}{lines}"
            yield Pair(f"rubric: {one}", text, len(head + "rubric: "), apart)


def head_pairs() -> Iterator[Pair]:
    """A key on the line of the head, behind its colon."""
    for spec in BLOCKS:
        for first, second in permutations(spec.settings.values(), 2):
            one, two = (f"{key.name} = {values_of(key)[0]}" for key in (first, second))
            head = head_of(spec)
            apart = f"{head}\n    {one}\n    {two}\n"
            yield Pair(
                f"{head} {one}, below {two}", f"{head} {one}\n    {two}\n", len(head) + 1, apart
            )
            apart = apart.replace("\n    ", "\n  ")
            yield Pair(
                f"{head} {one}", f"{head}   {one}\n  # below\n  {two}\n", len(head) + 3, apart
            )


def line_pairs() -> Iterator[Pair]:
    """A key behind the value of a declaration in its line form: the fix makes a block of it."""
    scales = ("", " -> 1..5", ' -> "a" | "b"', ' -> ("a"=0 | "b"=1) lower')
    for spec in BLOCKS:
        if not spec.has_line:
            continue
        for key in spec.settings.values():
            two = f"{key.name} = {values_of(key)[0]}"
            if not spec.has_value:
                head = "validate g against a, b == 'x'"
                yield Pair(
                    f"{head} {two}", f"{head} {two}\n", len(head) + 1, f"{head}:\n    {two}\n"
                )
                continue
            for value in (
                *VALUES["expr"],
                "3",
                '"Is it {{ a }}?"' if spec.text_key else "min(a, b)",
            ):
                implied = spec.text_key if value.startswith('"') else spec.value_key
                for scale in scales if spec.has_scale else ("",):
                    head = f"{spec.keyword} g{scale}"
                    apart = f"{head}:\n    {implied} = {value}\n    {two}\n"
                    one = f"{head} = {value}"
                    yield Pair(f"{one} {two}", f"{one} {two}\n", len(one) + 1, apart)


def field_pairs() -> Iterator[Pair]:
    for value in (*VALUES["expr"], '"text"', "[a, b]", "3", "True", "meta['x']"):
        for name in ("answer", "prompt", "model", "x2"):
            before = f"fields:\n    query = {value}"
            apart = f"{before}\n    {name} = y\n"
            yield Pair(f"query = {value} {name}", f"{before} {name} = y\n", len(before) + 1, apart)
            text = f"fields: query = {value}\n    {name} = y\n"
            yield Pair(f"fields: query = {value}", text, len("fields: "), apart)


PAIRS = {
    "keys of a block": block_pairs,
    "a rubric": rubric_pairs,
    "keys behind a colon": head_pairs,
    "keys behind a line form": line_pairs,
    "fields": field_pairs,
}


def fixed(text: str, diagnostic: Diagnostic) -> str:
    (fix,) = diagnostic.fixes
    return text[: fix.span.start] + fix.text + text[fix.span.end :]


@pytest.mark.parametrize("kind", PAIRS)
def test_two_keys_on_one_line_are_one_mistake_and_the_fix_breaks_the_line(kind: str) -> None:
    for pair in PAIRS[kind]():
        apart = parse(pair.apart)
        assert apart.diagnostics == (), pair.apart
        told = parse(Source.of(pair.text)).diagnostics
        assert [(d.code, d.span.start) for d in told] == [("RMG101", pair.place)], pair.text
        assert "stands on its own line" in told[0].message, pair.text
        again = parse(fixed(pair.text, told[0]))
        assert again.diagnostics == (), pair.text
        assert nodes.node_meaning(again.module) == nodes.node_meaning(apart.module), pair.text


# ── the grammar and SPEC.md ───────────────────────────────────────────────────────────────────────


def spec_tables() -> Iterator[tuple[list[str], list[list[str]]]]:
    """Every table of SPEC.md: its titles, and the cells of each row without links."""
    for header, body in re.findall(r"^\|(.+)\|\n\|[-| ]+\|\n((?:\|.*\|\n)+)", spec_text(), re.M):
        titles = [cell.strip() for cell in header.split("|")]
        rows = [re.split(r"(?<!\\)\|", line[1:-1]) for line in body.splitlines()]
        yield (
            titles,
            [[re.sub(r"\[(.+?)\]\(.+?\)", r"\1", cell.strip()) for cell in row] for row in rows],
        )


def test_the_grammar_has_these_keywords_and_forms() -> None:
    grammar = grammar_text()
    rules = {name.strip("_"): rule for name, rule in re.findall(r"^(\w+): +(.*)$", grammar, re.M)}
    rules["from"] = rules["import"]
    words = re.search(r"^_declaration: (.*\n.*)$", grammar, re.M)
    assert words
    names = [name.strip("_") for name in re.findall(r"\w+", words[1])]
    assert list(TABLE) == ["rmg", *("from" if name == "import" else name for name in names)]
    rules["rmg"] = rules["edition"]
    for keyword, spec in TABLE.items():
        rule = rules[keyword]
        assert rule.startswith(keyword.upper())
        assert (" NAME" in rule.split("(")[0].split("=")[0]) == (spec.name_role != "none"), keyword
        assert spec.has_block == ("block" in rule or "_INDENT" in rule), keyword
        assert spec.has_line == ("one_line" in rule or "_NL" in rule.replace(':" _NL', "")), keyword
        assert spec.has_value == (' "=" ' in rule or "one_line" in rule), keyword
        assert spec.has_scale == ('["->" scale]' in rule), keyword


def test_the_page_lists_each_declaration_as_the_table_does() -> None:
    (rows,) = (rows for titles, rows in spec_tables() if titles[0] == "declaration")
    listed = {name.strip("`"): (usage, doc) for name, usage, doc in rows}
    table = [spec for spec in TABLE.values() if not spec.is_library_only]
    assert listed == {spec.keyword: (spec.usage, spec.doc) for spec in table}


@pytest.mark.parametrize("spec", BLOCKS, ids=lambda spec: spec.keyword)
def test_the_page_lists_each_key_as_the_table_does(spec: DeclarationSpec) -> None:
    """The same keys, with the same values and meanings, and the same of them required."""
    tables = [rows for titles, rows in spec_tables() if titles[0] == "key"]
    listed = [{row[0].strip("`"): (row[1], row[-1]) for row in rows} for rows in tables]
    meanings = {
        key.name: (key.takes, key.doc + "; required" * key.required) for key in spec.keys.values()
    }
    assert meanings in listed


@pytest.mark.parametrize("spec", BLOCKS, ids=lambda spec: spec.keyword)
def test_each_value_says_which_words_it_offers(spec: DeclarationSpec) -> None:
    for key in spec.keys.values():
        words = re.findall(r"`(\w+)`", key.takes) if key.shape == "words" else ()
        assert tuple(words) == key.words, key.name


def test_a_value_of_the_line_form_stands_for_a_key() -> None:
    for spec in TABLE.values():
        implied = {spec.text_key, spec.value_key} - {""}
        assert implied <= spec.keys.keys()
        assert bool(implied) == (spec.has_value and spec.has_block)
