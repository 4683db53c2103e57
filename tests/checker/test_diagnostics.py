"""What a mistake is told as: its code, its line and its words; and how often the right line is
found.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import paths
import pytest
from mistakes import MAKERS, Edit, Mistake, Spec, apart, apply, candidates

from rmg_dsl import std
from rmg_dsl.checker import Universe, check_spec
from rmg_dsl.diagnostics import Diagnostic, Source, codes
from rmg_dsl.diagnostics.render import (
    render_github,
    render_html,
    render_json,
    render_sarif,
    render_text,
)
from rmg_dsl.models import PRESETS, SETTINGS, check_setting
from rmg_dsl.syntax import parse

CASES = paths.CASES
SPECS = sorted((CASES / "specs").glob("*.rmg"))
MUSEUM = sorted((CASES / "diagnostics" / "museum").glob("*.rmg"))
RENEW = bool(os.environ.get("RMG_RENEW_SNAPSHOTS"))

SINGLES, TRIPLES, SEED = 500, 200, 7
FIRST_ON_LINE, FOUND, FALSE_ONES = 0.85, 0.90, 0.1


def load(path: str, importer: str) -> Source:  # noqa: ARG001 - all cases import from one folder
    found = CASES / "specs" / path
    if not found.is_file():
        raise FileNotFoundError(2, "no such file", path)
    return Source.of(found.read_text("utf-8"), path)


UNIVERSE = Universe(
    std.functions(),
    std.library("graders.rmg"),
    load,
    check_setting,
    tuple(SETTINGS),
    tuple(PRESETS),
)


def diagnostics_of(text: str, name: str = "case") -> tuple[Diagnostic, ...]:
    return check_spec(parse(Source.of(text, name)), UNIVERSE).diagnostics


def mistakes_in(text: str) -> list[Diagnostic]:
    """Errors and warnings: notes are no mistakes."""
    return [d for d in diagnostics_of(text) if d.severity != "note"]


# ── Cases: the expected code on the line ──────────────────────────────────────────────────────────


class Chunk(NamedTuple):
    """A spec of its own in a case file."""

    name: str
    text: str

    def expected(self) -> set[tuple[str, int]]:
        found = {
            (code, number)
            for number, line in enumerate(self.text.split("\n"), 1)
            for code in re.findall(r"# (RMG\d{3})", line)
        }
        return found | {(code, line) for code, line, _ in self.places()}

    def places(self) -> list[tuple[str, int, int]]:
        found = re.findall(r"^# expect: (RMG\d{3}) at (\d+):(\d+)$", self.text, re.M)
        return [(code, int(line), int(column)) for code, line, column in found]


def chunks() -> Iterator[Chunk]:
    for path in sorted((CASES / "diagnostics").glob("*.rmg")):
        for number, text in enumerate(path.read_text("utf-8").split("---\n"), 1):
            yield Chunk(f"{path.stem}-{number}", text)


@pytest.mark.parametrize("chunk", list(chunks()), ids=lambda chunk: chunk.name)
def test_each_mistake_of_a_case_is_told_on_its_line_and_nothing_else(chunk: Chunk) -> None:
    expected = chunk.expected()
    name = "case.rmg" if any(code == "RMG214" for code, _ in expected) else "case"
    told = diagnostics_of(chunk.text, name)
    assert {(d.code, d.line) for d in told} == expected
    assert {(d.code, d.line, d.column) for d in told} >= set(chunk.places())


def test_every_code_that_a_text_can_produce_has_a_case() -> None:
    covered = {code for chunk in chunks() for code, _ in chunk.expected()}
    # Two files that import each other and one with mistakes, and values from outside: test_spec.py
    # has those.
    elsewhere = {"RMG207", "RMG208", "RMG223", "RMG224", "RMG314"}
    assert {code for code in codes() if code < "RMG5"} - covered - elsewhere == set()


@pytest.mark.parametrize("path", MUSEUM, ids=lambda path: path.stem)
def test_the_likeliest_mistakes_are_told_in_these_words(path: Path) -> None:
    """Renew with `RMG_RENEW_SNAPSHOTS=1`, and read what changed as somebody who has just made the
    mistake.
    """
    told = [d for d in diagnostics_of(path.read_text("utf-8"), path.name) if d.severity != "note"]
    shown = render_text(told) + "\n"
    kept = path.with_suffix(".txt")
    if RENEW:
        kept.write_text(shown, "utf-8")
    assert told
    assert shown == kept.read_text("utf-8")


def test_the_fixes_of_the_museum_can_be_applied() -> None:
    """A fix changes its stretch of the text, and what it was for is not told again there."""
    for path in MUSEUM:
        source = Source.of(path.read_text("utf-8"))
        for told in parse(source).diagnostics:
            for fix in told.fixes[:1]:
                fixed = source.text[: fix.span.start] + fix.text + source.text[fix.span.end :]
                again = {(d.code, d.message, d.span.start) for d in parse(fixed).diagnostics}
                assert (told.code, told.message, told.span.start) not in again, path.stem


# ── Random mistakes ───────────────────────────────────────────────────────────────────────────────


def sound_specs() -> list[Spec]:
    return [Spec(path.read_text("utf-8")) for path in SPECS]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_specs_without_mistakes_have_none(path: Path) -> None:
    assert [(d.code, d.line, d.message) for d in mistakes_in(path.read_text("utf-8"))] == []


def test_the_maker_knows_many_kinds_and_repeats_itself() -> None:
    spec = sound_specs()[-1]
    one, again = (list(islice(candidates(spec, Random(3)), 300)) for _ in range(2))
    assert one == again
    assert len(MAKERS) >= 60
    assert len({kind for kind, _ in one}) >= 40


def with_one_mistake(random: Random) -> Iterator[Mistake]:
    """Specs with one mistake each; where the change left a valid spec, it was none."""
    specs = sound_specs()
    while True:
        spec = random.choice(specs)
        mistake = apply(spec, [next(candidates(spec, random))])
        if mistakes_in(mistake.text):
            yield mistake


def with_three_mistakes(random: Random) -> Iterator[Mistake]:
    """Specs with three mistakes, each one by itself, in declarations of their own."""
    specs = [spec for spec in sound_specs() if spec.text.count("\n") > 9]
    while True:
        spec = random.choice(specs)
        edits: list[tuple[str, Edit]] = []
        for kind, edit in islice(candidates(spec, random), 60):
            if not all(apart(spec, edit, other) for _, other in edits):
                continue
            edits += [(kind, edit)] if mistakes_in(apply(spec, [(kind, edit)]).text) else []
            if len(edits) == 3:
                yield apply(spec, edits)
                break


def test_the_first_diagnostic_stands_on_the_mistaken_line() -> None:
    found = list(islice(with_one_mistake(Random(SEED)), SINGLES))
    missed = [m for m in found if mistakes_in(m.text)[0].line != m.lines[0]]
    share = 1 - len(missed) / SINGLES
    print(f"\none mistake: the first diagnostic on its line in {share:.1%} of {SINGLES} specs")
    assert share >= FIRST_ON_LINE, [(m.kinds, m.lines) for m in missed]


def test_of_three_mistakes_nearly_all_are_found_and_next_to_nothing_else() -> None:
    found, false = 0, []
    for mistake in islice(with_three_mistakes(Random(SEED)), TRIPLES):
        told = [d.line for d in mistakes_in(mistake.text)]
        found += sum(any(abs(line - at) <= 1 for at in told) for line in mistake.lines)
        false += [mistake.kinds for at in told if all(abs(line - at) > 1 for line in mistake.lines)]
    share, wrong = found / (3 * TRIPLES), len(false) / TRIPLES
    print(
        f"\nthree mistakes: {share:.1%} found within a line, {wrong:.3f} false diagnostics per spec"
    )
    assert share >= FOUND
    assert wrong < FALSE_ONES, false


def test_every_rendering_shows_every_mistake() -> None:
    for mistake in islice(with_one_mistake(Random(SEED)), 60):
        told = diagnostics_of(mistake.text)
        lines = len(mistake.text.split("\n"))
        assert render_text(told).count("-->") == len(told)
        assert render_html(told).count("[RMG") == len(told)
        assert len(render_github(told).splitlines()) == len(told)
        assert len(render_sarif(told, "0")["runs"][0]["results"]) == len(told)
        assert all(
            1 <= d["line"] <= d["end_line"] <= lines for d in render_json(told)["diagnostics"]
        )
