"""The reply cache: what it keeps through processes, kills and broken files, and what the wrapper
asks and does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import hypothesis
import paths
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Loopback, chat, error, verdict

from rmg_dsl.config import Settings
from rmg_dsl.errors import CallError
from rmg_dsl.messages import Message, Model, Question, Reply, Request, Usage
from rmg_dsl.models import (
    FILE_NAME,
    CachedModel,
    CacheError,
    ChatModel,
    Endpoint,
    Endpoints,
    ModelSpec,
    ReplyCache,
    ScriptedModel,
    open_model,
    reply_lookup_of,
)
from rmg_dsl.models.cached_reply import decode_reply, encode_reply
from rmg_dsl.models.settings import ModelSettings
from rmg_dsl.scales import Labels, Scale, Whole, YesNo

KEY = b"k" * 32
TOKEN = "sk-very-secret-0123456789"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / FILE_NAME


@pytest.fixture
def cache(path: Path) -> Iterator[ReplyCache]:
    opened = ReplyCache(path)
    yield opened
    opened.close()


def key_of(number: int) -> bytes:
    return number.to_bytes(8, "big") * 4


def stored(path: Path) -> dict[bytes, bytes]:
    """All that is in the file, by a reader that shares nothing with ours."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT key, value FROM replies").fetchall()
        # Each value stands after its checksum.
        return {key: value[4:] for key, value in rows}
    finally:
        connection.close()


# What is kept


@pytest.mark.parametrize("value", [b"{}", b'{"a": "' + b"long " * 2000 + b'"}', os.urandom(5000)])
def test_what_is_put_is_there_at_once_and_after(path: Path, value: bytes) -> None:
    cache = ReplyCache(path)
    assert cache.get(KEY) is None
    cache.put(KEY, value)
    assert cache.get(KEY) == value
    cache.close()
    assert cache.get(KEY) == value
    cache.close()
    later = ReplyCache(path)
    assert (later.get(KEY), later.get(b"j" * 32), later.note) == (value, None, "")
    later.close()


def test_long_values_are_packed(cache: ReplyCache) -> None:
    cache.put(KEY, b'{"a": "' + b"long " * 2000 + b'"}')
    cache.close()
    assert len(stored(cache.path)[KEY]) < 500


def test_the_first_reply_stays_unless_it_was_to_be_made_anew(path: Path) -> None:
    clock = Clock()
    cache = ReplyCache(path, clock=clock)
    cache.put(KEY, b"first")
    cache.close()
    clock.now += 10
    cache.put(KEY, b"second")
    cache.close()
    assert cache.get(KEY) == b"first"
    since = clock.now
    assert cache.get(KEY, since) is None
    cache.put(KEY, b"third", since)
    cache.close()
    assert (cache.get(KEY, since), cache.get(KEY)) == (b"third", b"third")
    cache.close()
    assert cache.info().replies == 1


def test_two_keys_that_begin_alike_are_never_taken_for_each_other(cache: ReplyCache) -> None:
    other = KEY[:8] + b"x" * 24
    cache.put(KEY, b"mine")
    cache.close()
    cache.put(other, b"other")
    cache.close()
    assert (cache.get(KEY), cache.get(other)) == (b"mine", None)


def test_nobody_else_may_read_it(cache: ReplyCache) -> None:
    cache.put(KEY, b"value")
    cache.close()
    assert stat.S_IMODE(cache.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600


def test_what_was_not_used_for_longest_goes_first(path: Path) -> None:
    clock = Clock()
    cache = ReplyCache(path, clock=clock)
    for number in range(100):
        clock.now += 1
        cache.put(key_of(number), os.urandom(1000))
        cache.close()
    before = cache.info()
    clock.now += 86_400
    assert cache.get(key_of(3)) is not None
    cache.close()
    assert cache.prune(11_050) == 90
    assert {*stored(path)} == {key_of(3), *(key_of(number) for number in range(91, 100))}
    after = cache.info()
    assert (before.replies, after.replies) == (100, 10)
    assert after.bytes < before.bytes / 2
    assert cache.prune(10**9) == 0


def test_it_keeps_itself_within_bounds(path: Path) -> None:
    cache = ReplyCache(path, most_bytes=100_000)
    for number in range(200):
        cache.put(key_of(number), os.urandom(1500))
    cache.close()
    info = cache.info()
    assert 10 < info.replies < 60
    assert info.bytes < 140_000


def test_nothing_is_there_before_and_after_a_clear(cache: ReplyCache) -> None:
    assert (cache.info().replies, cache.info().bytes, cache.prune(0)) == (0, 0, 0)
    cache.clear()
    assert not cache.path.exists()
    cache.put(KEY, b"value")
    cache.close()
    assert cache.info().replies == 1
    cache.clear()
    assert (cache.info().replies, cache.get(KEY)) == (0, None)


@hypothesis.settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=3000)), max_size=30), st.integers(1, 7)
)
def test_it_is_a_dict_whose_first_value_stays(
    tmp_path_factory: pytest.TempPathFactory, puts: list[tuple[int, bytes]], every: int
) -> None:
    cache = ReplyCache(tmp_path_factory.mktemp("model") / FILE_NAME)
    expected: dict[int, bytes] = {}
    for number, (key, value) in enumerate(puts):
        if cache.get(key_of(key)) is None:
            cache.put(key_of(key), value)
            expected[key] = value
        if number % every == 0:
            cache.close()
        assert {key: cache.get(key_of(key)) for key in expected} == expected
    cache.close()
    assert {key: cache.get(key_of(key)) for key in expected} == expected
    cache.close()


# What goes wrong


def broken(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name says" * 100)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def of_another_make(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE replies (a); CREATE INDEX by_hash ON replies (a);")
    connection.close()


@pytest.mark.parametrize("damage", [broken, cut, of_another_make])
def test_a_damaged_file_stops_nothing(cache: ReplyCache, damage: Callable[[Path], None]) -> None:
    for number in range(100):
        cache.put(key_of(number), os.urandom(1000))
    cache.close()
    damage(cache.path)
    damaged = ReplyCache(cache.path)
    assert damaged.get(key_of(50)) is None
    damaged.put(KEY, b"value")
    damaged.close()
    assert str(cache.path) in damaged.note
    assert "is not used" in damaged.note
    assert damaged.get(KEY) is None


def test_a_damaged_file_is_reported_to_those_who_ask_and_cleared(cache: ReplyCache) -> None:
    cache.path.parent.mkdir()
    broken(cache.path)
    with pytest.raises(CacheError, match="not a database"):
        cache.info()
    cache.clear()
    assert not cache.path.exists()
    cache.put(KEY, b"value")
    assert cache.get(KEY) == b"value"


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ReplyCache(tmp_path / "file" / FILE_NAME)
    cache.put(KEY, b"value")
    cache.close()
    assert cache.get(KEY) is None
    assert "file exists" in cache.note


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_stops_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    cache = ReplyCache(tmp_path / FILE_NAME)
    cache.put(KEY, b"value")
    cache.close()
    assert "permission denied" in cache.note
    tmp_path.chmod(0o700)


def test_who_holds_the_lock_for_a_while_is_waited_for(cache: ReplyCache) -> None:
    cache.put(key_of(0), b"value")
    cache.close()
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache.put(KEY, b"value")
    assert (cache.get(KEY), cache.get(key_of(0))) == (b"value", b"value")
    other.execute("COMMIT")
    other.close()
    cache.close()
    assert stored(cache.path)[KEY] == b"value"


# Damage, foreign files, and files that cannot be written


CHANGES = [
    "UPDATE replies SET value = CAST(value AS TEXT)",
    "UPDATE replies SET value = 5",
    "UPDATE replies SET value = NULL",
    "UPDATE replies SET value = x''",
    "UPDATE replies SET used = 'x', made = 'y'",
]


def change_file(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    with contextlib.suppress(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("statement", CHANGES)
def test_a_damaged_row_is_stored_anew(cache: ReplyCache, statement: str) -> None:
    cache.put(KEY, b"value")
    cache.close()
    change_file(cache.path, statement)
    assert cache.get(KEY) in (None, b"value")
    cache.put(KEY, b"value")
    cache.close()
    assert cache.get(KEY) == b"value"
    assert cache.note == ""


def test_every_flipped_bit_of_a_value_is_noticed(cache: ReplyCache) -> None:
    value = b'{"text":"verdict 3"}'
    cache.put(KEY, value)
    cache.close()
    connection = sqlite3.connect(cache.path, isolation_level=None)
    stored_value: bytes = connection.execute("SELECT value FROM replies").fetchone()[0]
    for bit in range(8 * len(stored_value)):
        flipped = bytearray(stored_value)
        flipped[bit // 8] ^= 1 << bit % 8
        connection.execute("UPDATE replies SET value = ?", (bytes(flipped),))
        assert ReplyCache(cache.path).get(KEY) is None
    connection.close()


def test_a_file_of_another_make_is_cleared(cache: ReplyCache) -> None:
    cache.path.parent.mkdir(parents=True, exist_ok=True)
    change_file(cache.path, "CREATE TABLE replies (a, b)")
    change_file(cache.path, "CREATE INDEX by_hash ON replies (a)")
    assert cache.get(KEY) is None
    assert "rmg cache clear" in cache.note
    fresh = ReplyCache(cache.path)
    fresh.clear()
    assert fresh.info().replies == 0
    fresh.put(KEY, b"value")
    fresh.close()
    assert fresh.get(KEY) == b"value"


READING = """
import os, sys
from pathlib import Path
from rmg_dsl.models import ReplyCache
if os.getuid() == 0:
    os.setuid(12345)
cache = ReplyCache(Path(sys.argv[1]))
value = cache.get(b"k" * 32)
cache.put(b"l" * 32, b"new")
cache.close()
print(value, cache.info().replies, cache.note)
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has no such permissions")
def test_a_cache_that_cannot_be_written_still_answers() -> None:
    # A folder that every user reaches: that of the test belongs to its user alone.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cache", FILE_NAME)
        cache = ReplyCache(path)
        cache.put(b"k" * 32, b"value")
        cache.close()
        for file in path.parent.iterdir():
            file.chmod(0o444)
        path.parent.chmod(0o555)
        Path(folder).chmod(0o755)
        found = subprocess.run(
            [sys.executable, "-c", READING, str(path)], capture_output=True, text=True, check=True
        )
        path.parent.chmod(0o755)
    assert found.stdout.startswith("b'value' 1 the reply cache")
    assert "cannot be written: new replies are not kept" in found.stdout


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has no such permissions")
def test_a_folder_in_the_shared_temporary_one_must_be_private() -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    cache = ReplyCache(folder / FILE_NAME)
    assert cache.get(KEY) is None
    assert "another user can write its folder" in cache.note
    folder.chmod(0o700)
    private = ReplyCache(folder / FILE_NAME)
    private.put(KEY, b"value")
    private.close()
    assert private.get(KEY) == b"value"
    shutil.rmtree(folder)


def test_a_reply_from_the_future_is_old_for_a_refresh(path: Path) -> None:
    ahead = ReplyCache(path, clock=lambda: 9_000.0)
    ahead.put(KEY, b"old")
    ahead.close()
    cache = ReplyCache(path, clock=lambda: 1_000.0)
    assert cache.get(KEY) == b"old"
    assert cache.get(KEY, since=1_000.0) is None
    cache.put(KEY, b"new", since=1_000.0)
    cache.close()
    assert cache.get(KEY, since=1_000.0) == b"new"


# Several processes


def put_many(path: Path, offset: int, gate: Any) -> None:
    """Child: a hundred values of its own and a hundred that the other puts too."""
    cache = ReplyCache(path)
    gate.wait()
    for number in [*range(offset, offset + 100), *range(100)]:
        cache.put(key_of(number), b'"%d by %d"' % (number, offset))
        if number % 10 == 0:
            cache.close()
    cache.close()
    if cache.note:
        raise AssertionError(cache.note)


def test_two_processes_put_without_an_error_or_a_double_entry(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(2)
    children = [
        context.Process(target=put_many, args=(path, offset, gate)) for offset in (1000, 2000)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
        child.close()
    found = stored(path)
    assert len(found) == 300
    for number in range(100):
        assert found[key_of(number)] in (b'"%d by 1000"' % number, b'"%d by 2000"' % number)


WRITING = """
import os, sys
from pathlib import Path
from rmg_dsl.models import ReplyCache
cache = ReplyCache(Path(sys.argv[1]))
number = 0
while True:
    for _ in range(20):
        cache.put(number.to_bytes(8, "big") * 4, b"%d " % number + b"x" * (number % 5000))
        number += 1
    cache.close()
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 2, 7, 20, 55])
def test_a_kill_while_it_writes_loses_nothing_that_was_on_disk(path: Path, lines: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(path)], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        written = 0
        for _ in range(lines):
            written = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    cache = ReplyCache(path)
    for number in range(written):
        assert cache.get(key_of(number)) == b"%d " % number + b"x" * (number % 5000)
    cache.put(KEY, b"life goes on")
    cache.close()
    assert cache.note == ""
    assert len(stored(path)) > written


# What is the same question


SCALE = Whole(1, 5)


def asking(
    text: str = "How good?", scale: Scale = SCALE, grader: str = "good", **more: Any
) -> Request:
    return Request(Question(grader, scale, (Message("user", text),)), **more)


def identity(
    request: Request | None = None,
    *,
    url: str = "http://h/v1",
    model: str = "m",
    key: str = TOKEN,
    **settings: Any,
) -> bytes | None:
    return ChatModel(Endpoint(url, key), model, settings=cast(ModelSettings, settings)).cache_key(
        request or asking()
    )


@pytest.mark.parametrize(
    "same",
    [
        identity(asking(grader="other")),
        identity(asking(row=7)),
        identity(asking(scale=Whole(1, 5, lower=True))),
        identity(url="http://h/v1/"),
        identity(key="sk-of-somebody-else"),
        identity(timeout=3, concurrency=9, rpm=5, tpm=9, max_retries=0, price="1/2"),
        identity(extra_body={}),
    ],
)
def test_what_the_model_never_sees_makes_no_other_question(same: bytes) -> None:
    assert same == identity()


def test_whatever_the_model_sees_makes_another_question() -> None:
    others = [
        identity(asking("How bad?")),
        identity(asking(draw=1)),
        identity(asking(scale=Whole(1, 4))),
        identity(asking(scale=YesNo())),
        identity(asking(scale=Labels(("a", "b")))),
        identity(asking(follow_up=(Message("user", "Again"),))),
        identity(Request(Question("good", Whole(1, 5), (Message("system", "How good?"),)))),
        identity(url="http://g/v1"),
        identity(model="n"),
        identity(temperature=0.5),
        identity(top_p=0.5),
        identity(seed=0),
        identity(max_tokens=9),
        identity(reasoning_effort="low"),
        identity(extra_body={"top_k": 1}),
    ]
    assert None not in others
    assert len({identity(), *others}) == len(others) + 1


def test_the_key_is_the_same_in_every_process_and_version() -> None:
    found = identity(asking("Wie gut? 你好"), temperature=0)
    assert found is not None
    assert found.hex() == "8e78b504d5e23e9cbfe1ef53f7775f3b8b2fb2f88bd8b025afc7ec258731f0cf"


def test_half_a_character_has_no_key() -> None:
    assert identity(asking("\ud800")) is None


# What is asked


def settings(**variables: str) -> Settings:
    allowed = {"RMG_ALLOW_HOSTS": "127.0.0.1", "RMG_ALLOW_ENV": "TINY_KEY"}
    return Settings.of({"HOME": "/", **allowed, **variables})


def cached(
    url: str, cache: ReplyCache, *, refresh: bool = False, endpoints: Endpoints | None = None
) -> Model:
    spec = ModelSpec("vllm", "tiny", {"base_url": url, "max_retries": 1, "api_key_env": "TINY_KEY"})
    return open_model(spec, settings(TINY_KEY=TOKEN), endpoints, cache=cache, refresh=refresh)


async def all_of(model: Model, *requests: Request) -> list[Reply]:
    try:
        return [await model.complete(request) for request in requests]
    finally:
        await model.close()


def test_a_second_run_asks_nothing_and_gets_the_same(path: Path) -> None:
    said = [
        verdict(4),
        chat("no idea"),
        chat(None, refusal="I will not"),
        chat("", finish="length"),
    ]
    requests = [asking(f"How good is {number}?") for number in range(4)]
    runs = []
    with Loopback(said) as server:
        for _ in range(2):
            cache = ReplyCache(path)
            runs.append(asyncio.run(all_of(cached(server.url, cache), *requests)))
            cache.close()
    first, second = runs
    assert len(server.asked) == 4
    assert [reply.usage for reply in second] == [Usage(cached=1)] * 4
    for one, other in zip(first, second, strict=True):
        assert (one.text, one.refusal, one.finish) == (other.text, other.refusal, other.finish)
        assert other.raw is None


def test_errors_are_not_kept(cache: ReplyCache) -> None:
    faults = [error(400, "no"), error(500, "no"), error(500, "no"), chat(None)]
    with Loopback([*faults[:3], error(200, "hidden", code=400), verdict(4)]) as server:
        model = cached(server.url, cache)
        for _ in range(3):
            with pytest.raises(CallError):
                asyncio.run(all_of(model, asking()))
        assert asyncio.run(all_of(model, asking()))[0].usage.calls == 1
    assert cache.info().replies in (0, 1)
    cache.close()
    assert cache.info().replies == 1


def test_a_refresh_asks_everything_anew_but_once(path: Path) -> None:
    clock = Clock()
    cache = ReplyCache(path, clock=clock)
    with Loopback([verdict(1), verdict(2), verdict(3)]) as server:
        asyncio.run(all_of(cached(server.url, cache), asking()))
        clock.now += 1
        anew = asyncio.run(all_of(cached(server.url, cache, refresh=True), asking(), asking()))
        cache.close()
        after = asyncio.run(all_of(cached(server.url, cache), asking()))
    cache.close()
    assert len(server.asked) == 2
    assert [reply.usage.cached for reply in [*anew, *after]] == [0, 1, 1]
    assert {reply.text for reply in [*anew, *after]} == {
        json.dumps({"reason": "because", "verdict": 2})
    }


def test_a_form_that_was_rejected_makes_no_other_question(path: Path) -> None:
    rejected = error(400, "'response_format' is not supported")
    with Loopback(
        lambda asked: rejected if "response_format" in asked.body else verdict(4)
    ) as server:
        for text, calls in (("one", 3), ("two", 3), ("two", 0)):
            cache = ReplyCache(path)
            reply = asyncio.run(all_of(cached(server.url, cache), asking(text)))[0]
            assert reply.usage.calls == calls
            cache.close()


def test_a_key_is_in_no_byte_of_the_files(path: Path) -> None:
    cache = ReplyCache(path)
    with Loopback(chat(f"your key is {TOKEN}")) as server:
        asyncio.run(all_of(cached(server.url, cache), asking()))
    assert cache.get(KEY) is None
    files = [file.read_bytes() for file in path.parent.iterdir()]
    cache.close()
    files += [file.read_bytes() for file in path.parent.iterdir()]
    assert len(files) >= 2
    assert all(TOKEN.encode() not in content for content in files)


def test_a_broken_cache_costs_calls_and_nothing_else(path: Path) -> None:
    path.parent.mkdir()
    broken(path)
    cache = ReplyCache(path)
    with Loopback(verdict(4)) as server:
        replies = asyncio.run(all_of(cached(server.url, cache), asking(), asking()))
    cache.close()
    assert [reply.usage.calls for reply in replies] == [1, 1]
    assert "is not used" in cache.note


@pytest.mark.parametrize(
    "value", [b"", b"x", b"no JSON", b"[]", b"{}", b'{"choices": []}', b"[" * 100_000]
)
def test_a_damaged_value_is_asked_anew(cache: ReplyCache, value: bytes) -> None:
    key = identity(url="http://127.0.0.1/v1")
    assert key is not None
    cache.put(key, value)
    model = CachedModel(ScriptedModel({"good": 4}), cache, lambda _: key)
    assert asyncio.run(model.complete(asking())).usage == Usage(calls=1)


DAMAGED_REPLIES = [
    json.loads(line)
    for line in (paths.CASES / "models" / "damaged_replies.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in DAMAGED_REPLIES])
def test_a_damaged_reply_is_no_reply(case: dict[str, Any]) -> None:
    assert decode_reply(json.dumps(case["value"]).encode()) is None


COUNTS = st.integers(0, 10**12)
LOGPROBS = st.lists(st.tuples(st.text(), st.floats(max_value=0.0)), max_size=3).map(tuple)


@given(
    st.builds(
        Reply,
        text=st.text(st.characters()),
        refusal=st.none() | st.text(),
        finish=st.none() | st.text(),
        usage=st.builds(
            Usage,
            calls=st.just(1),
            tokens_in=COUNTS,
            tokens_out=COUNTS,
            tokens_cached=COUNTS,
        ),
        first_token_logprobs=st.none() | LOGPROBS,
    )
)
def test_every_reply_comes_back_from_its_bytes(reply: Reply) -> None:
    value = encode_reply(reply)
    assert decode_reply(value) == reply
    assert decode_reply(value, Usage(cached=1)) == replace(reply, usage=Usage(cached=1))
    assert decode_reply(value[:-1]) is None


def test_what_is_known_is_known_without_a_key_and_without_asking(cache: ReplyCache) -> None:
    with Loopback(verdict(4)) as server:
        asyncio.run(all_of(cached(server.url, cache), asking()))
        memory = reply_lookup_of(
            ModelSpec("vllm", "tiny", {"base_url": server.url}), settings(), cache
        )
        keys = [
            memory.cache_key(request) for request in (asking(row=8), asking("else"), asking(draw=1))
        ]
        found = [memory.cached_reply(key) for key in keys if key]
    assert [reply and reply.usage for reply in found] == [
        Usage(calls=1, tokens_in=10, tokens_out=5),
        None,
        None,
    ]
    assert memory.cache_key(asking("\ud800")) is None
    assert len(server.asked) == 1


def test_many_are_found_at_once(path: Path) -> None:
    values = {f"{n:08}".encode() * 4: b"{%d}" % n * (n % 90) for n in range(1200)}
    cache = ReplyCache(path)
    for key, value in values.items():
        cache.put(key, value)
    assert cache.get_all([*values, KEY]) == values
    cache.close()
    assert cache.get_all([KEY, *values]) == values
    assert cache.get_all([*values], since=cache.clock() + 1) == {}
    cache.close()


def test_what_is_known_is_recalled_at_once_and_no_longer_looked_for_where_all_is_new(
    cache: ReplyCache,
) -> None:
    with Loopback(verdict(4)) as server:
        model = cached(server.url, cache)
        assert isinstance(model, CachedModel)
        asyncio.run(all_of(model, asking()))
        known, *unknown = model.recall([asking(), asking("else"), asking("\ud800")])
        assert known is not None
        assert (known.usage, known.text) == (
            Usage(cached=1),
            asyncio.run(all_of(model, asking()))[0].text,
        )
        assert unknown == [None, None]
        model.recall([asking(f"new {number}") for number in range(64)])
        assert model.recall([asking()]) == [None]
        asyncio.run(all_of(model, asking()))
        assert model.recall([asking()]) == [known]


# Asked at one time


class Slow:
    """A model whose calls wait until `go`; each is answered by what `outcomes` says."""

    name, note = "slow", ""

    def __init__(self, *outcomes: int | CallError | Exception) -> None:
        self.outcomes = list(outcomes)
        self.asked = 0
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def complete(self, request: Request) -> Reply:  # noqa: ARG002
        self.asked += 1
        self.begun.set()
        await self.go.wait()
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        body = {"choices": [{"message": {"content": str(outcome)}, "finish_reason": "stop"}]}
        return Reply(str(outcome), finish="stop", usage=Usage(calls=1, tokens_in=7), raw=body)

    async def close(self) -> None:
        return None


Outcome = Reply | BaseException


def at_once(
    cache: ReplyCache,
    outcomes: list[int | Exception],
    calls: int,
    cancel: set[int] = frozenset(),  # type: ignore[assignment]
) -> tuple[int, list[Outcome]]:
    """The same question by several callers at one time, some of whom give up while they wait."""

    async def main() -> tuple[int, list[Outcome]]:
        slow = Slow(*outcomes)
        model = CachedModel(slow, cache, lambda _: KEY)
        tasks = [asyncio.create_task(model.complete(asking())) for _ in range(calls)]
        await slow.begun.wait()
        for number in cancel:
            tasks[number].cancel()
        await asyncio.sleep(0)
        slow.go.set()
        return slow.asked, await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(main())


def test_the_same_question_at_one_time_is_asked_once(cache: ReplyCache) -> None:
    asked, found = at_once(cache, [4], 5)
    assert asked == 1
    assert [reply.text for reply in found if isinstance(reply, Reply)] == ["4"] * 5
    assert sum((reply.usage for reply in found if isinstance(reply, Reply)), Usage()) == Usage(
        calls=1, cached=4, tokens_in=7
    )


@pytest.mark.parametrize("cancel", [{0}, {0, 1}, {1}, {2, 4}, {0, 4}, {0, 1, 2, 3}])
def test_who_gives_up_takes_nobody_along(cache: ReplyCache, cancel: set[int]) -> None:
    _, found = at_once(cache, [4, 4], 5, cancel)
    assert {
        number for number, each in enumerate(found) if isinstance(each, asyncio.CancelledError)
    } == cancel
    replies = [reply for reply in found if isinstance(reply, Reply)]
    assert [reply.text for reply in replies] == ["4"] * (5 - len(cancel))
    assert sum(reply.usage.calls for reply in replies) == 1


def test_a_failure_is_shared_and_its_attempts_count_once(cache: ReplyCache) -> None:
    asked, found = at_once(cache, [CallError("no", status_code=400, attempts=3)], 4)
    assert asked == 1
    errors = [each for each in found if isinstance(each, CallError)]
    assert [(str(each), each.status_code, each.attempts) for each in errors] == [("no", 400, 3)] + [
        ("no", 400, 0)
    ] * 3
    assert len({id(each) for each in errors}) == 4


def test_a_bug_in_one_call_is_the_bug_of_one_call(cache: ReplyCache) -> None:
    _, found = at_once(cache, [ZeroDivisionError(), 4], 3)
    assert isinstance(found[0], ZeroDivisionError)
    assert [reply.text for reply in found[1:] if isinstance(reply, Reply)] == ["4", "4"]


def test_two_models_that_are_the_same_ask_once(cache: ReplyCache) -> None:
    async def main(url: str) -> list[Reply]:
        endpoints = Endpoints()
        models = [cached(url, cache, endpoints=endpoints) for _ in range(2)]
        try:
            return await asyncio.gather(*(model.complete(asking()) for model in models))
        finally:
            await endpoints.close()

    with Loopback(verdict(4)) as server:
        replies = asyncio.run(main(server.url))
    assert len(server.asked) == 1
    assert sum((reply.usage for reply in replies), Usage()).cached == 1


def test_models_that_are_no_network_are_not_cached(cache: ReplyCache) -> None:
    model = open_model(ModelSpec("local", "lexical"), settings(), cache=cache)
    assert not isinstance(model, CachedModel)


def test_a_warm_cache_lets_others_run(cache: ReplyCache) -> None:
    async def main() -> int:
        model = CachedModel(ScriptedModel({}), cache, lambda _: KEY)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        for _ in range(1000):
            await model.complete(asking())
        task.cancel()
        return turns

    cache.put(KEY, encode_reply(Reply("4")))
    assert asyncio.run(main()) > 10
