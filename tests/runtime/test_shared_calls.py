"""Equal questions are asked once: in a run, with and without the cache, and across runs at once."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Mapping
from typing import Any

import pytest
from conftest import Command
from loopback import Asked, Loopback, Told, chat, verdict

import rmg_dsl as rmg
from rmg_dsl.models import RunReplies

ROWS = [{"x": f"row {number % 3}."} for number in range(300)]


def spec(url: str, more: str = "") -> str:
    return f'model judge = llm("vllm/any", base_url="{url}")\ngrader g -> 1..5:\n    prompt = "{{{{ x }}}}"{more}\n'


@pytest.mark.parametrize("cache", [True, False, "refresh"])
@pytest.mark.parametrize(("more", "calls"), [("", 3), ("\n    samples = 2", 6)])
def test_equal_rows_ask_once(cache: Any, more: str, calls: int) -> None:
    with Loopback(verdict(4)) as server:
        result = rmg.grade(spec(server.url, more), ROWS, cache=cache)
    assert len(server.asked) == result.usage.calls == calls
    assert result.usage.cached == 300 * calls // 3 - calls
    assert {row["g"] for row in result.rows()} == {4}


def test_the_dry_run_promises_what_the_run_asks_without_the_cache(rmg_command: Command) -> None:
    rmg_command.write({"d.csv": "x\n" + "same\n" * 5})
    with Loopback(verdict(4)) as server:
        rmg_command.write({"s.rmg": "rmg 1\n\n" + spec(server.url)})
        dry = rmg_command("run", "s.rmg", "d.csv", "--no-cache", "--dry-run")
        assert "4 are duplicates: 1 to make" in dry.stdout
        run = rmg_command("run", "s.rmg", "d.csv", "--no-cache", "--json")
    assert len(server.asked) == json.loads(run.stdout)["usage"]["calls"] == 1


def test_a_second_run_without_the_cache_asks_again() -> None:
    with Loopback(verdict(4)) as server:
        for _ in range(2):
            rmg.grade(spec(server.url), ROWS, cache=False)
    assert len(server.asked) == 6


async def all_at_once(url: str, **options: Any) -> list[rmg.Result]:
    data = [{"x": f"row {number}."} for number in range(90)]
    return await asyncio.gather(*(rmg.agrade(spec(url), data, **options) for _ in range(10)))


@pytest.mark.parametrize(
    ("options", "calls"), [({}, 90), ({"cache": False, "limit": 3}, 30)], ids=str
)
def test_runs_on_one_loop_share_their_calls(options: Mapping[str, Any], calls: int) -> None:
    with Loopback(verdict(4)) as server:
        results = asyncio.run(all_at_once(server.url, **options))
    # Without the cache each run is one of its own.
    assert len(server.asked) == sum(result.usage.calls for result in results) == calls


def test_the_memory_of_a_run_is_bounded() -> None:
    replies = RunReplies(most_bytes=10)
    for number in range(5):
        replies.put(bytes([number]), b"four")
    replies.put(bytes([4]), b"5")
    assert [replies.get(bytes([number])) for number in range(5)] == [
        None,
        None,
        None,
        b"four",
        b"5",
    ]


def test_the_garbage_collector_is_left_alone() -> None:
    counts = [gc.get_freeze_count()]
    data = [{"x": "a"}]
    rmg.grade(
        "grader g = words(x) == 1", data, on_row=lambda _: counts.append(gc.get_freeze_count())
    )
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "bad", [chat("Well."), verdict(9), chat("", finish="content_filter")], ids=["text", "9", "no"]
)
def test_only_what_has_no_score_is_asked_again(bad: Told) -> None:
    is_ill = True

    def answer(asked: Asked) -> Told:
        return bad if is_ill and "row 1." in json.dumps(asked.body) else verdict(4)

    with Loopback(answer) as server:
        text = spec(server.url)
        rmg.grade(text, ROWS[:3])
        is_ill = False
        before = len(server.asked)
        assert rmg.grade(text, ROWS[:3]).df["g_status"].tolist().count("ok") == 2
        assert len(server.asked) == before
        again = rmg.grade(text, ROWS[:3], cache="failed")
        assert again.df["g_status"].tolist() == ["ok"] * 3
        assert len(server.asked) == before + 1
        # The new reply has taken the place of the old one.
        assert rmg.grade(text, ROWS[:3]).df["g_status"].tolist() == ["ok"] * 3
        assert len(server.asked) == before + 1
