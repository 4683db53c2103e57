"""The models: what is sent, what is made of answers, what is tried again.

Against a loopback server and llama.cpp.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import paths
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama import NAME as LLAMA
from llama import llama_server, llama_url
from loopback import Asked, Loopback, Told, chat, deserted_url, error, verdict

from rmg_dsl.config import Settings
from rmg_dsl.errors import CallError, ModelError
from rmg_dsl.messages import Message, Model, Question, Reply, Request, Usage
from rmg_dsl.models import (
    PRESETS,
    SETTINGS,
    ChatModel,
    ConcurrencyLimitedModel,
    Endpoint,
    Endpoints,
    LexicalModel,
    ModelSpec,
    Price,
    RateLimitedModel,
    RetryingModel,
    ScriptedModel,
    check_setting,
    open_model,
    parse_model_name,
)
from rmg_dsl.models.http_errors import call_error_of
from rmg_dsl.models.http_response import HttpResponse, retry_after_of
from rmg_dsl.models.lexical import verdict_on
from rmg_dsl.models.providers.chat_completion import reply_from_response
from rmg_dsl.models.reply_schema import reply_schema
from rmg_dsl.models.retry_delay import seconds_in_sentence
from rmg_dsl.models.settings import ModelSettings
from rmg_dsl.scales import Labels, Points, Real, Scale, Whole, YesNo

__all__ = ["llama_url"]

CASES = paths.CASES / "models"
KEY = "sk-very-secret-0123456789"
SCALE = Whole(1, 5)
SCHEMA_REJECTED = error(
    400, "'response_format' of type 'json_schema' is not supported with this model", param="x"
)
TEMPERATURE_REJECTED = error(
    400, "Unsupported value: 'temperature' does not support 0 with this model.", param="temperature"
)


def cases(name: str) -> list[Any]:
    rows = [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text("utf-8").splitlines()]
    return [pytest.param(row, id=row.get("name") or row["setting"]) for row in rows]


def asking(
    scale: Scale = SCALE, text: str = "How good?", grader: str = "good", **more: Any
) -> Request:
    return Request(Question(grader, scale, (Message("user", text),)), **more)


def spec(url: str | None = None, /, **settings: Any) -> ModelSpec:
    return ModelSpec("vllm", LLAMA, ({"base_url": url} if url else {}) | settings)


def environment(**variables: str) -> Settings:
    allowed = {"RMG_ALLOW_HOSTS": "127.0.0.1,localhost", "RMG_ALLOW_ENV": "TINY_KEY,MINE"}
    return Settings.of({"HOME": "/", **allowed, **variables})


def run(model: Model, *requests: Request) -> list[Reply]:
    """Asks one after another, and closes the model whatever happens."""

    async def all_of_them() -> list[Reply]:
        try:
            return [await model.complete(request) for request in requests or (asking(),)]
        finally:
            await model.close()

    return asyncio.run(all_of_them())


def chatting(server: Loopback, **settings: Any) -> ChatModel:
    """A bare chat model, without retries, that owns its client."""
    endpoints = Endpoints()
    endpoint = endpoints.endpoint_for(server.url, KEY)
    return ChatModel(
        endpoint,
        "tiny",
        name="test/tiny",
        settings=cast(ModelSettings, settings),
        key_advice="is TEST_KEY right?",
        owned=endpoints,
    )


def fault(model: Model) -> CallError:
    with pytest.raises(CallError) as caught:
        run(model)
    return caught.value


# What is sent


def test_a_call_says_what_the_question_asks_and_no_more() -> None:
    question = Question(
        "good", SCALE, (Message("system", "You judge."), Message("user", "How good?"))
    )
    with Loopback(verdict(4)) as server:
        replies = run(
            open_model(spec(server.url), environment()),
            Request(question, follow_up=(Message("user", "Again"),)),
        )
    assert json.loads(replies[0].text) == {"reason": "because", "verdict": 4}
    assert replies[0].usage == Usage(calls=1, tokens_in=10, tokens_out=5)
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.bodies == [
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "You judge."},
                {"role": "user", "content": "How good?"},
                {"role": "user", "content": "Again"},
            ],
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True, "schema": reply_schema(SCALE)},
            },
        }
    ]


@pytest.mark.parametrize(
    ("scale", "offered"),
    [
        (Whole(1, 3), {"type": "integer", "enum": [1, 2, 3]}),
        (Whole(0, 100), {"type": "integer", "enum": [*range(101)]}),
        (Whole(0, 101), {"type": "integer", "minimum": 0, "maximum": 101}),
        (Real(0.0, 1.0), {"type": "number", "minimum": 0.0, "maximum": 1.0}),
        (YesNo(), {"type": "boolean"}),
        (Labels(("bad", "good"), (0.0, 1.0)), {"type": "string", "enum": ["bad", "good"]}),
    ],
)
def test_the_schema_offers_the_scale_only_and_the_reason_comes_first(
    scale: Scale, offered: Mapping[str, Any]
) -> None:
    schema: Any = reply_schema(scale)
    assert [*schema["properties"]] == schema["required"] == ["reason", "verdict"]
    assert schema["properties"]["verdict"] == offered
    assert schema["additionalProperties"] is False
    assert reply_schema(scale) is schema


def test_points_want_an_answer_to_each_criterion() -> None:
    whole: Any = reply_schema(Points(), 2)
    schema = whole["properties"]["verdict"]
    assert [*schema["properties"]] == schema["required"] == ["1", "2"]
    assert [*schema["properties"]["2"]["properties"].items()] == [
        ("reason", {"type": "string"}),
        ("met", {"type": "boolean"}),
    ]


@pytest.mark.parametrize(
    ("settings", "draw", "sent"),
    [
        ({}, 0, {"temperature": 0}),
        ({}, 2, {"temperature": 1}),
        ({"temperature": 0.3}, 2, {"temperature": 0.3}),
        ({"seed": 7}, 0, {"temperature": 0, "seed": 7}),
        ({"seed": 7}, 2, {"temperature": 1, "seed": 9}),
        ({"max_tokens": 9, "top_p": 0.5}, 0, {"temperature": 0, "max_tokens": 9, "top_p": 0.5}),
        ({"reasoning_effort": "low"}, 0, {"temperature": 0, "reasoning_effort": "low"}),
        ({"extra_body": '{"temperature": 0.9, "top_k": 1}'}, 0, {"temperature": 0.9, "top_k": 1}),
        (
            {"timeout": 5, "concurrency": 2, "rpm": 6000, "price": "1/2", "max_retries": 0},
            0,
            {"temperature": 0},
        ),
    ],
)
def test_settings_reach_the_wire(settings: dict[str, Any], draw: int, sent: dict[str, Any]) -> None:
    with Loopback(verdict(4)) as server:
        run(open_model(spec(server.url, **settings), environment()), asking(draw=draw))
    body = server.bodies[0]
    assert {
        name: body[name] for name in body if name not in ("model", "messages", "response_format")
    } == sent


def test_openai_itself_knows_the_limit_by_its_newer_name() -> None:
    model = open_model(ModelSpec("openai", "x", {"max_tokens": 9}), environment(OPENAI_API_KEY=KEY))
    chat_model = model._model._model._model  # type: ignore[attr-defined]
    body = json.loads(chat_model._provider.encode(asking(), chat_model._support))
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


# Where it is sent, and with which key


def test_the_key_comes_from_the_preset_s_variable() -> None:
    with Loopback(verdict(4)) as server:
        run(
            open_model(
                ModelSpec("openai", "x"),
                environment(OPENAI_BASE_URL=server.url, OPENAI_API_KEY=f"{KEY}\n"),
            )
        )
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody-else")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-somebody-else")
    with Loopback(verdict(4)) as server:
        run(open_model(ModelSpec("openai", "x"), environment(OPENAI_BASE_URL=server.url)))
    assert "authorization" not in server.asked[0].headers
    assert "somebody-else" not in str(server.asked[0].headers)


@pytest.mark.parametrize(
    ("declared", "variables", "says"),
    [
        (ModelSpec("openai", "x"), {}, "OPENAI_API_KEY is not set"),
        (ModelSpec("groq", "x"), {"OPENAI_API_KEY": KEY}, "GROQ_API_KEY is not set"),
        (ModelSpec("groq", "x", {"api_key_env": "MINE"}), {"GROQ_API_KEY": KEY}, "MINE is not set"),
        (spec("http://localhost:1/v1", api_key_env="MINE"), {}, "MINE is not set"),
        (ModelSpec("grok", "x"), {}, "did you mean `groq`"),
        (ModelSpec("acme", "x"), {}, "known are anthropic"),
        (ModelSpec("local", "lexicon"), {}, "`local/lexical`"),
        (ModelSpec("openai", "x"), {"OPENAI_API_KEY": "clé"}, "OPENAI_API_KEY holds a character"),
        (ModelSpec("openai", "x"), {"OPENAI_API_KEY": "a b"}, "OPENAI_API_KEY holds a character"),
        (
            ModelSpec("openai", "x"),
            {"OPENAI_BASE_URL": "localhost:80"},
            "OPENAI_BASE_URL is no base URL",
        ),
        (
            ModelSpec("vllm", "x", {"temperature": 9, "tempo": 1}),
            {},
            "0 to 2; unknown setting `tempo`",
        ),
    ],
)
def test_what_cannot_be_asked_is_said_before_any_call(
    declared: ModelSpec, variables: dict[str, str], says: str
) -> None:
    with pytest.raises(ModelError) as caught:
        open_model(declared, environment(**variables))
    assert says in str(caught.value)
    assert all(key not in str(caught.value) for key in (KEY, "clé"))


def test_a_base_url_of_one_s_own_needs_no_known_provider_and_no_key() -> None:
    with Loopback(verdict(4)) as server:
        replies = run(open_model(ModelSpec("acme", "a/b", {"base_url": server.url}), environment()))
    assert replies[0].text
    assert server.bodies[0]["model"] == "a/b"


def test_presets_are_urls_that_a_setting_would_accept() -> None:
    for preset in PRESETS.values():
        assert check_setting("base_url", preset.base_url) is None
        assert (
            preset.key_variable is None or check_setting("api_key_env", preset.key_variable) is None
        )


@pytest.mark.parametrize("text", ["gpt-6", "", "/x", "openai/", " / "])
def test_a_name_without_its_provider_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(ModelError, match="provider/model"):
        parse_model_name(text)


@pytest.mark.parametrize("case", cases("settings"))
def test_settings_are_checked(case: dict[str, Any]) -> None:
    name = case["setting"]
    assert [check_setting(name, value) for value in case["fine"]] == [None] * len(case["fine"])
    for value in case["wrong"]:
        problem = check_setting(name, value)
        assert problem is not None
        assert problem.startswith((f"`{name}` takes", f"unknown setting `{name}`"))
        assert not isinstance(value, str) or len(value) < 8 or value not in problem


def test_the_table_of_settings_is_the_language_s() -> None:
    assert " ".join(SETTINGS) == (
        "temperature top_p max_tokens seed timeout concurrency rpm tpm max_retries reasoning_effort extra_body price "
        "base_url api_key_env"
    )


def test_every_setting_has_a_type() -> None:
    assert [*ModelSettings.__annotations__] == [*SETTINGS]


def test_a_price_counts_cached_tokens_once() -> None:
    usage = Usage(tokens_in=3_000_000, tokens_out=1_000_000, tokens_cached=1_000_000)
    assert Price.of("1/10/0.5").cost(usage) == 12.5
    assert Price.of("1/10").cost(usage) == 13
    assert Price.of("1/10/0.5").cost(Usage(tokens_in=1, tokens_cached=10**6)) == 0.5 / 10**6


def test_models_of_one_run_share_a_client_per_endpoint_and_key() -> None:
    endpoints = Endpoints()
    assert endpoints.endpoint_for("http://h/v1", "a") is endpoints.endpoint_for("http://h/v1/", "a")
    assert endpoints.endpoint_for("http://h/v1", "a") is not endpoints.endpoint_for(
        "http://h/v1", "b"
    )

    async def two_models() -> None:
        first, second = (open_model(spec(server.url), environment(), endpoints) for _ in range(2))
        await first.complete(asking())
        await first.close()
        await second.complete(asking())
        await endpoints.close()
        await endpoints.close()

    with Loopback(verdict(4)) as server:
        asyncio.run(two_models())
    assert len(server.asked) == 2


# What comes back


@pytest.mark.parametrize("case", cases("faults"))
def test_every_fault_says_what_may_help(case: dict[str, Any]) -> None:
    told = Told(case["status"], case["body"], case.get("headers", {}))
    with Loopback(told) as server:
        found = fault(chatting(server))
    assert case["says"] in str(found)
    assert len(str(found)) < 350
    assert found.status_code == case.get("status_code", case["status"])
    assert found.retry_after == case.get("retry_after")
    kinds = ("retryable", "fatal", "refused")
    assert {kind: getattr(found, kind) for kind in kinds} == {
        kind: case.get(kind, False) for kind in kinds
    }
    assert (found.attempts, len(server.asked)) == (1, 1)


@pytest.mark.parametrize("case", cases("retry_sentences"))
def test_a_sentence_says_how_long_to_wait(case: dict[str, Any]) -> None:
    assert seconds_in_sentence(case["sentence"]) == pytest.approx(case["seconds"])


@pytest.mark.parametrize("case", cases("replies"))
def test_every_reply_is_read_as_it_came(case: dict[str, Any]) -> None:
    choice = {"message": case["message"], "finish_reason": case["finish"]}
    usage = case.get("usage", {})
    with Loopback(Told(body={"choices": [choice], "usage": usage})) as server:
        reply = run(chatting(server))[0]
    assert (reply.text, reply.refusal) == (case["text"], case.get("refusal"))
    assert reply.finish == (None if case.get("no_finish") else case["finish"])
    assert [reply.usage.tokens_in, reply.usage.tokens_out, reply.usage.tokens_cached] == case.get(
        "tokens", [0, 0, 0]
    )
    assert reply.raw is not None
    assert reply.raw["choices"][0]["message"] == case["message"]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (Told(body={"choices": "long" * 99}, fault="reset"), "broke"),
        (Told(body={"choices": "long" * 99}, fault="close"), "broke"),
        (Told(fault="drop"), "broke"),
        (Told(body={}, headers={"content-encoding": "gzip"}), "broke"),
        (Told(body="[" * 100_000), "no JSON object"),
        (Told(body=b"\xff\xfe\x00\x01"), "no JSON object"),
        (Told(body="9" * 5000), "no JSON object"),
        (
            replace(chat(None), headers={"content-type": "text/html; charset=nonsense"}, body="é"),
            "no JSON object",
        ),
    ],
    ids=[
        "reset",
        "closed early",
        "no answer",
        "bad gzip",
        "deep",
        "not UTF-8",
        "a long number",
        "an odd charset",
    ],
)
def test_a_broken_answer_may_be_tried_again(told: Told, says: str) -> None:
    with Loopback(told) as server:
        found = fault(chatting(server))
    assert says in str(found)
    assert (found.retryable, found.fatal) == (True, False)


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_an_answer_that_never_ends_is_given_up(kind: Any) -> None:
    with Loopback([Told(body={"a": 1}, fault=kind), verdict(4)]) as server:
        model = RetryingModel(chatting(server, timeout=0.2), 1, random=lambda: 0.0)
        assert run(model)[0].usage == Usage(calls=2, retried=1, tokens_in=10, tokens_out=5)
    with Loopback(Told(body={"a": 1}, fault=kind)) as server:
        found = fault(chatting(server, timeout=0.2))
    assert "did not answer within 0.2 s" in str(found)
    assert (found.retryable, found.fatal, found.status_code) == (True, False, None)


def test_where_nobody_listens_no_other_call_can_do_better() -> None:
    url = deserted_url()
    found = fault(ChatModel(Endpoint(url), "tiny"))
    assert f"cannot reach {url}" in str(found)
    assert (found.retryable, found.fatal, found.status_code) == (True, True, None)


def test_half_a_character_cannot_be_sent() -> None:
    with Loopback(verdict(4)) as server, pytest.raises(CallError, match="half a character"):
        run(chatting(server), asking(text="\ud800"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "error": JSON,
            "usage": JSON
            | st.fixed_dictionaries({"prompt_tokens": JSON, "prompt_tokens_details": JSON}),
            "choices": JSON
            | st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "message": JSON
                        | st.fixed_dictionaries(
                            {},
                            optional={
                                "content": JSON | st.lists(st.fixed_dictionaries({"text": JSON})),
                                "refusal": JSON,
                            },
                        ),
                        "finish_reason": JSON,
                        "error": JSON,
                    },
                ),
                max_size=2,
            ),
        },
    )
    | JSON,
    st.sampled_from([200, 400, 401, 403, 404, 422, 429, 500, 599]),
)
def test_whatever_comes_is_a_reply_or_a_call_error(body: object, status: int) -> None:
    answer = HttpResponse(status, body)
    assert isinstance(call_error_of(answer, "x"), CallError)
    with contextlib.suppress(CallError):
        reply = reply_from_response(answer, "x")
        assert isinstance(reply.text, str)
        assert reply.refusal is None or reply.refusal.strip()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
                "date": "Wed, 21 Oct 2026 07:29:00 GMT",
            },
            0,
        ),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00", "date": "Wed, 99 Oct"}, None),
        ({"retry-after-ms": "250"}, 0.25),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_of(headers) == seconds


# The ladder, and what else an endpoint may reject


@contextlib.contextmanager
def picky(rejects: Callable[[Any], Told | None]) -> Iterator[Loopback]:
    """An endpoint that answers only what it likes."""

    def answer(asked: Asked) -> Told:
        return rejects(asked.body) or verdict(4)

    with Loopback(answer) as server:
        yield server


def forms(server: Loopback) -> list[str]:
    return [body.get("response_format", {}).get("type", "none") for body in server.bodies]


@pytest.mark.parametrize(
    "told",
    [
        SCHEMA_REJECTED,
        error(400, "Invalid value: 'json_schema'.", param="response_format.type"),
        error(404, "No endpoints found that support structured outputs"),
        Told(
            422,
            {"detail": [{"loc": ["body", "response_format", "type"], "msg": "unexpected value"}]},
        ),
        error(501, "json_schema is not implemented"),
        error(
            500,
            "1 validation error: ('body', 'response_format', 'type') Input should be 'text' or 'json_object'",
        ),
    ],
    ids=["400", "400 by its param", "404", "422", "501", "500 of llama-cpp-python"],
)
def test_a_rejected_schema_costs_one_call_and_is_remembered(told: Told) -> None:
    with picky(
        lambda body: told if body.get("response_format", {}).get("type") == "json_schema" else None
    ) as server:
        model = chatting(server)
        replies = run(model, asking(), asking())
    assert forms(server) == ["json_schema", "json_object", "json_object"]
    assert [(reply.usage.calls, reply.usage.retried) for reply in replies] == [(2, 1), (1, 0)]
    assert "not held to a schema" in model.note
    assert "temperature" in server.bodies[-1]


def test_the_ladder_ends_with_no_format_at_all() -> None:
    with picky(lambda body: SCHEMA_REJECTED if "response_format" in body else None) as server:
        assert run(chatting(server))[0].usage.calls == 3
    assert forms(server) == ["json_schema", "json_object", "none"]


def test_a_rejection_that_no_rung_helps_is_an_error_with_all_attempts() -> None:
    with Loopback(SCHEMA_REJECTED) as server:
        found = fault(chatting(server))
    assert (found.attempts, found.retryable, found.status_code) == (3, False, 400)


def test_a_plain_500_is_not_taken_for_a_rejected_schema() -> None:
    with Loopback([error(500, "oops"), verdict(4)]) as server:
        run(RetryingModel(chatting(server), random=lambda: 0.0))
    assert forms(server) == ["json_schema", "json_schema"]


def test_a_rejected_default_is_dropped_once_and_reported() -> None:
    with picky(lambda body: TEMPERATURE_REJECTED if "temperature" in body else None) as server:
        model = chatting(server)
        replies = run(model, asking(), asking())
    assert ["temperature" in body for body in server.bodies] == [True, False, False]
    assert [reply.usage.calls for reply in replies] == [2, 1]
    assert "`temperature` was left out" in model.note
    assert forms(server) == ["json_schema"] * 3


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"extra_body": '{"temperature": 0}'}])
def test_a_setting_of_the_author_stays_and_is_an_error(settings: dict[str, Any]) -> None:
    with Loopback(TEMPERATURE_REJECTED) as server:
        model = chatting(server, **settings)
        found = fault(model)
    assert "does not support 0" in str(found)
    assert (found.attempts, found.retryable, found.fatal, model.note) == (1, False, False, "")


def test_a_response_format_of_the_author_stays() -> None:
    with Loopback(SCHEMA_REJECTED) as server:
        assert (
            fault(chatting(server, extra_body={"response_format": {"type": "text"}})).attempts == 1
        )
    assert forms(server) == ["text"]


def test_several_rejections_are_learned_one_by_one() -> None:
    def rejects(body: Any) -> Told | None:
        if "max_tokens" in body:
            return error(
                400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            )
        if "temperature" in body:
            return error(400, "temperature is not supported")
        return SCHEMA_REJECTED if "response_format" in body else None

    with picky(rejects) as server:
        model = chatting(server, max_tokens=9)
        assert [reply.usage.calls for reply in run(model, asking(), asking())] == [5, 1]
    assert server.bodies[-1]["max_completion_tokens"] == 9
    assert "left out" in model.note
    assert "schema" in model.note


def test_calls_in_flight_learn_the_same_lesson_once() -> None:
    async def at_once(model: ChatModel) -> list[Reply]:
        try:
            return await asyncio.gather(*(model.complete(asking()) for _ in range(8)))
        finally:
            await model.close()

    with picky(
        lambda body: SCHEMA_REJECTED if body["response_format"]["type"] == "json_schema" else None
    ) as server:
        replies = asyncio.run(at_once(chatting(server)))
    assert all(reply.usage.calls <= 2 for reply in replies)
    assert "none" not in forms(server)


# Secrets


def test_the_key_is_in_no_message_no_note_no_repr_and_no_trace() -> None:
    echo = error(401, f"Incorrect API key provided: {KEY}. Header: Bearer {KEY}")
    with Loopback(echo) as server:
        model = chatting(server)
        found = fault(model)
    shown = (
        "".join(traceback.format_exception(found))
        + repr(vars(found))
        + repr(model)
        + repr(model._endpoint)
    )
    assert "[key]" in str(found)
    assert KEY not in shown + model.note + str(found)


def test_a_reply_that_echoes_the_key_is_scrubbed_before_anyone_logs_it() -> None:
    with Loopback(chat(f"your key is {KEY}")) as server:
        reply = run(chatting(server))[0]
    assert reply.text == "your key is [key]"
    assert KEY not in str(reply)


def test_settings_hold_no_key_that_shows() -> None:
    assert KEY not in repr(environment(OPENAI_API_KEY=KEY))


# Tried again


class Faulty:
    """A model that raises what it was given, one after another, then replies."""

    name, note = "faulty", ""

    def __init__(self, *faults: CallError) -> None:
        self.faults = list(faults)

    async def complete(self, request: Request) -> Reply:  # noqa: ARG002
        if self.faults:
            raise self.faults.pop(0)
        return Reply("4", usage=Usage(calls=1, tokens_in=3))

    async def close(self) -> None:
        return None


def retrying(*faults: CallError, **how: Any) -> tuple[RetryingModel, list[float]]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return RetryingModel(Faulty(*faults), **({"sleep": sleep, "random": lambda: 1.0} | how)), slept


def busy(**more: Any) -> CallError:
    return CallError("busy", **({"status_code": 429, "retryable": True} | more))


def test_waits_double_and_are_capped_and_all_attempts_count() -> None:
    model, slept = retrying(*[busy() for _ in range(8)], max_retries=8)
    assert run(model)[0].usage == Usage(calls=9, retried=8, tokens_in=3)
    assert slept == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_waits_are_random_over_their_whole_length() -> None:
    chances = iter([0.0, 0.5])
    model, slept = retrying(busy(), busy(), random=lambda: next(chances))
    run(model)
    assert slept == [0.0, 0.5]


def test_a_wait_that_was_asked_for_is_kept() -> None:
    model, slept = retrying(busy(retry_after=7.0), busy(retry_after=7.0), random=lambda: 0.5)
    run(model)
    assert slept == [7.25, 7.25]


def test_a_wait_that_is_too_long_ends_it() -> None:
    model, slept = retrying(busy(retry_after=3600.0))
    assert fault(model).attempts == 1
    assert slept == []


def test_in_the_end_the_error_counts_its_attempts() -> None:
    model, slept = retrying(*[busy(attempts=2) for _ in range(3)], max_retries=2)
    assert fault(model).attempts == 6
    assert len(slept) == 2


@pytest.mark.parametrize(
    "found", [CallError("no"), CallError("no", fatal=True), CallError("no", refused=True)]
)
def test_what_cannot_pass_is_not_tried_again(found: CallError) -> None:
    model, slept = retrying(found)
    assert fault(model) is found
    assert (found.attempts, slept) == (1, [])


def test_nobody_there_is_said_soon_but_a_server_that_answered_is_waited_for() -> None:
    def gone() -> list[CallError]:
        return [CallError("gone", retryable=True, fatal=True) for _ in range(5)]

    model, slept = retrying(*gone())
    assert fault(model).attempts == 3
    assert len(slept) == 2
    model, slept = retrying()
    run(model)
    model._model.faults = gone()  # type: ignore[attr-defined]
    assert run(model)[0].usage.calls == 6


def test_a_request_that_is_never_sent_says_nothing_about_the_server() -> None:
    model, _ = retrying(*[CallError("no", attempts=0) for _ in range(5)])
    errors = [fault(model) for _ in range(5)]
    assert [(error.attempts, error.fatal) for error in errors] == [(0, False)] * 5


def held(**more: Any) -> CallError:
    refusal = busy(**more)
    refusal.is_held = True
    return refusal


def test_a_hold_of_the_endpoint_costs_no_retries() -> None:
    model, slept = retrying(*[held() for _ in range(9)], max_retries=1)
    assert run(model)[0].usage == Usage(calls=10, retried=9, tokens_in=3)
    assert slept == [0.5] * 9


def test_a_hold_ends_when_the_patience_does() -> None:
    now = iter(range(0, 900, 90))
    model, _ = retrying(*[held() for _ in range(9)], clock=lambda: next(now))
    found = fault(model)
    # The clock is read once for the start and once for each refusal.
    assert (found.attempts, found.fatal) == (5, True)
    assert "refused for 5 minutes" in str(found)


def test_who_wants_no_retries_is_not_held() -> None:
    model, slept = retrying(held(), max_retries=0)
    assert (fault(model).attempts, slept) == (1, [])


def test_other_exceptions_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        run(RetryingModel(ScriptedModel({"good": ZeroDivisionError()})))


def test_retries_on_the_wire() -> None:
    script = [
        error(429, "slow", headers={"retry-after": "0"}),
        Told(fault="drop"),
        error(500, "oops"),
        verdict(4),
    ]
    with Loopback(script) as server:
        model = RetryingModel(chatting(server), random=lambda: 0.0)
        assert run(model)[0].usage == Usage(calls=4, retried=3, tokens_in=10, tokens_out=5)
    assert len(server.asked) == 4


# How many at once, how fast


class Gate:
    """A model whose calls stay open until `opened`; knows the most that were open at once."""

    name, note = "gate", "a note"

    def __init__(self, expected: int) -> None:
        self.expected, self.open, self.peak = expected, 0, 0
        self.full, self.opened = asyncio.Event(), asyncio.Event()

    async def complete(self, request: Request) -> Reply:  # noqa: ARG002
        self.open += 1
        self.peak = max(self.peak, self.open)
        if self.open == self.expected:
            self.full.set()
        await self.opened.wait()
        self.open -= 1
        return Reply("4")

    async def close(self) -> None:
        return None


def test_no_more_calls_at_once_than_allowed() -> None:
    async def main() -> int:
        gate = Gate(3)
        model = ConcurrencyLimitedModel(gate, 3)
        calls = [asyncio.create_task(model.complete(asking())) for _ in range(10)]
        await gate.full.wait()
        gate.opened.set()
        await asyncio.gather(*calls)
        return gate.peak

    assert asyncio.run(main()) == 3


def test_a_backoff_holds_no_slot() -> None:
    async def main() -> str:
        waiting, go = asyncio.Event(), asyncio.Event()

        async def sleep(_: float) -> None:
            waiting.set()
            await go.wait()

        model = RetryingModel(ConcurrencyLimitedModel(Faulty(busy()), 1), sleep=sleep)
        first = asyncio.create_task(model.complete(asking()))
        await waiting.wait()
        second = await model.complete(asking())
        go.set()
        return second.text + (await first).text

    assert asyncio.run(main()) == "44"


def paced(rpm: float | None, tpm: float | None, letters: int, usage: Usage) -> list[float]:
    """The waits of four calls at one moment."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    model = RateLimitedModel(
        ScriptedModel({"good": Reply("4", usage=usage)}), rpm, tpm, clock=lambda: 100.0, sleep=sleep
    )
    run(model, *[asking(text="x" * letters)] * 4)
    return slept


def test_calls_keep_the_pace_that_a_provider_allows() -> None:
    assert paced(60, None, 4, Usage()) == [1, 2, 3]
    assert paced(None, 600, 400, Usage(tokens_in=100)) == [10, 20, 30]
    assert paced(None, 600, 400, Usage(tokens_in=100, tokens_out=100)) == [20, 40, 60]
    assert paced(6, 600, 4, Usage(tokens_in=1)) == [10, 20, 30]


def test_wrappers_hand_on_name_and_note() -> None:
    async def main() -> list[tuple[str, str]]:
        gate = Gate(1)
        return [
            (model.name, model.note)
            for model in (
                ConcurrencyLimitedModel(gate),
                RateLimitedModel(gate),
                RetryingModel(gate),
            )
        ]

    assert asyncio.run(main()) == [("gate", "a note")] * 3


# local/lexical

SCALES: dict[str, Scale] = {
    "1..5": Whole(1, 5),
    "1..5 lower": Whole(1, 5, lower=True),
    "1..4": Whole(1, 4),
    "1..4 lower": Whole(1, 4, lower=True),
    "0.0..1.0": Real(0.0, 1.0),
    "bool": YesNo(),
    "bool lower": YesNo(lower=True),
    "labels": Labels(("good", "bad", "ok"), (1.0, 0.0, 0.5)),
    "labels lower": Labels(("good", "bad", "ok"), (1.0, 0.0, 0.5), lower=True),
    "words": Labels(("a", "b")),
    "points": Points(),
}


@pytest.mark.parametrize("case", cases("lexical"))
def test_the_baseline_compares_words_and_refuses_all_else(case: dict[str, Any]) -> None:
    material = case["needs"] | case.get("extra", {})
    text = "\n".join([case.get("prompt", "How good is this?"), *material.values()])
    message = (Message("user", text),)
    for name, expected in case["verdicts"].items():
        question = Question(
            case.get("grader", "good"), SCALES[name], message, material, tuple(case["needs"])
        )
        reply = run(LexicalModel(), Request(question))[0]
        assert reply.usage == Usage()
        if expected is None:
            assert reply.refusal is not None
            assert "word-overlap baseline" in reply.refusal
            assert case["says"] in reply.refusal
        else:
            said = json.loads(reply.text)
            assert said["verdict"] == expected
            assert type(said["verdict"]) is type(expected)
            assert said["reason"].startswith("word-overlap baseline: ")
            assert case["says"] in said["reason"]


@given(st.floats(0, 1), st.integers(-9, 9), st.integers(1, 200), st.booleans())
def test_the_baseline_never_leaves_a_scale(share: float, low: int, width: int, lower: bool) -> None:
    whole, real = Whole(low, low + width, lower), Real(low / 7, low / 7 + width / 9e5, lower)
    assert verdict_on(whole, share) in whole.levels
    assert (
        real.low <= float(verdict_on(real, share) or 0.0) <= real.high or real.low > 0 > real.high
    )


def test_the_baseline_needs_no_key_and_says_what_it_is() -> None:
    model = open_model(ModelSpec(*parse_model_name("local/lexical")), environment())
    assert (model.name, model.note) == (
        "local/lexical",
        "local/lexical is a word-overlap baseline, not a judge",
    )


# The double


@pytest.mark.parametrize(
    ("scale", "said", "text"),
    [
        (SCALE, 4, '{"reason": "scripted", "verdict": 4}'),
        (YesNo(), True, '{"reason": "scripted", "verdict": true}'),
        (Labels(("é", "b")), "é", '{"reason": "scripted", "verdict": "é"}'),
        (Labels(("a", "b")), "c", "c"),
        (SCALE, "4", "4"),
        (SCALE, '{"verdict": 4}', '{"verdict": 4}'),
        (SCALE, {"verdict": 9}, '{"verdict": 9}'),
        (Real(0, 1), math.nan, '{"reason": "scripted", "verdict": NaN}'),
    ],
)
def test_the_double_says_what_it_is_told(scale: Scale, said: Any, text: str) -> None:
    reply = run(ScriptedModel({"good": said}), asking(scale))[0]
    assert (reply.text, reply.usage.calls) == (text, 1)


def test_the_double_finds_graders_before_texts_and_texts_in_order() -> None:
    model = ScriptedModel({"Paris": 1, "How": 2, "good": 3})
    asked = [
        asking(text="How is Paris?"),
        asking(text="How is Paris?", grader="x"),
        asking(text="How?", grader="x"),
    ]
    assert [json.loads(reply.text)["verdict"] for reply in run(model, *asked)] == [3, 1, 2]
    assert model.requests == asked
    assert "3 requests" in repr(model)


def test_the_double_takes_a_list_one_by_one_and_raises_afresh() -> None:
    model = ScriptedModel({"good": [busy(), Reply("kept", refusal="no"), 5]})
    assert [
        reply.text for reply in run(RetryingModel(model, random=lambda: 0.0), asking(), asking())
    ] == [
        "kept",
        '{"reason": "scripted", "verdict": 5}',
    ]
    always = ScriptedModel({"good": busy()})
    assert [fault(RetryingModel(always, 1, random=lambda: 0.0)).attempts for _ in range(3)] == [
        2,
        2,
        2,
    ]


def test_the_double_may_be_a_function_async_or_not() -> None:
    async def later(request: Request) -> int:
        return request.draw

    scripts: list[Callable[[Request], int | Awaitable[int]]] = [lambda request: request.draw, later]
    for script in scripts:
        assert json.loads(run(ScriptedModel(script), asking(draw=3))[0].text)["verdict"] == 3


@pytest.mark.parametrize("script", [{}, {"other": 3}, {"good": []}])
def test_the_double_says_what_it_has_no_reply_for(script: dict[str, Any]) -> None:
    assert "good" in str(fault(ScriptedModel(script)))


# llama.cpp itself


@pytest.mark.parametrize(
    "scale", [YesNo(), Whole(1, 5), Labels(("bad", "good")), Real(0.0, 1.0)], ids=str
)
def test_llama_cpp_answers_what_was_offered(llama_url: str, scale: Scale) -> None:
    model = open_model(
        ModelSpec("llamacpp", LLAMA, {"base_url": llama_url, "max_tokens": 400}), environment()
    )
    replies = run(model, asking(scale), asking(scale))
    said = json.loads(replies[0].text)
    assert [*said] == ["reason", "verdict"]
    match scale:
        case YesNo():
            assert isinstance(said["verdict"], bool)
        case Whole():
            assert said["verdict"] in scale.levels
        case Labels(labels):
            assert said["verdict"] in labels
        case _:
            assert isinstance(said["verdict"], int | float)
    assert replies[0].text == replies[1].text
    assert replies[0].usage.tokens_in > 0 < replies[0].usage.tokens_out
    assert (replies[0].usage.calls, model.note) == (1, "")


def test_llama_cpp_s_own_words_become_faults(llama_url: str) -> None:
    cut = run(open_model(spec(llama_url, max_tokens=3), environment()))[0]
    assert cut.finish == "length"
    wrong = open_model(spec(llama_url, extra_body={"temperature": "hot"}), environment())
    assert "must be number" in str(fault(wrong))


def test_llama_cpp_with_a_key(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp has no wheel for this platform")
    with llama_server(tmp_path, api_key=KEY) as url:
        declared = spec(url, api_key_env="TINY_KEY", max_tokens=3)
        assert run(open_model(declared, environment(TINY_KEY=KEY)))[0].finish == "length"
        found = fault(open_model(declared, environment(TINY_KEY="sk-quite-another")))
    assert (found.status_code, found.fatal) == (401, True)
    assert "is TINY_KEY right?" in str(found)


# The door


def test_importing_the_room_loads_no_vendor() -> None:
    code = (
        "import sys, rmg_dsl.models as m; from rmg_dsl.config import Settings; "
        "m.open_model(m.ModelSpec('vllm', 'x'), Settings()); "
        "print([name for name in ('openai', 'httpx2', 'httpx', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
