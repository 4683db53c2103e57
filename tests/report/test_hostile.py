"""What rows, replies and servers say is text wherever it comes out: no markup, no template, no
colour of a terminal.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paths
import pytest
from conftest import Command
from loopback import Loopback, error

import rmg_dsl as rmg
from rmg_dsl.errors import CallError
from rmg_dsl.messages import Request

CASES = paths.CASES / "hostile"
TEXTS = {
    row["name"]: row["text"]
    for row in map(json.loads, (CASES / "texts.jsonl").read_text("utf-8").splitlines())
}
SPEC = """
grader kind -> 1..5 = "How kind? {{ response }}"
grader brief = words(response) <= 20
"""


@pytest.fixture(params=TEXTS)
def hostile(request: pytest.FixtureRequest) -> str:
    return TEXTS[request.param]


def graded(text: str) -> tuple[rmg.Result, rmg.ScriptedModel]:
    """Two rows, a column named by the text (half a character names none), a judge with it as reason
    and as failure.
    """
    named = text.encode("utf-8", "replace").decode("utf-8")

    def say(request: Request) -> Any:
        if request.row:
            raise CallError(text)
        return {"reason": text, "verdict": 2}

    judge = rmg.ScriptedModel(say)
    return rmg.grade(SPEC, [{"response": text, named: text}] * 2, model=judge), judge


def painting(shown: str) -> set[str]:
    """What in a text could move the cursor of a terminal, colour it, or turn its words round."""
    return {
        char for char in shown if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs")
    }


def test_a_prompt_holds_it_as_it_is_and_fenced(hostile: str) -> None:
    _, judge = graded(hostile)
    prompt = "\n".join(message.content for message in judge.requests[0].messages)
    assert hostile in prompt
    before, _, after = prompt.partition(hostile)
    assert before.rstrip("\n").endswith(">")  # the fence's own tag, which no row can know
    assert after.lstrip("\n").startswith("</data")


def test_files_give_it_back(hostile: str, tmp_path: Path) -> None:
    result, _ = graded(hostile)
    wanted = hostile.encode("utf-8", "backslashreplace").decode("utf-8")
    for name in ("out.csv", "out.jsonl", "out.json", "out.parquet"):
        result.save(tmp_path / name)
        back = rmg.read(tmp_path / name)
        assert back["response"].tolist() == [wanted] * 2, name
        assert back["kind_reason"].tolist()[0] == wanted, name
        assert back.columns[1] == result.table.columns[1], name


def test_text_for_a_terminal_paints_nothing(hostile: str) -> None:
    result, _ = graded(hostile)
    shown = "\n".join([str(result), repr(result), result.overview, result.glance()])
    assert painting(shown) == set()
    assert "1 missing score" in shown


def test_the_command_line_paints_nothing(hostile: str, rmg_command: Command) -> None:
    rows = json.dumps({"response": hostile, hostile: 1})
    rmg_command.write({"spec.rmg": SPEC, "data.jsonl": f"{rows}\n{rows}\n"})
    with Loopback(error(401, hostile)) as server:
        variables = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-secret"}
        run = rmg_command(
            "run",
            "spec.rmg",
            "data.jsonl",
            "--model",
            "openai/any",
            "--by",
            "response",
            **variables,
        )
    shown = rmg_command("render", "spec.rmg", "data.jsonl", "--row", "0")
    assert (run.returncode, shown.returncode) == (3, 0)
    assert painting(run.stdout + run.stderr + shown.stdout) == set()
    assert "response = " in run.stdout


MISTAKES: Mapping[str, str] = {
    "a column that is not there": "grader brief = words(respons) <= 2",
    "a clash of names": 'grader response -> bool = "{{ response }}"',
}


@pytest.mark.parametrize("name", MISTAKES)
def test_errors_paint_nothing(hostile: str, name: str) -> None:
    with pytest.raises(rmg.RmgError) as refused:
        rmg.grade(MISTAKES[name], [{"response": "a", hostile: 1}], model=rmg.ScriptedModel({}))
    assert painting(str(refused.value)) == set()


def test_a_spec_that_holds_it_paints_nothing(hostile: str) -> None:
    found = rmg.check(
        f'# {hostile}\ngrader a = "{hostile}\ngrader b -> 1..5 = "{{{{ c }}}} {hostile}"'
    )
    with pytest.raises(rmg.SpecError) as refused:
        rmg.loads(f"# remark\ngrader a = wrods({hostile})")
    assert painting(str(refused.value)) == set()
    assert all(painting(diagnostic.message) == set() for diagnostic in found)
