"""The README is true: its specs check, its Python runs and prints what it says, its commands show
what they show.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import paths
import pytest

import rmg_dsl as rmg

ROOT = paths.ROOT
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)
SECONDS = re.compile(r"\d+\.\d s$", re.M)


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(README) if found == kind]


@pytest.mark.parametrize("spec", blocks("rmg"))
def test_a_spec_checks_clean_and_stands_in_the_one_layout(spec: str) -> None:
    from rmg_dsl.syntax import format_text

    assert [d for d in rmg.check(spec) if d.severity != "note"] == []
    assert format_text(spec) == spec


def test_the_first_spec_is_the_shipped_one() -> None:
    assert blocks("rmg")[0] == (ROOT / "rmg_dsl/examples/support.rmg").read_text("utf-8")


@pytest.mark.parametrize("session", blocks("console"))
def test_a_command_shows_what_it_is_said_to_show(session: str, tmp_path: Path) -> None:
    command, expected = session.removeprefix("$ ").split("\n", 1)
    words = [str(tmp_path / w) if w == "scored.csv" else w for w in shlex.split(command)]
    assert words[0] == "rmg"
    run = subprocess.run(
        [sys.executable, "-m", "rmg_dsl", *words[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = run.stdout.replace(f"{tmp_path}{os.sep}", "")
    assert SECONDS.sub("0.0 s", shown).rstrip() == expected.rstrip(), run.stderr


def test_the_python_runs_and_prints_what_it_is_said_to_print() -> None:
    (code,), (expected,) = blocks("python"), blocks("text")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})  # our own page, which this test is about
    assert printed.getvalue().rstrip() == expected.rstrip()


def test_the_cell_is_read_and_checks_clean() -> None:
    from rmg_dsl.surfaces.option_line import GRADE_FLAGS, parse_option_line

    load, cell = "".join(blocks("ipython")).split("\n\n")
    magic, spec = cell.split("\n", 1)
    assert load == "%load_ext rmg_dsl"
    line = parse_option_line(magic.removeprefix("%%grade"), GRADE_FLAGS)
    assert (line.single_value("-o"), line.rest) == ("scored", 'df[df.lang == "en"]')
    assert [d for d in rmg.check(spec) if d.severity != "note"] == []


def test_every_code_and_file_that_it_names_is_there() -> None:
    from rmg_dsl.diagnostics import codes

    assert set(re.findall(r"RMG\d{3}", README)) <= set(codes())
    assert all((ROOT / path).exists() for path in re.findall(r"\]\(([\w./-]+)\)", README))
