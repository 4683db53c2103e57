"""The figures of the house rules, on small sources where each of them can be counted by eye."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from house import (
    FIGURES,
    PROOFS,
    Figure,
    Measurement,
    Module,
    as_json,
    files_of_commit,
    function_lengths,
    is_bare_participle,
    main,
    measure_figure,
    modules_by_package,
    participle_functions,
    placeholder_bindings,
    read_modules,
    render_packages,
    render_table,
    shared_class_names,
    shared_function_names,
)

BY_NAME = {figure.name: figure for figure in FIGURES}
DOCUMENTED = '''"""Module."""


def shown(given):
    """Two
    lines.
    """
    # A reason.
    found = [each for each in given]
    return found if found else None
'''


def value(name: str, *sources: str) -> float:
    modules = [Module(f"room{number}/m.py", text) for number, text in enumerate(sources)]
    return measure_figure(BY_NAME[name], modules).value


@pytest.mark.parametrize(
    ("name", "sources", "expected"),
    [
        ("function lines, median", [DOCUMENTED], 4),
        ("function lines, longest", ["x = 1\n"], 0),
        ("function lines, longest", ["@cache\ndef f():\n    return (\n        1\n    )\n"], 4),
        ("function lines, nine of ten", ["def f(): return 1\n"] * 9 + [DOCUMENTED], 4),
        ("tokens per line in functions, median", ["x = [1, 2, 3, 4, 5]\n"], 0),
        ("tokens per line in functions, median", ["def f():\n    return 1\n"], 3.5),
        ("ternaries per 1,000 lines", ["x = 1 if y else 2\n\n\nz = 1\n"], 500),
        ("lines over 100 characters, %", ["# " + "a" * 98 + "\n# " + "a" * 99 + "\n"], 50),
        ("comment lines per 100 code lines", [DOCUMENTED], 33.3),
        ("comment lines per 100 code lines", ["x = '#'  # why\n"], 100),
        ("class names with two homes, %", ["class A: ...\n", "class A: ...\nclass B: ...\n"], 50),
        ("class names with two homes, %", ["class A: ...\nclass A: ...\n"], 0),
        ("function names with two homes, %", ["def f(): ...\n", "async def f(): ...\n"], 100),
        ("function names with two homes, %", ["class A:\n    def f(self): ...\n"] * 2, 0),
        ("functions named by a participle, %", [DOCUMENTED, "def show(): ...\n"], 50),
        ("placeholder bindings, %", [DOCUMENTED], 100),
        ("placeholder bindings, %", ["match x:\n    case [known]: ...\n    case name: ...\n"], 50),
        ("placeholder bindings, %", ["print(found)\nself.found = 1\n"], 0),
        ("Any per 1,000 lines", ["from typing import Any\n\ndef f(a: Any) -> Any: ...\n"], 666.7),
        ("Any per 1,000 lines", [], 0),
    ],
)
def test_each_figure_on_a_small_source(name: str, sources: list[str], expected: float) -> None:
    assert value(name, *sources) == expected


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("counted", True),
        ("_counted", True),
        ("told", True),
        ("shown", True),
        ("each", True),
        ("is_counted", False),
        ("counted_rows", False),
        ("count", False),
        ("seed", False),
        ("read", False),
        ("__init__", False),
    ],
)
def test_what_a_bare_participle_is(name: str, is_one: bool) -> None:
    assert is_bare_participle(name) is is_one


def test_names_are_listed_with_their_places() -> None:
    modules = [Module("a/m.py", DOCUMENTED + "class A: ...\n"), Module("b.py", "class A: ...\n")]
    assert participle_functions(modules) == ["a/m.py:4 shown"]
    assert [line.split()[1] for line in placeholder_bindings(modules)].count("found") == 1
    assert shared_class_names(modules) == ["A: a/m.py, b.py"]
    assert shared_function_names(modules) == []
    assert {name: len(inside) for name, inside in modules_by_package(modules).items()} == {
        ".": 1,
        "a": 1,
    }


def test_a_range_is_missed_on_both_sides() -> None:
    figure = BY_NAME["comment lines per 100 code lines"]
    assert [figure.is_met(number) for number in (3.9, 4, 8, 8.1)] == [False, True, True, False]
    assert figure.target == "4 to 8"


def test_the_packages_that_miss_are_shown_worst_first() -> None:
    figure = Figure("lines", lambda modules: function_lengths(modules)[-1], 1, "", 0)
    packages = {
        "good": [Module("m.py", "def f(): ...\n")],
        "bad": [Module("m.py", "def f():\n    return 1\n")],
        "worse": [Module("m.py", DOCUMENTED)],
    }
    assert render_packages(figure, packages).split() == ["worse", "4", "bad", "2"]


def test_the_output_says_met_and_missed() -> None:
    rows = [
        Measurement("a", 1.0, "at most 2", "3", 4.0, met=True),
        Measurement("b", 3.0, "at most 2", "3", None, met=False),
    ]
    assert [line.split()[-1] for line in render_table(rows).splitlines()[1:]] == ["met", "MISSED"]
    assert [row["met"] for row in json.loads(as_json(rows))] == [True, False]


def test_the_exit_code_says_whether_all_targets_are_met(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "# Why.\n" + "x = 1\n" * 20
    (tmp_path / "m.py").write_text(source)
    proofs_met = all(proof.files <= proof.most for proof in PROOFS)
    assert main(["--root", str(tmp_path)]) == (0 if proofs_met else 1)
    (tmp_path / "m.py").write_text(source + "def told(given): ...\n")
    assert main(["--root", str(tmp_path), "--names", "--by-package"]) == 1
    assert "m.py:22 told" in capsys.readouterr().out
    assert main(["--root", str(tmp_path), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == len(FIGURES) + len(PROOFS)


def test_the_files_of_a_proof_come_from_its_commit(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    assert files_of_commit("add a thing", tmp_path) is None
    subprocess.run([*git, "init", "-q"], check=True)
    for name in ("rmg_dsl/a.py", "grammar/rmg.lark", "grammar/SPEC.md", "tests/test_a.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "add a thing"], check=True)
    assert files_of_commit("add a thing", tmp_path) == 2
    assert files_of_commit("add", tmp_path) is None
    assert files_of_commit("", tmp_path) is None


def test_the_package_is_measured_in_whole() -> None:
    modules = read_modules(Path(__file__).parent.parent / "rmg_dsl")
    assert len(modules) > 100
    assert all(measure_figure(figure, modules).value >= 0 for figure in FIGURES)
