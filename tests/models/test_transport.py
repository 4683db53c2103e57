"""The lean transport against real servers: every form of an answer, and what it makes of those that
are none.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import subprocess
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from llama import llama_url
from loopback import Asked, Loopback, Told, deserted_url, verdict

from rmg_dsl.errors import CallError
from rmg_dsl.models import Endpoint
from rmg_dsl.models.http_response import HttpResponse
from rmg_dsl.models.transport import HttpTransport, LeanClient

__all__ = ["llama_url"]

OK = b"HTTP/1.1 200 OK\r\n"
ZIPPED = gzip.compress(b"{}")
LENGTH = OK + b"content-length: 2\r\n\r\n{}"


def sent(
    url: str, *, times: int = 1, content: bytes = b"[]", **headers: str
) -> list[httpx2.Response]:
    """The responses to one POST after another, over one client."""

    async def main() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(transport=HttpTransport(), timeout=10) as client:
            return [await client.post(url, content=content, headers=headers) for _ in range(times)]

    return asyncio.run(main())


def told(raw: bytes, *, closes: bool = False) -> Told:
    return Told(raw=raw, fault="close" if closes else "")


# What is an answer


@pytest.mark.parametrize(
    ("raw", "closes", "body", "connections"),
    [
        (LENGTH, False, b"{}", 1),
        (OK + b"Content-Length: 0\r\n\r\n", False, b"", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b"", 1),
        (OK + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\ntrailer: x\r\n\r\n", False, b"{}", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH, False, b"{}", 1),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + LENGTH, False, b"{}", 1),
        (OK + b"\r\n{}", True, b"{}", 2),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", True, b"{}", 2),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", True, b"{}", 2),
        (OK + b"connection: close\r\ncontent-length: 2\r\n\r\n{}", True, b"{}", 2),
        (LENGTH + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", False, b"{}", 2),
        (OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED, False, b"{}", 1),
        (OK + b"x: \xe9\r\ncontent-length: 2\r\n\r\n{}", False, b"{}", 1),
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\n{}", False, b"{}", 1),
    ],
    ids=["length", "empty", "no content", "chunked", "continue", "hints", "until the end", "1.0", "1.0 with length",
         "close", "one more than asked for", "gzip unasked", "latin", "no phrase"],
)  # fmt: skip
def test_every_form_of_an_answer_is_read(
    raw: bytes, closes: bool, body: bytes, connections: int
) -> None:
    with Loopback(told(raw, closes=closes)) as server:
        responses = sent(server.url, times=2)
    assert [response.content for response in responses] == [body, body]
    assert [asked.raw for asked in server.asked] == [b"[]", b"[]"]
    assert server.connections == connections


@pytest.mark.parametrize("size", [1, 1000, 70_000, 3_000_000])
def test_bodies_of_any_size_come_through(size: int) -> None:
    content = b"x" * size

    def echo(asked: Asked) -> Told:
        return Told(body=asked.raw)

    with Loopback(echo) as server:
        assert [
            response.content == content for response in sent(server.url, times=3, content=content)
        ] == [True] * 3
    assert server.connections == 1


# What is none


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (told(b"SSH-2.0-OpenSSH_9.6\r\n", closes=True), httpx2.RemoteProtocolError),
        (told(OK + b"content-length: 99\r\n\r\n{}", closes=True), httpx2.RemoteProtocolError),
        (told(OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", closes=True), httpx2.RemoteProtocolError),
        (told(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n"), httpx2.RemoteProtocolError),
        (told(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"), httpx2.RemoteProtocolError),
        (told(OK + b"content-length: two\r\n\r\n{}"), httpx2.RemoteProtocolError),
        (told(OK + b"x: " + b"y" * 200_000), httpx2.RemoteProtocolError),
        (told(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n"), httpx2.RemoteProtocolError),
        (told(OK + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"), httpx2.DecodingError),
        (Told(fault="drop"), httpx2.RemoteProtocolError),
        (Told(body="long" * 99, fault="reset"), (httpx2.ReadError, httpx2.RemoteProtocolError)),
    ],
    ids=["ssh", "short", "cut chunks", "no chunk", "two lengths", "no length", "endless head", "upgrade", "bad gzip",
         "nothing", "reset"],
)  # fmt: skip
def test_what_is_no_answer_is_an_error_and_the_next_call_is_fine(answer: Told, kind: Any) -> None:
    async def main(url: str) -> bytes:
        async with httpx2.AsyncClient(transport=HttpTransport(), timeout=10) as client:
            with pytest.raises(kind):
                await client.post(url, content=b"[]")
            return (await client.post(url, content=b"[]")).content

    with Loopback([answer, told(LENGTH)]) as server:
        assert asyncio.run(main(server.url)) == b"{}"


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmg_dsl.models.transport._MOST_BYTES", 100_000)
    with (
        Loopback(Told(body="x" * 200_000)) as server,
        pytest.raises(httpx2.RemoteProtocolError, match="more than"),
    ):
        sent(server.url)


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\0b"])
def test_a_header_cannot_smuggle_another(value: str) -> None:
    with Loopback(told(LENGTH)) as server, pytest.raises(httpx2.LocalProtocolError):
        sent(server.url, evil=value)
    assert server.asked == []


def test_nobody_there_a_bad_name_and_no_scheme() -> None:
    with pytest.raises(httpx2.ConnectError):
        sent(deserted_url())
    with pytest.raises(httpx2.ConnectError):
        sent("http://no-such-host.invalid/v1")
    with pytest.raises(httpx2.UnsupportedProtocol):
        sent("ftp://127.0.0.1/v1")


def test_who_gives_up_leaves_no_connection_to_the_next() -> None:
    async def main(url: str) -> bytes:
        async with httpx2.AsyncClient(transport=HttpTransport(), timeout=10) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.post(url, content=b"[]")
            return (await client.post(url, content=b"[]")).content

    with Loopback([Told(fault="hang"), told(LENGTH)]) as server:
        assert asyncio.run(main(server.url)) == b"{}"
    assert server.connections == 2


def test_a_connection_that_was_closed_while_idle_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Loopback(told(LENGTH)) as server:
        monkeypatch.setattr("rmg_dsl.models.transport._IDLE_SECONDS", 0.0)
        assert [response.content for response in sent(server.url, times=3)] == [b"{}"] * 3
    assert server.connections == 3


def test_many_at_once_share_what_is_open() -> None:
    async def main(url: str) -> int:
        async with httpx2.AsyncClient(transport=HttpTransport(), timeout=10) as client:
            for _ in range(5):
                await asyncio.gather(*(client.post(url, content=b"[]") for _ in range(20)))
            return 0

    with Loopback(Told(body="{}", delay=0.01)) as server:
        asyncio.run(main(server.url))
    assert len(server.asked) == 100
    assert server.connections == 20


# Under the client


def by_openai(url: str, use: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with openai.AsyncOpenAI(
            api_key="sk-key", base_url=url, max_retries=0, http_client=LeanClient()
        ) as client:
            return await use(client)

    return asyncio.run(main())


def test_the_client_s_own_calls_work_over_it() -> None:
    async def use(client: openai.AsyncOpenAI) -> str | None:
        messages: Any = [{"role": "user", "content": "How good?"}]
        made = await client.chat.completions.create(model="m", messages=messages)
        return made.choices[0].message.content

    with Loopback(verdict(4)) as server:
        assert json.loads(by_openai(server.url, use))["verdict"] == 4
    asked = server.asked[0]
    assert (asked.headers["authorization"], asked.headers["accept-encoding"]) == (
        "Bearer sk-key",
        "identity",
    )
    assert asked.headers["host"] in server.url
    assert asked.headers["user-agent"].startswith("AsyncOpenAI")


def test_a_stream_works_too() -> None:
    events = b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\ndata: [DONE]\n\n'
    raw = (
        OK + b"content-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(events) + events
    )

    async def use(client: openai.AsyncOpenAI) -> list[Any]:
        messages: Any = [{"role": "user", "content": "How good?"}]
        stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
        return [chunk.choices[0].delta.content async for chunk in stream]

    with Loopback(told(raw)) as server:
        assert by_openai(server.url, use) == ["hi"]


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_is_followed(status: int) -> None:
    def answer(asked: Asked) -> Told:
        if asked.path.startswith("/v1"):
            return Told(status, {}, {"location": asked.path.replace("/v1", "/v2")})
        return verdict(4)

    async def main(url: str) -> int:
        endpoint = Endpoint(url, "sk-secret-key")
        try:
            return (await endpoint.post("/chat/completions", b"[1]", 10)).status
        finally:
            await endpoint.close()

    with Loopback(answer) as server:
        assert asyncio.run(main(server.url)) == 200
    assert (server.asked[-1].path, server.asked[-1].raw) == ("/v2/chat/completions", b"[1]")


@pytest.mark.parametrize("proxied", [False, True])
def test_a_redirect_to_another_server_is_refused(
    proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Loopback(verdict(4)) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        with Loopback(Told(307, {}, {"location": elsewhere})) as server:
            if proxied:
                monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
            with pytest.raises(CallError, match="redirects to another server") as caught:
                post(server.url, b"a row")
    assert caught.value.fatal
    assert not other.asked


ZEROS = b'{"x": "' + b"0" * (65 << 20) + b'"}'


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip", gzip.compress(ZEROS), "more than 67,108,864 bytes"),
        ("deflate", zlib.compress(ZEROS), "more than 67,108,864 bytes"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}")), "the encoding gzip, gzip"),
        ("br", b"{}", "the encoding br"),
        ("gzip", gzip.compress(b'{"x": 1}')[:-4], "not whole"),
        ("gzip", b"{}", "incorrect header"),
    ],
)
def test_a_packed_body_is_unpacked_within_the_bound(encoding: str, body: bytes, says: str) -> None:
    head = b"content-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (encoding.encode(), len(body))
    with Loopback(told(OK + head + body)) as server, pytest.raises(CallError, match=says):
        post(server.url, b"{}")


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_packed_body_is_read(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = pack(b'{"x": 1}')
    head = b"content-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (encoding.encode(), len(body))
    with Loopback(told(OK + head + body)) as server:
        assert post(server.url, b"{}").body == {"x": 1}


ESCAPED_KEYS = [
    rb"sk-a\/b-0123456789",
    rb"sk\u002da\u002Fb-0123456789",
    rb"\u0073k-a/b-0123456789",
    rb"sk-a\\\/b-0123456789",
    rb"sk\\u002da/b-0123456789",
]


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized"])
@pytest.mark.parametrize("escaped", ESCAPED_KEYS)
def test_a_key_that_comes_back_escaped_is_redacted(escaped: bytes, status: bytes) -> None:
    body = b'{"error": {"message": "no such key: ' + escaped + b'"}}'
    head = b"HTTP/1.1 " + status + b"\r\ncontent-length: %d\r\n\r\n" % len(body)
    with Loopback(told(head + body)) as server:
        response = post(server.url, b"{}", key="sk-a/b-0123456789")
    assert response.body == {"error": {"message": "no such key: [key]"}}


@pytest.mark.parametrize("is_gateway", [False, True])
def test_custom_headers_are_for_openai_and_its_gateway(
    is_gateway: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: secret-99\nX-Team: a")
    with Loopback(verdict(4)) as server:
        if is_gateway:
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        post(server.url, b"{}")
    assert server.asked[0].headers.get("x-gateway") == ("secret-99" if is_gateway else None)


def post(url: str, body: bytes, key: str | None = None) -> HttpResponse:
    async def main() -> HttpResponse:
        endpoint = Endpoint(url, key)
        try:
            return await endpoint.post("/chat/completions", body, 10)
        finally:
            await endpoint.close()

    return asyncio.run(main())


# Servers that nobody here wrote


def test_llama_cpp(llama_url: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}).encode()
    responses = sent(
        f"{llama_url}/chat/completions",
        times=3,
        content=body,
        **{"content-type": "application/json"},
    )
    assert [response.status_code for response in responses] == [200] * 3
    assert all(response.json()["choices"] for response in responses)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    command += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(folder / "key.pem"),
        "-out",
        str(made),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    made.write_text(made.read_text() + (folder / "key.pem").read_text())
    return made


async def over_tls(certificate: Path, wire: HttpTransport) -> list[str]:
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"got": len(await request.read())})

    app = web.Application()
    app.router.add_post("/v1", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(certificate)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trust)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with httpx2.AsyncClient(transport=wire, timeout=10) as client:
            return [
                (await client.post(f"https://127.0.0.1:{port}/v1", content=b"x" * 9)).text
                for _ in range(3)
            ]
    finally:
        await runner.cleanup()


def test_tls_to_aiohttp_s_server(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    monkeypatch.setattr(
        httpx2, "create_ssl_context", lambda: ssl.create_default_context(cafile=str(certificate))
    )
    assert asyncio.run(over_tls(certificate, HttpTransport())) == ['{"got": 9}'] * 3


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    with pytest.raises(httpx2.ConnectError, match=r"(?i)certificate"):
        asyncio.run(over_tls(certificate, HttpTransport()))
