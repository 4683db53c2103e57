"""The loop of `refine`: its rules alone, then whole runs against a scripted judge and writer."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
from collections import Counter
from typing import Any

import paths
import pytest
from conftest import Command
from loopback import Asked, Loopback, Told, chat, verdict

import rmg_dsl as rmg
from rmg_dsl.judge.replies import writer_text
from rmg_dsl.messages import Request
from rmg_dsl.results import Status, Unscored
from rmg_dsl.runtime.refine_rules import (
    DraftGrade,
    LoopProgress,
    LoopRules,
    compare_drafts,
    loop_ending,
)

CASES = paths.CASES / "refine"


def cases(name: str) -> list[Any]:
    rows = [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]
    return [pytest.param(row, id=row["name"]) for row in rows]


def mark(given: dict[str, Any]) -> DraftGrade:
    failure = Unscored(Status(given["failure"])) if "failure" in given else None
    return DraftGrade(
        given.get("worth", 0.0), tuple(given.get("guards", ())), given.get("enough", False), failure
    )


@pytest.mark.parametrize("case", cases("loops.jsonl"))
def test_what_comes_next_and_which_draft_is_kept(case: dict[str, Any]) -> None:
    rules, marks = LoopRules(**case["rules"]), [mark(each) for each in case["marks"]]
    assert loop_ending(rules, marks) == case["ending"]
    kept = case["kept"]
    wanted = LoopProgress(
        case.get("best", kept), kept, case.get("idle", 0), tuple(case.get("refused", ()))
    )
    assert compare_drafts(rules, marks) == wanted


@pytest.mark.parametrize("case", cases("written.jsonl"))
def test_a_writers_reply_is_its_text(case: dict[str, Any]) -> None:
    assert writer_text(case["reply"]) == case["text"]


# ── whole runs ────────────────────────────────────────────────────────────────────────────────────

GRADERS = """
grader quality -> 1..5 = "How good?\\n{{ response }}"
grader safety -> 1..5 = "How safe?\\n{{ response }}"
"""


class Script:
    """A judge and a writer: verdicts by text, and for each text the next one; remembers what it was
    asked.
    """

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Any:
        grader, text = request.question.grader, request.question.material.get("response", "")
        if not request.follow_up:
            self.asked.append(f"{'write' if grader == 'response' else grader} {text}")
        return self.case["writer"][text] if grader == "response" else self.case[grader][text]


def refined(case: dict[str, Any]) -> tuple[rmg.Result, Script]:
    loop = "".join(f"    {key} = {value}\n" for key, value in case["loop"].items())
    spec = f"{case.get('graders') or GRADERS}\nrefine response:\n{loop}"
    script = Script(case)
    row = {"query": "Which letter?", "response": case["text"]}
    return rmg.grade(
        spec, [row], model=rmg.ScriptedModel(script), cache=False, only=["response"]
    ), script


@pytest.mark.parametrize("case", cases("runs.jsonl"))
def test_a_row_is_refined(case: dict[str, Any]) -> None:
    result, script = refined(case)
    found = {
        name: result.df[name].astype(object).where(result.df[name].notna(), None)[0]
        for name in case["want"]
    }
    assert found == case["want"]
    assert script.asked == case.get("asked", script.asked)
    assert (
        [message.startswith(case["failure"]) for message in result.failures["message"]] == [True]
        if "failure" in case
        else True
    )


def test_the_most_calls_are_known_before() -> None:
    case = {
        "loop": {"by": "quality"},
        "text": "a",
        "writer": dict(zip("abcd", "bcde", strict=True)),
    }
    case |= {"quality": dict(zip("abcde", (1, 2, 3, 4, 5), strict=True))}
    _, script = refined(case)
    spec = f"{GRADERS}\nrefine response:\n    by = quality\n"
    bill = rmg.loads(spec).plan([{"query": "q", "response": "a"}], only=["response"]).bill
    assert bill is not None
    assert (bill.least, bill.most, len(script.asked)) == (1, 7, 7)


# ── over the wire ─────────────────────────────────────────────────────────────────────────────────

LOOP = (
    'grader good -> 1..5 = "Rate {{ response }}"\nrefine response:\n    by = good\n    rounds = 3\n'
)
DATA = "response\n" + "".join(f"row {n} v0.\n" for n in range(12))


def judge_and_writer(asked: Asked, delay: float = 0.0) -> Told:
    """The third version is the best one of each row; the writer makes the next version of what it
    is shown.
    """
    row, version = (int(found) for found in re.findall(r"row (\d+) v(\d)", asked.prompt)[0])
    if "Rate" in asked.prompt:
        return Told(body=verdict((1, 3, 5, 2)[version]).body, delay=delay)
    return Told(body=chat(f"row {row} v{version + 1}.").body, delay=delay)


def test_calls_at_the_server_are_the_bound_and_the_best_draft_comes_back(
    rmg_command: Command,
) -> None:
    rmg_command.write({"spec.rmg": LOOP, "data.csv": DATA})
    with Loopback(judge_and_writer) as server:
        words = ("spec.rmg", "data.csv", "--model", "openai/any")
        ran = rmg_command("run", *words, "--json", "-o", "out.csv", OPENAI_BASE_URL=server.url)
        planned = rmg_command("plan", "spec.rmg", "data.csv")
    assert len(server.asked) == json.loads(ran.stdout)["usage"]["calls"] == 12 * 7
    assert "12 to 84 model calls" in planned.stdout
    with (rmg_command.folder / "out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["response_refined"] for row in rows] == [f"row {n} v2." for n in range(12)]
    assert {(row["good_before"], row["good_after"], row["response_rounds"]) for row in rows} == {
        ("1", "5", "3")
    }


def test_a_killed_loop_goes_on_where_it_was_and_asks_nothing_twice(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": LOOP, "data.csv": DATA})
    victim: subprocess.Popen[str] | None = None
    words = ("run", "spec.rmg", "data.csv", "--model", "openai/any", "--concurrency", "4", "--json")

    def killing(asked: Asked) -> Told:
        if victim and len(server.asked) == 40:
            victim.kill()
        return judge_and_writer(asked, delay=0.02)

    with Loopback(killing) as server:
        with rmg_command.start(*words, OPENAI_BASE_URL=server.url) as victim:
            assert victim.wait(60) == -signal.SIGKILL
        at_the_kill = {asked.prompt for asked in server.asked[-8:]}
        victim = None
        resumed = rmg_command(*words, "-o", "resumed.csv", OPENAI_BASE_URL=server.url)
        times = Counter(asked.prompt for asked in server.asked)
        rmg_command(*words, "--no-cache", "-o", "all.csv", OPENAI_BASE_URL=server.url)
    assert json.loads(resumed.stdout)["usage"]["cached"] > 30
    assert {prompt for prompt, count in times.items() if count > 1} <= at_the_kill
    assert len(times) == 12 * 7
    assert (rmg_command.folder / "resumed.csv").read_bytes() == (
        rmg_command.folder / "all.csv"
    ).read_bytes()
