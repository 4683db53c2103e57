"""The kinds of scales: each in one file, and no other package looks at the class of a scale."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from inspect import isabstract
from pathlib import Path

import paths
import pytest

import rmg_dsl as rmg
from rmg_dsl.scales import WORD_SCALES, Labels, Points, Real, Scale, Whole, YesNo
from rmg_dsl.scales.free_text import FreeText
from rmg_dsl.scales.label_order import LabelOrder
from rmg_dsl.syntax.keywords import grammar_keywords

PACKAGE = paths.ROOT / "rmg_dsl"
KINDS = (Whole, Real, YesNo, Labels, Points, LabelOrder, FreeText)
WRITTEN = (
    Whole(1, 5),
    Whole(0, 100, lower=True),
    Real(0.0, 1.0),
    Real(-1.5, 2.0, lower=True),
    YesNo(),
    YesNo(lower=True),
    Labels(("kind", "cold")),
    Labels(("bad", "ok", "good"), (0.0, 0.5, 1.0)),
    Labels(("bad", "good"), (1.0, 0.0), lower=True),
    Points(),
)
INTERNAL = (LabelOrder(("A", "B")), FreeText())


# ── one home ──


def class_checks(tree: ast.AST, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    """The places where code looks at the class of a scale, with the name of the class."""
    for node in ast.walk(tree):
        for part in checked_classes(node):
            name = part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "")
            if name in names:
                yield node.lineno, name  # type: ignore[attr-defined] # all of them have a line


def checked_classes(node: ast.AST) -> Iterator[ast.AST]:
    """The classes that a node compares with: `isinstance(…)`, `case X()`, `type(…) is X`."""
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]):
            yield from ast.walk(classes)
        case ast.MatchClass(cls=cls):
            yield cls
        case ast.Compare(left=left, comparators=rest):
            sides = [left, *rest]
            if any(is_class_lookup(side) for side in sides):
                for side in sides:
                    yield from ast.walk(side)


def is_class_lookup(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="type")) | ast.Attribute(attr="__class__"):
            return True
        case _:
            return False


def modules() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if PACKAGE / "scales" not in path.parents]


NAMES = frozenset(kind.__name__ for kind in (Scale, *KINDS))


def test_no_other_package_looks_at_the_class_of_a_scale() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in modules()
        for line, name in class_checks(ast.parse(path.read_text("utf-8")), NAMES)
    ]
    assert len(modules()) > 100
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(scale, Whole)",
        "isinstance(scale, scales.Real | Points)",
        "issubclass(type(scale), (int, YesNo))",
        "type(scale) is Labels",
        "scale.__class__ in (Whole, Real)",
        "match scale:\n    case Whole(low, high) | scales.Points():\n        pass",
    ],
)
def test_a_look_at_a_class_is_found(code: str) -> None:
    assert [*class_checks(ast.parse(code), NAMES)]


def test_what_only_makes_a_scale_is_no_look_at_its_class() -> None:
    code = "def f(scale: Scale) -> Scale:\n    return Whole(1, 5) if scale == YesNo() else scale"
    assert [*class_checks(ast.parse(code), NAMES)] == []


def test_each_kind_has_a_file_of_its_own() -> None:
    homes = [kind.__module__ for kind in KINDS]
    assert len({*homes}) == len(KINDS)
    assert all(home.startswith("rmg_dsl.scales.") for home in homes)


def test_every_kind_is_tested_here() -> None:
    names = [path.stem for path in (PACKAGE / "scales").glob("*.py")]
    homes = [vars(import_module(f"rmg_dsl.scales.{name}")) for name in names if name != "__init__"]
    defined = [value for home in homes for value in home.values() if is_kind(value)]
    assert {*defined} == {*KINDS} == {type(scale) for scale in (*WRITTEN, *INTERNAL)}


def is_kind(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Scale) and not isabstract(value)


def test_the_words_of_the_grammar_are_those_of_the_table() -> None:
    assert {*WORD_SCALES} == {*grammar_keywords().scale} - {"lower"}


# ── what holds for every kind ──


@pytest.mark.parametrize("scale", WRITTEN, ids=str)
def test_a_scale_is_written_as_it_prints(scale: Scale) -> None:
    rubric = '    rubric:\n        +1: "Good"\n' if scale.has_criteria else ""
    suite = rmg.loads(f'grader g -> {scale}:\n    prompt = "{{{{ x }}}}"\n{rubric}')
    (output,) = suite.checked.outputs
    assert output.type.scale == scale
    assert scale.problems(str(scale)) == ()
    assert scale.low_to_high() == scale


@pytest.mark.parametrize("scale", WRITTEN, ids=str)
def test_every_level_is_a_verdict_and_has_a_score(scale: Scale) -> None:
    assert scale.level_count in (None, len(scale.levels))
    for level in scale.levels:
        assert scale.read_verdict(level, 0) == level
        assert scale.fit(level) == level
        assert scale.accepts_level(level)
        if scale.offered_scores is not None:
            assert scale.value_of(level) in scale.offered_scores


@pytest.mark.parametrize("scale", WRITTEN, ids=str)
def test_the_ends_of_a_scale(scale: Scale) -> None:
    if scale.verdict_at(0) is not None:
        assert scale.verdict_at(0) == scale.worst
        assert scale.worst_first([scale.verdict_at(1), scale.worst])[0] == scale.worst  # type: ignore[list-item] # it has ends
    if scale.has_order and scale.worst is not None:
        low, high = scale.score_type.low, scale.score_type.high
        assert scale.number_of(scale.worst) == (high if scale.lower else low)


@pytest.mark.parametrize("scale", WRITTEN, ids=str)
def test_a_word_stands_for_each_level(scale: Scale) -> None:
    if scale.level_count is None:
        with pytest.raises(ValueError, match="cannot be counted"):
            scale.answer_options()
        return
    options = scale.answer_options()
    assert len({word for word, _ in options}) == len(options)
    assert {verdict for _, verdict in options} <= {*scale.levels}


@pytest.mark.parametrize("scale", [*WRITTEN, LabelOrder(("A", "B"))], ids=str)
def test_a_judge_is_told_what_the_verdict_may_be(scale: Scale) -> None:
    assert scale.verdict_instruction.endswith(".")
    assert '"verdict"' in scale.reply_instruction
    assert "verdict" in scale.reply_properties(2)
