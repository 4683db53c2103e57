"""What is shipped: a wheel that holds everything it needs, and runs from wherever it is
unpacked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from email.parser import HeaderParser
from pathlib import Path

import pytest
from conftest import ROOT

import rmg_dsl
from rmg_dsl.syntax.grammar import grammar_text, spec_text

SHIPPED = [
    "rmg_dsl/ARCHITECTURE.md",
    "rmg_dsl/__main__.py",
    "rmg_dsl/diagnostics/codes.toml",
    "rmg_dsl/examples/support.csv",
    "rmg_dsl/examples/support.rmg",
    "rmg_dsl/grammar/SPEC.md",
    "rmg_dsl/grammar/declarations.toml",
    "rmg_dsl/grammar/rmg.lark",
    "rmg_dsl/py.typed",
    "rmg_dsl/std/functions.rmg",
    "rmg_dsl/std/graders.rmg",
]


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(unpacked: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python in an empty folder, which finds the unpacked wheel first."""
    env = {**os.environ, "PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_all_that_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in SHIPPED if name not in names] == []
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "rmg_dsl").rglob("*.py")}
    assert modules <= set(names)
    parts = {f"rmg_dsl-{rmg_dsl.__version__}.{part}" for part in ("dist-info", "data")}
    assert {name.split("/")[0] for name in names} == {"rmg_dsl", *parts}
    assert not [name for name in names if name.endswith((".pyc", ".tmp"))]


def test_the_wheel_says_who_it_is(unpacked: Path) -> None:
    (info,) = unpacked.glob("*.dist-info")
    about = HeaderParser().parsestr((info / "METADATA").read_text("utf-8"))
    assert (about["Name"], about["Version"]) == ("rmg-dsl", rmg_dsl.__version__)
    assert about["License-Expression"] == "Apache-2.0"
    entries = ConfigParser()
    entries.read(info / "entry_points.txt", "utf-8")
    assert entries["console_scripts"]["rmg"] == "rmg_dsl.surfaces.cli:main"


def test_jupyterlab_finds_its_extension_in_the_wheel(unpacked: Path) -> None:
    (data,) = unpacked.glob("*.data")
    shipped = data / "data" / "share" / "jupyter" / "labextensions" / "rmg-dsl"
    about = json.loads((shipped / "package.json").read_text("utf-8"))
    assert (about["name"], about["version"]) == ("rmg-dsl", rmg_dsl.__version__)
    assert (shipped / about["jupyterlab"]["_build"]["load"]).is_file()
    assert json.loads((shipped / "install.json").read_text("utf-8"))["packageName"] == "rmg-dsl"


def test_pygments_finds_the_lexer_in_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "brief.rmg").write_text("grader brief = words(response) <= 80\n", "utf-8")
    for words in (("-l", "rmg", "brief.rmg"), ("brief.rmg",)):
        found = run(unpacked, tmp_path, "-m", "pygments", "-f", "raw", *words)
        assert "Token.Keyword.Declaration\t'grader'" in found.stdout, found.stderr


def test_the_grammar_is_found_in_both_layouts(unpacked: Path, tmp_path: Path) -> None:
    for text, name in ((grammar_text(), "rmg.lark"), (spec_text(), "SPEC.md")):
        assert text == (ROOT / "grammar" / name).read_text("utf-8")
    code = "from rmg_dsl.syntax.grammar import _grammar_file as f; print(f('rmg.lark')); print(f('SPEC.md'))"
    found = run(unpacked, tmp_path, "-c", code).stdout.split()
    assert found == [
        str(unpacked / "rmg_dsl" / "grammar" / name) for name in ("rmg.lark", "SPEC.md")
    ]


def test_the_command_runs_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    (info,) = unpacked.glob("*.dist-info")
    entries = ConfigParser()
    entries.read(info / "entry_points.txt", "utf-8")
    module, function = entries["console_scripts"]["rmg"].split(":")
    script = f"import sys; from {module} import {function}; sys.exit({function}(['demo']))"
    found = run(unpacked, tmp_path, "-c", script)
    assert found.returncode == 0, found.stderr
    assert "word-overlap baseline" in found.stdout
    assert (
        run(unpacked, tmp_path, "-m", "rmg_dsl", "--version").stdout
        == f"rmg {rmg_dsl.__version__}\n"
    )
    assert list(tmp_path.iterdir()) == []
