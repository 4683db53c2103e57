"""A real HTTP server on the loopback interface, for tests: says what it is told to say, and records
what it was asked.

    with Loopback(verdict(4)) as server:                     # the same for every call
        ...                                                  # ask a model whose base URL is server.url
        assert server.bodies[0]["model"] == "tiny"

    Loopback([error(429, "slow down", headers={"retry-after": "0"}), verdict(4)])   # one per call,
    the last again Loopback(lambda asked: verdict(len(asked.prompt)))                              #
    from the request

It runs on a thread of its own with one event loop, on a free port, and closes everything it opened.
Nothing sleeps, unless `Told(delay=…)` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came; header names are lower-cased."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def prompt(self) -> str:
        """All messages of a chat completion in one text."""
        return "\n".join(message["content"] for message in self.body["messages"])


@dataclass(frozen=True, slots=True)
class Told:
    """One answer: a body (text and bytes as they are, anything else as JSON), or a fault.

    `reset` cuts the connection in the middle of the body, `close` ends it there politely, `drop`
    before any byte of an answer, `hang` never answers, `drip` sends the headers and then never ends
    the body. `delay` is in seconds; what is `held` waits for `let_go()`. `raw` is sent as it is,
    instead of all that; `close` then closes the connection.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Literal["", "reset", "close", "drop", "hang", "drip"] = ""
    delay: float = 0.0
    held: bool = False
    raw: bytes = b""

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def chat(
    content: Any,
    *,
    finish: str | None = "stop",
    usage: Any = None,
    logprobs: Any = None,
    **message: Any,
) -> Told:
    """A chat completion that says `content`."""
    counted = (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        if usage is None
        else usage
    )
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish,
    }
    choice |= {} if logprobs is None else {"logprobs": logprobs}
    return Told(
        body={"id": "loopback", "object": "chat.completion", "choices": [choice], "usage": counted}
    )


def verdict(value: Any, reason: str = "because") -> Told:
    """A chat completion whose reply is well formed."""
    return chat(json.dumps({"reason": reason, "verdict": value}))


def chances(**words: float) -> Told:
    """A chat completion of one word, the likeliest of these, with the probabilities of all."""
    likeliest = max(words, key=lambda word: words[word])
    tops = [
        {"token": word, "logprob": math.log(chance), "bytes": None}
        for word, chance in words.items()
    ]
    return chat(
        likeliest, logprobs={"content": [{**tops[[*words].index(likeliest)], "top_logprobs": tops}]}
    )


def error(
    status: int, message: str, *, headers: Mapping[str, str] | None = None, **details: Any
) -> Told:
    """An error as OpenAI words it; `details` are such as `code`, `param`, `type`."""
    return Told(status, {"error": {"message": message, **details}}, headers or {})


Handler = Callable[[Asked], Told]


class Loopback:
    """The server; a context manager. `url` ends in /v1, `asked` holds every request, `peak` the
    most at one time.

    `connections` counts those that were opened. Port 0 is any free port.
    """

    def __init__(self, script: Told | Sequence[Told] | Handler, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.peak = 0
        self.connections = 0
        self._busy = 0
        self._script = script
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._ready = threading.Event()
        self._came = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="loopback")
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event
        self._let_go: asyncio.Event
        self._port = port

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def bodies(self) -> list[Any]:
        return [each.body for each in self.asked]

    def wait_for(self, number: int) -> None:
        """Until so many requests have come."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.asked) >= number, 60)

    def let_go(self) -> None:
        """Answer what is held, and from now on hold nothing."""
        self._loop.call_soon_threadsafe(self._let_go.set)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        found: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._closing, self._let_go = (
            asyncio.get_running_loop(),
            asyncio.Event(),
            asyncio.Event(),
        )
        server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._closing.wait()
        # Whoever is being accepted gets in first: a server that is closed by then leaves the socket
        # open.
        while asyncio.all_tasks() - {asyncio.current_task(), *self._open}:
            await asyncio.sleep(0)
        server.close()
        writers = list(self._open.values())
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine: one that is cancelled before it begins would close nothing.
        self.connections += 1
        task = self._loop.create_task(self._connection(reader, writer))
        self._open[task] = writer
        task.add_done_callback(lambda done: self._open.pop(done, None))

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (asked := await _read(reader)) and await self._answer(asked, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(
        self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answers one request; true where the connection stays open for another."""
        told = self._told(asked)
        self._busy += 1
        self.peak = max(self.peak, self._busy)
        try:
            await asyncio.sleep(told.delay)
            if told.held:
                await self._let_go.wait()
            await _write(told, reader, writer)
        finally:
            self._busy -= 1
        return not told.fault

    def _told(self, asked: Asked) -> Told:
        with self._came:
            self.asked.append(asked)
            self._came.notify_all()
        if isinstance(self._script, Told):
            return self._script
        if callable(self._script):
            return self._script(asked)
        return self._script[min(len(self.asked), len(self._script)) - 1]


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ")
    pairs = (line.split(":", 1) for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    return Asked(
        method, path, headers, await reader.readexactly(int(headers.get("content-length", "0")))
    )


async def _write(told: Told, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if told.fault in ("drop", "hang"):
        await _gone(told, reader)
        return
    if told.raw:
        writer.write(told.raw)
        await writer.drain()
        return
    content = told.content
    fixed = {"content-type": "application/json", "content-length": str(len(content))}
    headers = "".join(
        f"{name}: {value}\r\n" for name, value in (fixed | dict(told.headers)).items()
    )
    phrase = (
        HTTPStatus(told.status).phrase if told.status in HTTPStatus._value2member_map_ else "Odd"
    )
    writer.write(f"HTTP/1.1 {told.status} {phrase}\r\n{headers}\r\n".encode("latin-1"))
    writer.write(content[: len(content) // 2] if told.fault else content)
    await writer.drain()
    if told.fault == "reset":
        linger = struct.pack("ii", 1, 0)  # a close without linger is a TCP reset
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await _gone(told, reader)


async def _gone(told: Told, reader: asyncio.StreamReader) -> None:
    """Where the fault is silence: until the other side gives up."""
    if told.fault in ("hang", "drip"):
        await reader.read()


def deserted_url() -> str:
    """A base URL at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
