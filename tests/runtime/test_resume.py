"""Nothing that was paid for is ever lost: kills, interrupts, two at once, edits and budgets, by
real processes.
"""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from loopback import Asked, Loopback, Told, chat, verdict

from rmg_dsl.models import FILE_NAME

SPEC = """
grader good -> 1..5 = "Rate {{ x }}"
grader kind -> bool = "Is it kind? {{ x }}"
aggregate r = good if kind else 1
require mean(r) > 1
"""
COSTLY = 'model judge = llm("openai/any", price="1/10/0.5")\n' + SPEC


def rows(numbers: Sequence[int]) -> str:
    return "x\n" + "".join(f"row {n}.\n" for n in numbers)


def row_of(asked: Asked) -> int:
    found = re.search(r"row (\d+)\.", asked.prompt)
    assert found
    return int(found[1])


def judged(asked: Asked, **how: Any) -> Told:
    """A verdict that follows from the question alone."""
    number = row_of(asked)
    value: Any = number % 5 + 1 if "Rate" in asked.prompt else number % 3 > 0
    return Told(body=verdict(value).body, **how)


def questions(server: Loopback) -> Counter[str]:
    """How often each question was asked."""
    return Counter(asked.prompt for asked in server.asked)


def words(data: str, *flags: str) -> list[str]:
    return ["run", "spec.rmg", data, "--model", "openai/any", "--json", *flags]


def usage(process: subprocess.CompletedProcess[str]) -> dict[str, int]:
    assert process.returncode == 0, process.stderr
    found: dict[str, int] = json.loads(process.stdout)["usage"]
    return found


def replies_in(folder: Path) -> list[bytes]:
    """The keys of all replies in a cache, by a reader that shares nothing with ours."""
    connection = sqlite3.connect(folder / FILE_NAME)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [key for (key,) in connection.execute("SELECT key FROM replies")]
    finally:
        connection.close()


# Kills


class Killing:
    """A judge that kills whoever asks it for the `after`th time; each answer takes a while."""

    def __init__(self) -> None:
        self.victim: subprocess.Popen[str] | None = None
        self.after = 0
        self.came = 0

    def __call__(self, asked: Asked) -> Told:
        self.came += 1
        if self.victim and self.came == self.after:
            self.victim.kill()
        return judged(asked, delay=0.05)


def test_five_kills_later_the_table_is_the_same_and_every_question_was_paid_once(
    rmg_command: Command,
) -> None:
    rmg_command.write({"spec.rmg": SPEC, "data.csv": rows(range(90))})
    at_once, judge, chances = 8, Killing(), random.Random(5)
    flags = ("--concurrency", str(at_once))
    allowed: set[str] = set()
    with Loopback(judge) as server:
        for kill in range(5):
            judge.after = judge.came + chances.randrange(10, 30)
            with rmg_command.start(
                *words("data.csv", *flags), OPENAI_BASE_URL=server.url
            ) as judge.victim:
                assert judge.victim.wait(60) == -signal.SIGKILL, kill
            # In flight, or answered in the last moment before it could be written.
            allowed |= {asked.prompt for asked in server.asked[-2 * at_once :]}
        judge.victim = None
        resumed = rmg_command(
            *words("data.csv", *flags, "-o", "resumed.csv"), OPENAI_BASE_URL=server.url
        )
        asked = questions(server)
        undisturbed = rmg_command(
            *words("data.csv", *flags, "--no-cache", "-o", "all.csv"), OPENAI_BASE_URL=server.url
        )
    assert usage(undisturbed)["calls"] == len(asked) == 150
    assert {prompt for prompt, times in asked.items() if times > 1} <= allowed
    assert usage(resumed)["cached"] >= 150 - usage(resumed)["calls"] > 40
    folder = rmg_command.folder
    assert (folder / "resumed.csv").read_bytes() == (folder / "all.csv").read_bytes()


# Two at once


def test_two_processes_share_the_cache(
    rmg_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMG_CACHE_DIR", str(rmg_command.folder / "cache"))
    data = {
        "spec.rmg": 'grader good -> 1..5 = "Rate {{ x }}"\n',
        "up.csv": rows(range(150)),
        "down.csv": rows(range(199, 49, -1)),
    }
    rmg_command.write(data)
    flags = ("--concurrency", "4")
    with Loopback(lambda asked: judged(asked, delay=0.03)) as server:
        both = [
            rmg_command.start(*words(name, *flags), OPENAI_BASE_URL=server.url)
            for name in ("up.csv", "down.csv")
        ]
        ended = [(process.communicate(timeout=60), process.returncode) for process in both]
        alone = rmg_command(*words("up.csv"), OPENAI_BASE_URL=server.url)
    assert [(code, err) for (_, err), code in ended] == [(0, "")] * 2
    assert [json.loads(out)["notes"] for (out, _), _ in ended] == [[], []]
    asked = questions(server)
    keys = replies_in(rmg_command.folder / "cache")
    assert len(keys) == len({*keys}) == len(asked) == 200
    # They come from both ends: only where they meet may one ask what the other is asking.
    assert len(server.asked) <= len(asked) + 16
    assert (usage(alone)["calls"], usage(alone)["cached"]) == (0, 150)


# Interrupts


def test_an_interrupt_begins_no_call_keeps_those_in_flight_and_costs_nothing_later(
    rmg_command: Command,
) -> None:
    rmg_command.write({"spec.rmg": SPEC, "data.csv": rows(range(200))})
    with Loopback(lambda asked: judged(asked, held=True)) as server:
        with rmg_command.start(
            *words("data.csv", "-o", "out.jsonl"), OPENAI_BASE_URL=server.url
        ) as process:
            assert process.stderr is not None
            server.wait_for(20)
            process.send_signal(signal.SIGINT)
            while "Ctrl-C again" not in process.stderr.readline():
                assert process.poll() is None
            server.let_go()
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert json.loads(out)["usage"]["calls"] == len(server.asked) == 20
        written = [
            json.loads(line)
            for line in (rmg_command.folder / "out.jsonl").read_text("utf-8").splitlines()
        ]
        assert len(written) == 200
        assert Counter(row["kind_status"] for row in written) == {"ok": 20, "cancelled": 180}
        assert Counter(row["good_status"] for row in written) == {"skipped": 7, "cancelled": 193}
        again = usage(rmg_command(*words("data.csv"), OPENAI_BASE_URL=server.url))
    assert set(questions(server).values()) == {1}
    assert again["calls"] == len(server.asked) - 20


# Edits


BEFORE = """
param floor = 3
grader good -> 1..5:
    prompt = "Rate {{ x }}"
    pass = score >= 3
grader calm -> 1..5 = "Rate how calm {{ x }} is"
aggregate r = weighted(good=0.5, calm=0.5)
require mean(r) > 1
"""
AFTER = """
param floor = 4  # higher

## How calm it is.
grader calmness -> 1..5 = "Rate how calm {{ x }} is"

grader good -> 1..5:
    pass = score >= 4
    prompt   =   "Rate {{ x }}"

aggregate r = weighted(good=0.7, calmness=0.3)
require mean(r) > 2
"""


def test_only_an_edit_of_what_the_judge_reads_costs_calls(rmg_command: Command) -> None:
    rmg_command.write({"data.csv": rows(range(10))})
    costs = []
    with Loopback(judged) as server:
        for text in (BEFORE, AFTER, AFTER.replace("how calm", "how calm and quiet")):
            rmg_command.write({"spec.rmg": text})
            costs.append(
                usage(rmg_command(*words("data.csv"), OPENAI_BASE_URL=server.url))["calls"]
            )
    assert costs == [20, 0, 10]


# Budgets


def billed(asked: Asked) -> Told:
    """A reply for which the provider counts 1,000 tokens in, 600 of them from its cache, and 100
    out.
    """
    counted = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 600},
    }
    said = json.loads(judged(asked).content)["choices"][0]["message"]["content"]
    return chat(said, usage=counted)


def test_a_budget_stops_the_run_and_a_higher_one_pays_only_for_the_rest(
    rmg_command: Command,
) -> None:
    one = (400 * 1 + 600 * 0.5 + 100 * 10) / 1e6
    rmg_command.write({"spec.rmg": COSTLY, "data.csv": rows(range(30))})
    flags = ("--concurrency", "2", "-o", "out.jsonl")
    command = ["run", "spec.rmg", "data.csv", "--json", *flags]
    with Loopback(billed) as server:
        short = rmg_command(
            *command, "--budget", str(10.5 * one), OPENAI_BASE_URL=server.url, OPENAI_API_KEY="none"
        )
        spent = json.loads(short.stdout)["usage"]
        assert short.returncode == 3
        assert "the budget of 0.01785 USD is spent" in short.stderr
        written = [
            json.loads(line)
            for line in (rmg_command.folder / "out.jsonl").read_text("utf-8").splitlines()
        ]
        full = usage(
            rmg_command(
                *command, "--budget", "1", OPENAI_BASE_URL=server.url, OPENAI_API_KEY="none"
            )
        )
    assert 11 <= spent["calls"] <= 12
    assert spent["cost"] == pytest.approx(spent["calls"] * one)
    assert (spent["tokens_in"], spent["tokens_out"]) == (
        1000 * spent["calls"],
        100 * spent["calls"],
    )
    assert spent["tokens_cached"] == 600 * spent["calls"]
    assert {row["r_status"] for row in written} == {"ok", "over_budget"}
    assert set(questions(server).values()) == {1}
    assert (full["calls"], full["cached"]) == (50 - spent["calls"], spent["calls"])
