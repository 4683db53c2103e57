"""The parser never fails: whatever the text, it gives a tree or what is wrong, at places inside the
text, and soon.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import paths
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mistakes import Spec, apply, candidates

from rmg_dsl import std
from rmg_dsl.checker import Universe, check_spec
from rmg_dsl.diagnostics import Diagnostic, Source, has_errors
from rmg_dsl.diagnostics.render import (
    render_github,
    render_html,
    render_json,
    render_sarif,
    render_text,
)
from rmg_dsl.models import PRESETS, SETTINGS, check_setting
from rmg_dsl.syntax import nodes, parse
from rmg_dsl.syntax.grammar import grammar
from rmg_dsl.syntax.nodes import node_meaning

SPECS = paths.CASES / "specs"
RICH = (SPECS / "tutor.rmg").read_text("utf-8")
SHORT = (SPECS / "support_bot.rmg").read_text("utf-8")
TOKENS = (
    '( ) [ ] { } {{ }} {% %} " \' """ \'\'\' r" : = == -> .. . , | + - * / < <= 5 0.5 1..5 1-5 # ## \\ \\n % ; ! & “ ” '
    "grader aggregate fields: rubric: prompt = model judge = llm( require mean( if else and not in True None param x "
    "a score pairwise refine response: until = from import as rmg 1 bool points lower veto 5: +5: "
    "\ufeff \u2028 \u202e \x00 é"
).split(" ")
FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def load(path: str, importer: str) -> Source:  # noqa: ARG001 - the specs lie in one folder
    raise FileNotFoundError(2, "no such file", path)


UNIVERSE = Universe(
    std.functions(),
    std.library("graders.rmg"),
    load,
    check_setting,
    tuple(SETTINGS),
    tuple(PRESETS),
)


def survive(text: str) -> tuple[Diagnostic, ...]:
    """Parse and check a text, show what is wrong in every way; nothing raises, and every place lies
    in the text.
    """
    source = Source.of(text, "case")
    parsed = parse(source)
    told = check_spec(parsed, UNIVERSE).diagnostics
    for diagnostic in told:
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(source.text) + 1
        assert all(0 <= f.span.start <= f.span.end <= len(source.text) for f in diagnostic.fixes)
        assert 1 <= diagnostic.line <= source.text.count("\n") + 1
    shown = told[:20]
    assert render_text(shown).count("-->") >= len(shown)
    assert render_html(shown).count("[RMG") >= len(shown)
    assert len(render_github(shown).split("\n")) == len(shown) or not shown
    assert (
        len(render_json(shown)["diagnostics"])
        == len(render_sarif(shown, "0")["runs"][0]["results"])
        == len(shown)
    )
    return told


# ── Any text ──────────────────────────────────────────────────────────────────────────────────────


@FEW
@example("grader a -> 1..5:\n\tprompt = '''")
@example('"')
@example("rubric:\n: ")
@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    survive(text)


@FEW
@given(st.binary(max_size=200))
def test_any_bytes_are_survived(data: bytes) -> None:
    survive(data.decode("utf-8", "replace"))


@FEW
@given(st.lists(st.sampled_from([*TOKENS, " ", "\n", "\n    ", "\n        ", "\t"]), max_size=40))
def test_any_tokens_are_survived(tokens: list[str]) -> None:
    survive("".join(tokens))
    survive(" ".join(tokens))


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes_are_survived(seed: int) -> None:
    random = Random(seed)
    for _ in range(12):
        data = bytearray(RICH.encode())
        for _ in range(random.choice((1, 2, 5, 40))):
            data[random.randrange(len(data))] = random.randrange(256)
        survive(data.decode("utf-8", "replace"))


@pytest.mark.parametrize("seed", range(4))
def test_many_mistakes_at_once_are_survived(seed: int) -> None:
    random = Random(seed)
    for _ in range(15):
        text = RICH
        for _ in range(12):
            spec = Spec(text)
            if spec.written:
                text = apply(spec, [next(candidates(spec, random))]).text
        survive(text)


# ── A rich spec, damaged at every place ───────────────────────────────────────────────────────────


def test_a_spec_cut_off_anywhere_is_survived() -> None:
    """The check at every fifteenth place, the parser at all of them."""
    for at in range(len(SHORT)):
        assert isinstance(parse(SHORT[:at]).module, nodes.Module)
        if at % 15 == 0:
            survive(SHORT[:at])


def test_each_single_character_can_be_missing() -> None:
    for at in range(len(SHORT)):
        text = SHORT[:at] + SHORT[at + 1 :]
        parsed = parse(text)
        assert all(0 <= d.span.start <= len(text) for d in parsed.diagnostics)
        if at % 15 == 0:
            survive(text)


def test_each_line_can_stand_twice_or_be_missing_or_stand_elsewhere() -> None:
    lines = RICH.split("\n")
    for at, line in enumerate(lines):
        survive("\n".join([*lines[:at], line, *lines[at:]]))
        survive("\n".join([*lines[:at], *lines[at + 1 :]]))
        survive("\n".join([*lines[at:], *lines[:at]]))


# ── Hostile texts ─────────────────────────────────────────────────────────────────────────────────

REPEATED = (
    '( [ """ \'\'\' " \' { {{ \\ - | ) } a( a[ a. 1.. -> #\\n "\\n """\\n (\\n grader_x\\n grader_x:\\n rubric:\\n'
).replace("\\n", "\n")


@pytest.mark.parametrize(
    "before", ["", "grader x = ", "grader x:\n    score = ", 'grader x -> 1..5 = """\n']
)
@pytest.mark.parametrize(
    "piece",
    [*REPEATED.split(" "), "not ", "a and ", "a if b else ", '"a" | ', "grader x:\n", "\x00"],
)
def test_repetition_costs_no_more_than_its_length(piece: str, before: str) -> None:
    """20,000 times the same; a parser that is quadratic in it would not come back."""
    survive(before + piece * (20_000 if len(piece) < 4 else 2_000))


def test_deep_nesting_is_a_diagnostic() -> None:
    for opening, closing in (
        "[]",
        ("f(", ")"),
        ("not ", ""),
        ("-", ""),
        ("(a if b else ", ")"),
        ("(-", ")"),
    ):
        text = f"grader x = {opening * 5_000}a{closing * 5_000}"
        assert has_errors(survive(text))
    shallow = f"grader x = {'(' * 5_000}words(a){')' * 5_000}"
    assert not has_errors(survive(shallow))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ufeff",
        "\ufeffrmg 1\r\nparam a = 1\r\n",
        "rmg 1\rparam a = 1\r",
        "param a = 1\u2028param b = 2",
        "\u202eparam a = 1",
        "param a = '\ud800'",
        "grader \ud800 = 1",
        "grader x -> 1..5 = '{{ \ud83d }} {{ \x00 }}'",
        "param \x00 = 1",
        "\x00" * 1_000,
        "param a = " + "9" * 5_000,
        "param a = 1e999",
        "grader x -> 1.." + "9" * 400 + " = '{{ q }}'",
        "grader x -> 0.0..1e999 = '{{ q }}'",
        "rmg " + "9" * 5_000,
        "grader x = " + "a" * 100_000,
        "grader x -> 1..5 = '" + "{{ a }} " * 12_000 + "'",
        "grader x -> 1..5 = '" + "{{ " * 5_000 + "'",
        "grader x -> 1..5 = '" + "{% if a %}" * 2_000 + "'",
        "grader x = matches(response, r'" + "(" * 3_000 + "')",
        "grader x = '\\N{" + "A" * 1_000 + "}'",
        "\t" * 50_000 + "x",
        " " * 50_000 + "x",
        "\n" * 50_000 + "x",
        "#" * 100_000,
        "## a\n" * 10_000,
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_hostile_text_is_survived(text: str) -> None:
    survive(text)


def test_line_ends_and_byte_order_marks_do_not_move_places() -> None:
    text = "rmg 1\nparam a = 1\nparam b 2\n"
    for other in (text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text):
        (told,) = parse(other).diagnostics
        assert (told.line, told.column) == (3, 9)


# ── What is left of a broken spec ─────────────────────────────────────────────────────────────────


def test_the_sound_declarations_of_a_broken_spec_are_kept() -> None:
    lines = [
        "param a = 1",
        "param b 2",
        "grader c = words(x) > 3",
        "grader d = words(x",
        "param e = 2",
    ]
    found = parse("\n".join(lines)).module.declarations
    assert [nodes.published_name(d) for d in found] == [
        "Param",
        "Broken",
        "Grader",
        "Broken",
        "Param",
    ]
    assert [d.names for d in found if isinstance(d, nodes.Broken)] == [("b",), ("d",)]


def test_the_names_of_a_broken_declaration_stay_known() -> None:
    text = "grader brief = words(response <= 80\nrequire share(brief) >= 0.5\n"
    assert [(d.code, d.line) for d in survive(text)] == [("RMG109", 1)]
    text = 'from "a.rmg" import brief, kind as\nrequire share(brief and kind) >= 0.5\n'
    assert [(d.code, d.line) for d in survive(text)] == [("RMG101", 1)]


def test_the_sound_lines_of_a_damaged_block_are_kept() -> None:
    text = 'grader a -> 1..5:\n    promt "x"\n    samples = 3\n    rubric:\n        5: good\n        1: "bad"\n'
    (grader,) = parse(text).module.declarations
    assert isinstance(grader, nodes.GraderDecl)
    assert isinstance(grader.body, nodes.Block)
    assert grader.body.damaged
    assert [s.key.id for s in grader.body.settings] == ["samples"]
    assert grader.body.rubric is not None
    assert len(grader.body.rubric.criteria) == 1


def test_a_prompt_that_reads_like_a_spec_stays_a_text() -> None:
    """Lines in column 1 of a text are no declarations, in a broken file either."""
    prompt = '"""\nrefine your answer, or\ngrader notes:\nmodel answer\nrequire the best\n{{ response }}\n    """'
    text = f"grader a -> 1..5 = {prompt}\nparam b 2\n"
    assert [(d.code, d.line) for d in parse(text).diagnostics] == [("RMG103", 8)]


# ── One parser for all ────────────────────────────────────────────────────────────────────────────


def test_four_threads_share_one_parser() -> None:
    texts = [path.read_text("utf-8") for path in sorted(SPECS.glob("*.rmg"))]
    expected = [node_meaning(parse(text).module) for text in texts]
    parsers, start = set(), threading.Barrier(4)

    def work(number: int) -> list[bool]:
        start.wait()
        parsers.add(id(grammar()))
        order = [(number + step) % len(texts) for step in range(60)]
        return [
            node_meaning(parse(texts[i]).module) == expected[i] and not parse(texts[i]).diagnostics
            for i in order
        ]

    with ThreadPoolExecutor(4) as pool:
        results = [found for part in pool.map(work, range(4)) for found in part]
    assert len(results) == 240
    assert all(results)
    assert len(parsers) == 1


# ── Work grows with the lines ─────────────────────────────────────────────────────────────────────


def long_spec(parts: int, broken: bool = False) -> str:
    """A spec of ten lines for each part; `broken`: with a mistake in each."""
    text = "rmg 1\n"
    for i in range(parts):
        colon = "" if broken else ":"
        text += (
            f"\n## Part {i}.\ngrader g{i}_x -> 1..5{colon}\n"
            f'    prompt = """\n        {{{{ query }}}} {i}\n        """\n'
            f'    rubric:\n        5: "good"\n        1: "bad"\nrequire mean(g{i}_x) >= 3\n'
        )
    return text


@pytest.mark.parametrize("broken", [False, True])
def test_the_parser_reads_each_character_a_bounded_number_of_times(
    monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    """Counted, not timed: all texts that are handed to the grammar, for a spec and for one four
    times as long.
    """
    parser = grammar()
    read: list[int] = []
    whole = parser.parse

    def count(text: str, *rest: Any) -> Any:
        read.append(len(text))
        return whole(text, *rest)

    monkeypatch.setattr(parser, "parse", count)
    costs = []
    for parts in (20, 80):
        read.clear()
        assert bool(parse(long_spec(parts, broken)).diagnostics) == broken
        costs.append(sum(read) / len(long_spec(parts, broken)))
    assert costs[1] <= costs[0] * 1.2
    assert costs[1] < 6


def test_a_spec_of_a_thousand_lines_has_no_mistakes() -> None:
    told = survive(long_spec(100))
    assert long_spec(100).count("\n") >= 1_000
    assert not has_errors(told)
