"""The wire formats beside OpenAI's: what each sends, and what it makes of responses.

Against a loopback server.

A line of `cases/models/NAME_calls.jsonl` is one call: `model`, `settings`, `base` (the base URL
after the host), what the question is, the response, and what must be sent and read.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import paths
import pytest
from loopback import Loopback, Told

from rmg_dsl.config import Settings
from rmg_dsl.errors import CallError, ModelError
from rmg_dsl.messages import Message, Model, Question, Reply, Request
from rmg_dsl.models import PRESETS, ModelSpec, open_model, parse_model_name, reply_lookup_of
from rmg_dsl.models.cached_reply import decode_reply, encode_reply
from rmg_dsl.scales import Labels, Scale, Whole, YesNo
from rmg_dsl.scales.free_text import FreeText

KEY = "a-very-secret-key-0123456789"
SCALES: dict[str, Scale] = {
    "1..5": Whole(1, 5),
    "bool": YesNo(),
    "labels": Labels(("bad", "good")),
    "text": FreeText(),
}


def cases(pattern: str) -> list[Any]:
    files = sorted((paths.CASES / "models").glob(pattern))
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    return [pytest.param(row, id=f"{row['model']}: {row['name']}") for row in rows]


def request_of(case: dict[str, Any]) -> Request:
    messages = tuple(Message(*pair) for pair in case.get("messages", [["user", "How good?"]]))
    options = (("yes", True), ("no", False)) if case.get("logprobs") else ()
    scale = SCALES[case.get("scale", "1..5")]
    question = Question("good", scale, messages, answer_options=options)
    follow_up = tuple(Message(*pair) for pair in case.get("follow_up", []))
    return Request(question, case.get("draw", 0), follow_up)


def opened(case: dict[str, Any], server: Loopback) -> Model:
    """The model of a case. Its key is in the environment, and its server is on this machine."""
    provider, name = parse_model_name(case["model"])
    key_variable = PRESETS[provider].key_variable or ""
    base_url = server.url.removesuffix("/v1") + case.get("base", "")
    settings = {"max_retries": 0, **case.get("settings", {})}
    environment = {"HOME": "/", key_variable: KEY, "RMG_ALLOW_HOSTS": "127.0.0.1"}
    if "variable" in case:
        environment[case["variable"]] = base_url
    else:
        settings["base_url"] = base_url
    return open_model(ModelSpec(provider, name, settings), Settings.of(environment))


def response_of(told: dict[str, Any]) -> Told:
    return Told(told.get("status", 200), told["body"], told.get("headers", {}))


async def complete(model: Model, request: Request) -> Reply:
    try:
        return await model.complete(request)
    finally:
        await model.close()


@pytest.mark.parametrize("case", cases("*_calls.jsonl"))
def test_every_call_is_encoded_and_decoded(case: dict[str, Any]) -> None:
    with Loopback([response_of(told) for told in case["responses"]]) as server:
        model = opened(case, server)
        try:
            reply: Reply | None = asyncio.run(complete(model, request_of(case)))
        except CallError as error:
            reply = None
            check_error(case, error)
    check_requests(case, server)
    assert model.note == case.get("note", "")
    if "error" not in case:
        assert reply is not None
        check_reply(case["reply"], reply)


def check_requests(case: dict[str, Any], server: Loopback) -> None:
    assert len(server.asked) == case.get("calls", len(case["responses"]))
    for asked in server.asked:
        assert asked.path == case.get("path", asked.path)
        headers = dict(case.get("headers", {}))
        assert {name: asked.headers.get(name) for name in headers} == headers
    for name, value in case.get("sent", {}).items():
        # The last request: the ones before were rejected.
        assert server.bodies[-1].get(name) == value, name


def check_error(case: dict[str, Any], error: CallError) -> None:
    expected = case["error"]
    assert expected["says"] in str(error)
    assert KEY not in str(error)
    fields = ("status_code", "retryable", "fatal", "refused", "retry_after", "attempts")
    for field in fields:
        if field in expected:
            assert getattr(error, field) == expected[field], field


def check_reply(expected: dict[str, Any], reply: Reply) -> None:
    assert reply.text == expected["text"]
    assert (reply.refusal, reply.finish) == (expected.get("refusal"), expected.get("finish"))
    assert reply.reasoning == expected.get("reasoning")
    usage = reply.usage
    tokens = [usage.tokens_in, usage.tokens_out, usage.tokens_cached]
    assert tokens == expected.get("tokens", [0, 0, 0])
    cached = decode_reply(encode_reply(reply))
    assert cached is not None
    assert (cached.text, cached.refusal, cached.finish) == (reply.text, reply.refusal, reply.finish)
    assert cached.reasoning == reply.reasoning


@pytest.mark.parametrize("case", cases("*_starts.jsonl"))
def test_what_cannot_be_called_is_an_error_before_any_call(case: dict[str, Any]) -> None:
    provider, name = parse_model_name(case["model"])
    spec = ModelSpec(provider, name, case.get("settings", {}))
    with pytest.raises(ModelError) as caught:
        open_model(spec, Settings.of({"HOME": "/", **case.get("environment", {})}))
    assert case["says"] in str(caught.value)


@pytest.mark.parametrize("case", cases("*_keys.jsonl"))
def test_the_cache_key_follows_what_the_model_reads(case: dict[str, Any]) -> None:
    def key(**changes: Any) -> bytes | None:
        merged = {**case, **changes}
        provider, name = parse_model_name(merged["model"])
        spec = ModelSpec(provider, name, merged["settings"])
        lookup = reply_lookup_of(spec, Settings.of({"HOME": "/"}))
        return lookup.cache_key(request_of(merged))

    assert key() == key() is not None
    assert all(key(**change) == key() for change in case["same"])
    others = [key(**change) for change in case["other"]]
    assert len({key(), *others}) == len(others) + 1
