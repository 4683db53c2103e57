"""SPEC.md and the long texts of the codes: every example in them does what the page says of it."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import paths
import pytest
from jinja2.defaults import DEFAULT_FILTERS  # type: ignore[attr-defined] # imported there
from pygments.lexers.python import PythonLexer
from pygments.token import Error

from rmg_dsl import std
from rmg_dsl.api.sources import universe
from rmg_dsl.checker import check_spec
from rmg_dsl.diagnostics import Diagnostic, Source, codes
from rmg_dsl.diagnostics.render import render_text
from rmg_dsl.models import PRESETS, SETTINGS
from rmg_dsl.results import Status
from rmg_dsl.syntax import nodes, parse
from rmg_dsl.syntax.declarations import block_keys
from rmg_dsl.syntax.formatter import format_text
from rmg_dsl.syntax.grammar import spec_text

ROOT = paths.ROOT
DIAGNOSED = ROOT / "tests" / "cases" / "diagnostics"
FENCE = re.compile(r"^```(\S+)( bad)?\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"# file: (\S+)")
MARK = re.compile(r"# (RMG\d{3})(?: on line (\d+))?$")
CODE = re.compile(r"RMG[1-4]\d\d")

Marks = set[tuple[int, str]]

# What a spec's text alone cannot show, and why.
NOT_IN_A_TEXT = {
    "RMG208": "the example is the imported file, and its own mistake has its own code",
    "RMG223": "the mistake stands on the command line",
    "RMG314": "the mistake stands on the command line",
}

HARMLESS = 'rmg 1\n\ngrader harmless -> bool = "Is this safe?\\n{{ response }}"\n'
RELEVANT = 'rmg 1\n\nfrom "example.rmg" import relevant\n\ngrader brief = relevant >= 3\n'
SHARED = "rmg 1\n\ngrader relevant = std.relevance\ngrader brief = words(response) <= 80\n"
# The files that stand beside the examples of a code.
BESIDE: Mapping[str, Mapping[str, str]] = {
    "RMG205": {"shared/safety.rmg": HARMLESS},
    "RMG206": {"safety.rmg": HARMLESS},
    "RMG207": {"b.rmg": RELEVANT, "shared.rmg": SHARED},
}


@dataclass(frozen=True)
class Example:
    """A fenced block of the page: the line that it starts at, what it is, and its text."""

    line: int
    kind: str
    is_bad: bool
    text: str

    @property
    def name(self) -> str:
        named = FILE.match(self.text)
        return named[1] if named else "example"

    @property
    def marks(self) -> Marks:
        """The mistakes that it announces in comments at the ends of its lines:
        `# RMG401`, or `# RMG106 on line 3`.
        """
        lines = enumerate(self.text.splitlines(), 1)
        found = ((number, MARK.search(line)) for number, line in lines)
        return {(int(mark[2] or number), mark[1]) for number, mark in found if mark}


def fenced(page: str) -> list[Example]:
    return [
        Example(page.count("\n", 0, found.start()) + 2, found[1], bool(found[2]), found[3])
        for found in FENCE.finditer(page)
    ]


def named(example: Example) -> str:
    return f"line-{example.line}"


PAGE = fenced(spec_text())
VALID = [example for example in PAGE if example.kind == "rmg" and not example.is_bad]
BAD = [example for example in PAGE if example.is_bad]


def diagnosed(text: str, name: str, beside: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """All that is said of a text of this name, which can import the files beside it."""
    files = {**beside, name: text}

    def load(path: str, _importer: str) -> Source:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return Source.of(files[path], path)

    return check_spec(parse(Source.of(text, name)), replace(universe(), load=load)).diagnostics


def of_the_page(example: Example) -> tuple[Diagnostic, ...]:
    files = {other.name: other.text for other in PAGE if FILE.match(other.text)}
    return diagnosed(example.text, example.name, files)


def told(diagnostics: Iterable[Diagnostic], example: Example) -> Marks:
    """The mistakes in this text by line and code; notes count where the example speaks of them."""
    own = [d for d in diagnostics if d.source.name == example.name]
    return {
        (d.line, d.code) for d in own if d.severity != "note" or (d.line, d.code) in example.marks
    }


# ── The page ──────────────────────────────────────────────────────────────────────────────────────


def test_every_fence_of_the_page_is_read() -> None:
    assert 2 * len(PAGE) == len(re.findall(r"^ *```", spec_text(), re.M))
    assert {example.kind for example in PAGE} <= {"rmg", "text"}
    names = [example.name for example in PAGE if FILE.match(example.text)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("example", VALID, ids=named)
def test_a_valid_example_is_sound(example: Example) -> None:
    found = of_the_page(example)
    assert told(found, example) == example.marks
    assert {d.severity for d in found} <= {"note"}, render_text(found)


@pytest.mark.parametrize("example", VALID, ids=named)
def test_a_valid_example_has_the_one_layout(example: Example) -> None:
    assert format_text(example.text) == example.text


@pytest.mark.parametrize("example", VALID, ids=named)
def test_python_can_read_a_valid_example(example: Example) -> None:
    tokens = list(tokenize.generate_tokens(io.StringIO(example.text).readline))
    assert not [token for token in tokens if token.type == tokenize.ERRORTOKEN]
    assert not [text for kind, text in PythonLexer().get_tokens(example.text) if kind in Error]


@pytest.mark.parametrize("example", BAD, ids=named)
def test_a_bad_example_has_the_mistakes_that_it_announces(example: Example) -> None:
    assert example.marks, "which mistakes?"
    assert told(of_the_page(example), example) == example.marks


def test_the_diagnostic_that_is_shown_is_the_one_of_the_example_above_it() -> None:
    shown = [(above, block) for above, block in pairwise(PAGE) if block.kind == "text"]
    assert [render_text(of_the_page(above)) for above, _ in shown] == [
        block.text.rstrip("\n") for _, block in shown
    ]


def test_the_contents_name_every_section() -> None:
    sections = re.findall(r"^## (\d+\. .+)$", spec_text(), re.M)
    contents = re.findall(r"^- \[(\d+\. .+)\]\(#.+\)$", spec_text(), re.M)
    assert contents == sections


# ── What the page must not leave out ──────────────────────────────────────────────────────────────


def signatures() -> list[str]:
    """The built-in functions as the page writes them; those of many parts have forms of their own
    there.
    """
    text = std.library("functions.rmg").source.text
    found = re.findall(r"^internal (\w+)\((.*)\) ->", text, re.M)
    plain = {
        name: re.sub(r": \w+", "", parameters).replace(" = ", "=") for name, parameters in found
    }
    return [
        f"`{name}(" if "*" in inside else f"`{name}({inside})`" for name, inside in plain.items()
    ]


def test_every_function_is_on_the_page_with_its_signature() -> None:
    assert len(signatures()) == len(std.functions())
    assert [signature for signature in signatures() if signature not in spec_text()] == []


def test_every_standard_grader_is_on_the_page() -> None:
    graders = [
        node.name.id
        for node in std.library("graders.rmg").declarations
        if isinstance(node, nodes.GraderDecl)
    ]
    assert [name for name in graders if f"| `std.{name}` |" not in spec_text()] == []


def test_every_key_of_every_block_is_on_the_page() -> None:
    assert [key for key in block_keys() if f"`{key}`" not in spec_text()] == []


def test_every_status_is_on_the_page() -> None:
    assert [status for status in Status if f"| `{status}` |" not in spec_text()] == []


def test_the_filters_of_the_page_are_those_that_a_prompt_may_use() -> None:
    listed = re.search(r"^- \*\*Filters:\*\* (.+?)\.$", spec_text(), re.M | re.S)
    assert listed
    refused = {
        name for name in DEFAULT_FILTERS if "RMG404" in codes_of(f"{{{{ response | {name} }}}}")
    }
    assert set(re.findall(r"`(\w+)`", listed[1])) == DEFAULT_FILTERS.keys() - refused


def test_the_methods_of_the_page_are_those_that_a_prompt_may_call() -> None:
    listed = re.search(r"^- \*\*Methods:\*\* (.+?)\.$", spec_text(), re.M | re.S)
    assert listed
    methods = {
        name for kind in (str, list, dict, tuple) for name in dir(kind) if not name.startswith("_")
    }
    refused = {name for name in methods if "RMG404" in codes_of(f"{{{{ response.{name}() }}}}")}
    assert set(re.findall(r"`(\w+)`", listed[1])) == methods - refused


def codes_of(prompt: str) -> set[str]:
    return {d.code for d in diagnosed(f'grader a -> bool = "{prompt}"\n', "example", {})}


def test_every_provider_and_every_setting_is_on_the_page() -> None:
    assert [name for name in (*PRESETS, *SETTINGS) if f"`{name}`" not in spec_text()] == []


def test_every_code_of_a_text_has_a_bad_example() -> None:
    """Here or among the cases of diagnostics."""
    shown = {code for example in PAGE for _, code in example.marks}
    cases = {
        code for path in DIAGNOSED.rglob("*.rmg") for code in CODE.findall(path.read_text("utf-8"))
    }
    assert sorted(in_the_source() - shown - cases) == []


@cache
def in_the_source() -> set[str]:
    """The codes that the parser and the checker know how to give."""
    rooms = (
        path for room in ("syntax", "checker") for path in (ROOT / "rmg_dsl" / room).rglob("*.py")
    )
    return {
        code for path in rooms for code in re.findall(r'"(RMG[1-4]\d\d)"', path.read_text("utf-8"))
    }


# ── The long texts of the codes ───────────────────────────────────────────────────────────────────


def examples_of(code: str) -> tuple[str, str]:
    mistake, fix = (example.text for example in fenced(codes()[code].text))
    return mistake, fix


@pytest.mark.parametrize("code", codes())
def test_every_code_shows_the_mistake_and_the_fix(code: str) -> None:
    assert len(examples_of(code)) == 2


@pytest.mark.parametrize("code", sorted(in_the_source() - NOT_IN_A_TEXT.keys()))
def test_the_mistake_of_a_code_gives_it(code: str) -> None:
    found = diagnosed(examples_of(code)[0], "example.rmg", BESIDE.get(code, {}))
    assert code in {d.code for d in found}, render_text(found)


@pytest.mark.parametrize("code", codes())
def test_the_fix_of_a_code_is_sound(code: str) -> None:
    found = diagnosed(examples_of(code)[1], "example.rmg", BESIDE.get(code, {}))
    assert {d.severity for d in found} <= {"note"}, render_text(found)
    assert code not in {d.code for d in found}
