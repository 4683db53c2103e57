"""The table of options: every surface shows and takes what the table says."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import paths
import pytest

import rmg_dsl as rmg
from rmg_dsl.api import plan_view
from rmg_dsl.api.options import GradeOptions, Options, ReadOptions, describe_options, option_flags
from rmg_dsl.surfaces.accessor import Accessor
from rmg_dsl.surfaces.option_line import GRADE_FLAGS

TYPING = paths.CASES / "typing"
SPEC = "grader brief = words(response) <= 2"
FIELDS = Options.__dataclass_fields__


def test_the_typed_dict_has_the_types_of_the_table() -> None:
    typed = {name: kind.__forward_arg__ for name, kind in GradeOptions.__annotations__.items()}
    assert typed == {name: field.type for name, field in FIELDS.items()}
    assert set(ReadOptions.__annotations__) == {"limit", "sample", "seed"}


@pytest.mark.parametrize(
    "function",
    [
        rmg.grade,
        rmg.agrade,
        plan_view,
        rmg.Suite.plan,
        *(
            getattr(pd.DataFrame({"a": [1]}).rmg, name)
            for name in ("score", "refine", "grade", "plan")
        ),
    ],
)
def test_help_lists_every_option(function: Callable[..., Any]) -> None:
    text = inspect.getdoc(function) or ""
    assert one_line(describe_options()) in one_line(text)
    assert "**options" in str(inspect.signature(function))


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_the_docstring_that_editors_read_is_the_table() -> None:
    """`help` shows generated text too; a static editor sees only what stands in the source."""
    for function, names in ((rmg.grade, ()), (rmg.read, tuple(ReadOptions.__annotations__))):
        listed = inspect.getsource(function).split("Options:\n\n", 1)[1].split('\n    """', 1)[0]
        assert inspect.cleandoc(listed) == describe_options(names)


def test_every_option_has_a_meaning_and_a_default() -> None:
    for name, field in FIELDS.items():
        assert field.metadata["meaning"], name
        assert getattr(Options(), name) is not ..., name


def test_the_magic_and_the_command_take_every_flag_of_the_table() -> None:
    words = [flag.word for flag in option_flags()]
    assert [word for word in words if word not in GRADE_FLAGS] == []
    shown = subprocess.run(
        [sys.executable, "-m", "rmg_dsl", "run", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [word for word in words if word not in shown.stdout] == []


def test_an_option_that_read_does_not_take_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scored.csv"
    rmg.grade(SPEC, [{"response": "a"}, {"response": "b c d"}, {"response": "e"}]).save(path)
    with pytest.raises(rmg.UsageError, match="no option `limti`: did you mean `limit`"):
        rmg.read(path, limti=1)  # type: ignore[call-arg] # what this test is about
    with pytest.raises(rmg.UsageError, match="there are limit, sample, seed"):
        rmg.read(path, model="a/b")  # type: ignore[call-arg] # what this test is about
    assert rmg.read(path, limit=2)["brief"].tolist() == [True, False]
    assert rmg.read(path, sample=2, seed=1).equals(rmg.read(path, sample=2, seed=1))
    assert len(rmg.read(path, sample=2, seed=1)) == 2


def test_the_accessor_documents_itself_once() -> None:
    assert (Accessor.score.__doc__ or "").count("Options:") == 1


# ── types ──


def mypy_errors(path: Path, monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, str]]:
    api = pytest.importorskip("mypy.api")
    monkeypatch.setenv("MYPYPATH", str(paths.ROOT))
    monkeypatch.chdir(paths.ROOT)
    output, problems, _ = api.run(["--config-file", "pyproject.toml", str(path)])
    assert problems == ""
    found = re.findall(r"^.*?:(\d+): error: .*\[([\w-]+)\]$", output, re.M)
    assert len(found) == output.count(": error:"), output
    return {(int(line), code) for line, code in found}


def test_a_type_checker_accepts_right_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mypy_errors(TYPING / "right.py", monkeypatch) == set()


def test_a_type_checker_refuses_wrong_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    path = TYPING / "wrong.py"
    expected = set()
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if marked := re.search(r"# error: ([\w-]+)$", line):
            expected.add((number, marked[1]))
    assert len(expected) > 10
    assert mypy_errors(path, monkeypatch) == expected
