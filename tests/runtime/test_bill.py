"""The bill before the run: what it promises, the run that follows must cost; it asks nobody and
needs no key.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import paths
import pytest
from conftest import Command
from loopback import Asked, Loopback, Told, chat, verdict

import rmg_dsl as rmg
from rmg_dsl.runtime import CostEstimate

ONE = 'grader good -> 1..5 = "Rate {{ x }}"\n'
LAZY = """
grader good -> 1..5 = "Rate {{ x }}"
grader kind -> bool = "Is it kind? {{ x }}"
grader calm -> 1..5:
    model = jury
    pool = majority
    prompt = "How calm is it? {{ x }}"
grader firm -> 1..5:
    samples = 2
    escalate = strong when spread > 1
    prompt = "How firm is it? {{ x }}"
aggregate r = weighted(good, calm) if kind else firm
"""


def spec(url: str, text: str = ONE, **settings: Any) -> str:
    said = "".join(f', {name}="{value}"' for name, value in settings.items())
    models = [
        f'model {name} = llm("vllm/{name}", base_url="{url}"{said})'
        for name in ("judge", "other", "strong")
    ]
    return "\n".join([*models, "model jury = panel(judge, other, strong)", text])


def rows(numbers: Any) -> list[dict[str, str]]:
    return [{"x": f"row {n}. " + "word " * (n % 7)} for n in numbers]


def bill_of(text: str, data: list[dict[str, str]], **options: Any) -> CostEstimate:
    found = rmg.loads(text).plan(data, **options).bill
    assert found is not None
    return found


def answer(asked: Asked) -> Told:
    """What follows from the question alone: verdicts, at times prose, which is asked about once
    more.
    """
    body = asked.body
    number = sum(map(ord, asked.prompt + body["model"])) + body.get("seed", 0)
    said = (
        "Well."
        if number % 11 == 3
        else json.dumps({"reason": "so", "verdict": value_of(body, number)})
    )
    size = len(json.dumps(body["messages"]))
    return chat(said, usage={"prompt_tokens": size // 3, "completion_tokens": 200 + number % 9})


def value_of(body: Any, number: int) -> Any:
    kind = body["response_format"]["json_schema"]["schema"]["properties"]["verdict"]["type"]
    return number % 3 > 0 if kind == "boolean" else number % 5 + 1


def test_the_bill_is_what_is_neither_in_the_cache_nor_asked_twice() -> None:
    data = rows([*range(170), *range(50, 80)])
    with Loopback(verdict(4)) as server:
        text = spec(server.url)
        rmg.grade(text, data, limit=120)
        bill = bill_of(text, data)
        assert len(server.asked) == 120
        result = rmg.grade(text, data)
    assert (
        str(bill).splitlines()[0]
        == "200 rows, 200 model calls, of which 150 are in the cache: 50 to make"
    )
    assert result.usage.calls == 50


def test_the_bill_says_how_many_are_duplicates() -> None:
    data = rows([*range(170), *range(140, 170)])
    with Loopback(verdict(4)) as server:
        text = spec(server.url)
        rmg.grade(text, data, limit=120)
        bill = bill_of(text, data)
        result = rmg.grade(text, data)
    first = (
        "200 rows, 200 model calls, of which 120 are in the cache and 30 are duplicates: 50 to make"
    )
    assert str(bill).splitlines()[0] == first
    assert result.usage.calls == 50


@pytest.mark.parametrize("done", [0, 1, 7, 20, 30])
def test_whatever_the_judges_say_a_run_costs_what_its_bill_says(done: int) -> None:
    data = rows([*range(25), *range(5)])
    with Loopback(answer) as server:
        text = spec(server.url, LAZY)
        rmg.grade(text, data, limit=done)
        before, asked = bill_of(text, data), len(server.asked)
        result = rmg.grade(text, data)
        again = 2 * len(
            {each.prompt for each in server.asked[asked:] if len(each.body["messages"]) > 2}
        )
        after = bill_of(text, data)
    assert before.make_least <= result.usage.calls <= before.make_most + again
    assert (before.make_least == before.make_most == 0) == (done == 30)
    assert (before.tokens_in > 10 * before.make_most) == (done < 30)
    assert (after.make_least, after.make_most, after.cost) == (0, 0, 0)
    assert after.cached == after.least == after.most == result.usage.cached + result.usage.calls


def test_money_and_tokens_are_guessed_and_then_known_from_the_cache() -> None:
    data = rows(range(60))
    with Loopback(answer) as server:
        text = spec(server.url, price="1/10")
        guessed = bill_of(text, data)
        first = rmg.grade(text, data, limit=20).usage
        learned = bill_of(text, data)
        rest = rmg.grade(text, data).usage
    assert guessed.cost == pytest.approx((guessed.tokens_in * 1 + 60 * 60 * 10) / 1e6)
    assert 0.5 < guessed.tokens_in / (first.tokens_in + rest.tokens_in) < 2
    assert (guessed.replies, learned.replies) == (0, first.calls)
    assert learned.cost == pytest.approx(rest.cost, rel=0.1)
    assert learned.tokens_in == pytest.approx(rest.tokens_in, rel=0.1)
    assert f"(an estimate, from {first.calls} replies in the cache), {learned.cost:.4g} USD" in str(
        learned
    )


def test_a_model_without_a_price_is_named() -> None:
    bill = bill_of('model judge = llm("openai/x")\n' + ONE, rows(range(3)))
    assert (bill.cost, bill.unpriced) == (None, ("judge",))
    assert 'the money is known where `judge` has a price: llm("…", price="0.10/0.40")' in str(bill)


def test_the_dearest_judge_that_may_be_asked_is_in_the_bill() -> None:
    text = (
        'model judge = llm("openai/a", price="1/1")\nmodel strong = llm("openai/b", price="100/100")\n'
        + LAZY
    )
    text = re.sub(r"grader calm.*?grader firm", "grader firm", text, flags=re.S).replace(
        "weighted(good, calm)", "good"
    )
    bill = bill_of(text, rows(range(10)))
    assert (bill.least, bill.most) == (10, 50)
    assert bill.cost is not None
    assert bill.cost > 10 * 60 * 100 / 1e6


def test_most_tokens_of_a_reply_bound_the_guess() -> None:
    text = 'model judge = llm("openai/a", max_tokens=20)\n' + ONE
    assert bill_of(text, rows(range(10))).tokens_out == 200


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({}, "4 rows, 4 model calls, of which 1 is a duplicate: 3 to make"),
        ({"model": "openai/any"}, "4 rows, 4 model calls, of which 1 is a duplicate: 3 to make"),
        ({"cache": "refresh"}, "4 rows, 4 model calls, of which 1 is a duplicate: 3 to make"),
        ({"cache": False}, "4 rows, 4 model calls, of which 1 is a duplicate: 3 to make"),
        ({"model": rmg.ScriptedModel({"good": 4})}, "4 rows, 4 model calls"),
        ({"model": "local/lexical"}, "4 rows, 0 model calls"),
    ],
    ids=str,
)
def test_how_the_run_will_ask_is_how_it_is_counted(options: dict[str, Any], first: str) -> None:
    assert str(bill_of(ONE, rows([0, 1, 2, 0]), **options)).splitlines()[0] == first


def test_a_refresh_pays_for_all_of_it_again() -> None:
    with Loopback(verdict(4)) as server:
        rmg.grade(spec(server.url), rows(range(5)))
        assert bill_of(spec(server.url), rows(range(5))).make_most == 0
        assert bill_of(spec(server.url), rows(range(5)), cache="refresh").make_most == 5


def test_a_prompt_that_cannot_be_sent_costs_nothing() -> None:
    data = [{"x": "half a \ud83d"}, {"x": "whole"}]
    with Loopback(verdict(4)) as server:
        bill, result = bill_of(spec(server.url), data), rmg.grade(spec(server.url), data)
    assert bill.most == result.usage.calls == len(server.asked) == 1
    assert [row["good_status"] for row in result.rows()] == ["error", "ok"]


def test_an_unknown_provider_is_told() -> None:
    with pytest.raises(rmg.ModelError, match="did you mean `ollama`"):
        rmg.loads(ONE).plan(rows([1]), model="olama/x")


def test_a_plan_and_a_dry_run_say_the_same(rmg_command: Command) -> None:
    data = "x\n" + "".join(f"{row['x']}\n" for row in rows([*range(8), 3]))
    rmg_command.write({"data.csv": data})
    with Loopback(verdict(4)) as server:
        rmg_command.write({"spec.rmg": "rmg 1\n\n" + spec(server.url, price="1/10")})
        rmg_command("run", "spec.rmg", "data.csv", "--limit", "2")
        planned = rmg_command("plan", "spec.rmg", "data.csv")
        dry = rmg_command("run", "spec.rmg", "data.csv", "--dry-run")
        told = rmg_command("run", "spec.rmg", "data.csv", "--dry-run", "--json")
        assert len(server.asked) == 2
    assert (
        "9 rows, 9 model calls, of which 2 are in the cache and 1 is a duplicate: 6 to make"
        in planned.stdout
    )
    assert planned.stdout == dry.stdout
    found = json.loads(told.stdout)
    assert found == json.loads(rmg_command("plan", "spec.rmg", "data.csv", "--json").stdout)
    assert (found["cached"], found["duplicates"], found["make_least"], found["make_most"]) == (
        2,
        1,
        6,
        6,
    )


def test_a_plan_needs_no_key_no_client_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("RMG_CACHE_DIR", str(tmp_path / "cache"))
    code = """
import sys
import rmg_dsl as rmg
print(rmg.loads('grader good -> 1..5 = "Rate {{ x }}"').plan([{"x": "a"}], model="openai/any").bill.most)
print(sorted({"openai", "httpx2", "pandas"} & sys.modules.keys()))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["1", "[]"]
    assert not list(tmp_path.glob("cache/replies*"))


# Calls without a count of tokens


def unreported(body: Any) -> Told:
    """A verdict with this as the usage of the reply; without any for None."""
    told = verdict(4)
    del told.body["usage"]
    if body is not None:
        told.body["usage"] = body
    return told


UNREPORTED = [
    json.loads(line)
    for line in (paths.CASES / "models" / "unreported.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("case", UNREPORTED, ids=lambda case: case["name"])
def test_tokens_that_nobody_reported_are_estimated(case: dict[str, Any]) -> None:
    with Loopback(unreported(case["usage"])) as server:
        text = spec(server.url, price="1000/2000")
        result = rmg.grade(text, rows(range(4)))
        bill = bill_of(text, rows(range(4)), cache=False)
    used = result.usage
    assert used.estimates == (4 if case["estimated"] else 0)
    tokens_in = 4 * case["tokens_in"] if "tokens_in" in case else bill.tokens_in
    # The reply is 35 bytes long.
    assert (used.tokens_in, used.tokens_out) == (tokens_in, 4 * case.get("tokens_out", 9))
    assert used.cost == pytest.approx((used.tokens_in + 2 * used.tokens_out) / 1000)
    assert ("an estimate: 4 calls came back without" in str(result)) == case["estimated"]


def test_a_budget_holds_by_the_estimate() -> None:
    with Loopback(unreported(None)) as server:
        text = spec(server.url, price="1000/2000")
        one = rmg.grade(text, rows([0])).usage.cost
        assert one
        result = rmg.grade(text, rows(range(40)), budget=2.5 * one, concurrency=1)
    assert len(server.asked) in (3, 4)
    assert [*result.rows()][-1]["good_status"] == "over_budget"


def test_an_estimate_is_no_measure_for_the_next_bill() -> None:
    with Loopback(unreported(None)) as server:
        rmg.grade(spec(server.url), rows(range(4)))
        assert bill_of(spec(server.url), rows(range(8))).replies == 0
