"""Bad days, by the public road and over a real server: each fault comes at its place, and the
server counts.
"""

from __future__ import annotations

import json
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from loopback import Asked, Loopback, Told, chat, deserted_url, error, verdict

import rmg_dsl as rmg
from rmg_dsl.models import endpoints

RETRIES = 3
ROWS = 2_000
SHARES = {"429": 0.20, "500": 0.10, "reset": 0.05, "malformed": 0.05, "hang": 0.02}
FAULTS = {
    "429": error(429, "slow down", headers={"retry-after-ms": "20"}),
    "500": error(500, "oops"),
    "reset": Told(body={"choices": "long" * 500}, fault="reset"),
    "malformed": Told(body="<html>upstream sent too big a header</html>"),
    "hang": Told(fault="hang"),
}
Put: TypeAlias = tuple[int, bool]
"""A question: which one, and whether it is asked again after a poor reply."""


def spec(url: str, **settings: Any) -> str:
    said = "".join(f", {name}={value}" for name, value in settings.items())
    model = f'model judge = llm("vllm/tiny", base_url="{url}"{said})\n'
    return model + 'grader g -> 1..5 = "Rate {{ x }}"\n'


# The drill


def fault(put: Put, attempt: int) -> str:
    """What goes wrong with this attempt, whenever it comes; nothing where it is answered."""
    number = random.Random(f"{put} {attempt}").random()
    for name, share in SHARES.items():
        number -= share
        if number < 0:
            return name
    return ""


def truth(number: int) -> Told:
    """What the judge says of a row, once it is heard."""
    match number % 50:
        case 7:
            return chat("Well, it depends.")
        case 17:
            return verdict(9)
        case 27:
            return chat(None, refusal="I will not")
        case _:
            return verdict(number % 5 + 1)


def attempts_of(put: Put) -> tuple[int, bool]:
    """How many attempts a question takes, and whether one of them is answered."""
    first = next((n for n in range(RETRIES + 1) if not fault(put, n)), None)
    return (RETRIES + 1, False) if first is None else (first + 1, True)


def end_of(number: int) -> tuple[str, int]:
    """The status that a row must end with, and the attempts it must take."""
    attempts, heard = attempts_of((number, False))
    if not heard:
        return "error", attempts
    status = {7: "unparsed", 17: "off_scale", 27: "refused"}.get(number % 50, "ok")
    if status not in ("unparsed", "off_scale"):
        return status, attempts
    more, heard = attempts_of((number, True))
    return (status if heard else "error"), attempts + more


class BadDay:
    """A judge behind an endpoint that fails as `fault` says; counts what came and what was
    answered.
    """

    def __init__(self) -> None:
        self.came: Counter[Put] = Counter()
        self.answered: Counter[Put] = Counter()

    def __call__(self, asked: Asked) -> Told:
        number = re.search(r"row (\d+)\.", asked.prompt)
        assert number
        put = int(number[1]), len(asked.body["messages"]) > 2
        failing = fault(put, self.came[put])
        self.came[put] += 1
        if failing:
            return FAULTS[failing]
        self.answered[put] += 1
        return truth(put[0])


def test_on_a_bad_day_every_row_ends_as_it_must_and_nothing_is_paid_twice() -> None:
    numbers = [n - 1 if n % 20 == 19 and end_of(n - 1)[0] == "ok" else n for n in range(ROWS)]
    day = BadDay()
    with Loopback(day) as server:
        text = spec(server.url, timeout=1.5, max_retries=RETRIES, concurrency=64)
        result = rmg.grade(text, [{"x": f"row {n}."} for n in numbers])
    found = [*result.rows()]
    assert [row["g_status"] for row in found] == [end_of(n)[0] for n in numbers]
    assert all(
        row["g"] == n % 5 + 1
        for n, row in zip(numbers, found, strict=True)
        if row["g_status"] == "ok"
    )
    assert set(day.answered.values()) == {1}
    assert day.came == {put: attempts_of(put)[0] for put in day.came}
    assert {put[0] for put in day.came} == {*numbers}
    assert result.usage.calls == len(server.asked) == sum(end_of(n)[1] for n in {*numbers})
    assert result.usage.retried == result.usage.calls - len(day.came)
    assert result.usage.cached == len(numbers) - len({*numbers})
    assert {f["row"]: f["attempts"] for f in result.failures.to_dict("records")} == {
        place: end_of(n)[1] for place, n in enumerate(numbers) if end_of(n)[0] != "ok"
    }
    assert Counter(row["g_status"] for row in found).keys() == {
        "ok",
        "unparsed",
        "off_scale",
        "refused",
        "error",
    }


# What ends a run


def rows(number: int) -> list[dict[str, str]]:
    return [{"x": f"row {n}."} for n in range(number)]


def graded(url: str, number: int, **settings: Any) -> rmg.Result:
    return rmg.grade(spec(url, **settings), rows(number))


def test_what_is_in_flight_when_a_key_is_refused_is_counted(tmp_path: Path) -> None:
    came = iter(range(8))

    def told(_: Asked) -> Told:
        return Told(fault="hang") if next(came) < 7 else error(401, "no such key")

    with Loopback(told) as server:
        result = rmg.grade(spec(server.url, concurrency=8), rows(100), log=tmp_path / "log.jsonl")
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    assert sum(entry["attempts"] for entry in logged) == 8
    assert result.stopped.endswith(
        "HTTP 401: no such key (no key was sent: set one by api_key_env=)"
    )
    assert result.usage.calls == len(server.asked) == 8
    assert Counter(row["g_status"] for row in result.rows()) == {"error": 1, "cancelled": 99}


@pytest.mark.parametrize(
    ("told", "settings", "why"),
    [
        (Told(fault="drop"), {}, "broke: it was closed before the answer was whole"),
        (Told(fault="hang"), {"timeout": 0.1}, "did not answer within 0.1 s"),
        (error(500, "oops"), {"max_retries": 1}, "HTTP 500: oops"),
        (Told(body="<html>"), {"max_retries": 1}, "answered no JSON object: <html>"),
        (error(401, "no such key"), {}, "HTTP 401: no such key"),
    ],
    ids=["drops", "is silent", "fails", "is another", "knows no such key"],
)
def test_an_endpoint_that_never_answers_ends_the_run_soon(
    told: Told, settings: dict[str, Any], why: str
) -> None:
    with Loopback(told) as server:
        result = graded(server.url, 2_000, **settings)
    assert re.search(why, result.stopped)
    # What is cut off on its way is counted, whether or not it came.
    assert len(server.asked) <= result.usage.calls <= 80
    assert len([*result.rows()]) == 2_000


def test_an_endpoint_that_stops_answering_ends_the_run_with_what_is_finished() -> None:
    came = iter(range(10_000))
    with Loopback(lambda _: verdict(4) if next(came) < 100 else error(500, "oops")) as server:
        result = graded(server.url, 2_000, concurrency=4, max_retries=1)
    assert result.stopped.endswith("HTTP 500: oops")
    statuses = Counter(row["g_status"] for row in result.rows())
    assert statuses["ok"] == 100
    assert 20 <= statuses["error"] < 30
    assert len(server.asked) <= result.usage.calls <= len(server.asked) + 4


@contextmanager
def nobody_accepts() -> Iterator[str]:
    """A base URL whose server takes no connection: its queue is full, so that the first packet is
    never answered.
    """
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(8):
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def test_where_nobody_listens_the_run_ends_soon() -> None:
    url = deserted_url()
    result = graded(url, 2_000)
    assert result.stopped.startswith(f"cannot reach {url}: ")
    assert 3 <= result.usage.calls <= 80


def test_where_packets_get_lost_the_run_ends_once_one_connection_was_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints, "LONGEST_CONNECT", 0.3)
    monkeypatch.setattr("rmg_dsl.models.retry._SECONDS_WITH_NOBODY", 0.2)
    with nobody_accepts() as url:
        result = graded(url, 50)
    assert result.stopped == f"cannot reach {url}: no connection within 0.3 s"
    assert result.usage.calls <= 20


# Replies that are no JSON


def test_a_bad_draw_costs_one_more_call_and_keeps_the_schema() -> None:
    message = "Generated JSON does not match the expected schema. See 'failed_generation'."
    bad = error(400, message, code="json_validate_failed", failed_generation="The verdict is 4")
    script = [verdict(4), bad, *[verdict(4)] * 5]
    with Loopback(script) as server:
        result = rmg.grade(spec(server.url, concurrency=1), [{"x": f"row {n}."} for n in range(6)])
    assert [row["g"] for row in result.rows()] == [4] * 6
    assert {body["response_format"]["type"] for body in server.bodies} == {"json_schema"}
    again = [body["messages"] for body in server.bodies if len(body["messages"]) > 2]
    assert [messages[2]["content"] for messages in again] == ["The verdict is 4"]
    assert result.notes == ()


def test_an_empty_reply_says_where_its_words_stand() -> None:
    with Loopback(chat(None, reasoning_content="Hm. Perhaps 4.")) as server:
        for _ in range(2):
            result = rmg.grade(spec(server.url), [{"x": "row 1."}])
            assert "(`reasoning_content`)" in result.failures.message[0]
    assert len(server.asked) == 2


def test_a_prompt_of_two_million_characters_is_asked() -> None:
    with Loopback(verdict(4)) as server:
        result = rmg.grade(spec(server.url), [{"x": "word " * 400_000}, {"x": "a" * 10_000_000}])
    first, second = result.rows()
    assert (first["g"], second["g_status"], len(server.asked)) == (4, "error", 1)
    assert "more than 10,000,000 characters" in result.failures.message[0]
