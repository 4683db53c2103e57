"""A lean transport for HTTP/1.1 under the `openai` client: asyncio moves the bytes, h11 knows the protocol.

The stock transport searches its pool from end to end for each call and passes the bytes through many hands; at a few
hundred calls in flight that costs more than the rest of a call. Here a connection is taken from a stack and put back.
What is left out is what a chat completion has no use for: streaming, HTTP/2, proxies (see `Endpoint`).

It is imported at the first call, as it needs httpx2.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, TypeAlias

import h11
import httpx2
import openai

# Below the 5 s after which common servers close a connection that is idle: not to write into one that is closing.
_IDLE_SECONDS = 4.0
_MOST_BYTES = 64 << 20
_TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE})
# What a request of ours carries along for the wire.
_HEAD_EXTENSION, _CONTENT_EXTENSION = "rmg head", "rmg content"
_MAX_CACHED_HEADS = 64

Origin: TypeAlias = tuple[str, str, int]


class HttpTransport(httpx2.AsyncBaseTransport):
    """Sends a request and gives the whole response, over connections that are kept; errors are those of httpx2.

    >>> async def status(url):
    ...     async with httpx2.AsyncClient(transport=HttpTransport()) as client:
    ...         return (await client.get(url)).status_code
    """

    def __init__(self) -> None:
        self._idle_connections: dict[Origin, list[HttpConnection]] = {}
        self._open_connections: set[HttpConnection] = set()
        self._ssl_context: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        origin = _origin_of(request.url)
        line = self._take_idle_connection(origin) or await self._open_connection(origin, request)
        try:
            response = await line.send_request(request)
        finally:
            # Whatever ended the call, a line that is in the middle of something is of no use to the next.
            if not line.is_idle:
                line.abort()
        line.idle_since = time.monotonic()
        self._idle_connections.setdefault(origin, []).append(line)
        return response

    def _take_idle_connection(self, origin: Origin) -> HttpConnection | None:
        """The line that was last used, as the likeliest to be alive; those idle for long are let go."""
        idle = self._idle_connections.get(origin)
        while idle:
            line = idle.pop()
            if line.is_idle and time.monotonic() - line.idle_since < _IDLE_SECONDS:
                return line
            line.abort()
        return None

    async def _open_connection(self, origin: Origin, request: httpx2.Request) -> HttpConnection:
        scheme, host, port = origin
        trust = self._get_ssl_context() if scheme == "https" else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("connect")):
                _, line = await loop.create_connection(
                    lambda: HttpConnection(self._open_connections), host, port, ssl=trust
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(
                f"no connection to {host}:{port} in time", request=request
            ) from error
        except OSError as error:
            # Our own lack of file handles says nothing about the server.
            kind = httpx2.NetworkError if error.errno in _TOO_MANY_OPEN else httpx2.ConnectError
            raise kind(str(error), request=request) from error
        return line

    def _get_ssl_context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = httpx2.create_ssl_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context

    async def aclose(self) -> None:
        self._idle_connections.clear()
        for line in list(self._open_connections):
            line.abort()
        # The sockets are closed in the loop's next turn.
        await asyncio.sleep(0)


class LeanClient(openai.DefaultAsyncHttpxClient):
    """The client that `openai` is given: its own, with a short cut for what a call needs, over `HttpTransport`.

    >>> AsyncOpenAI = openai.AsyncOpenAI
    >>> client = AsyncOpenAI(api_key="none", base_url="http://localhost:8000/v1", http_client=LeanClient())

    A plain POST is not taken apart and put together again, and its response is no stream. All else, redirects among
    it, goes the long way.
    """

    def __init__(self) -> None:
        self._pooled_transport = HttpTransport()
        self._request_heads: dict[tuple[Any, ...], _RequestHead] = {}
        super().__init__(transport=self._pooled_transport)

    def build_request(self, method: str, url: Any, **parts: Any) -> httpx2.Request:
        headers, content, timeout = (
            parts.pop(name, None) for name in ("headers", "content", "timeout")
        )
        plain = (
            isinstance(content, bytes)
            and isinstance(headers, list)
            and isinstance(timeout, httpx2.Timeout)
        )
        if not plain or any(part is not None for part in parts.values()):
            return super().build_request(
                method, url, headers=headers, content=content, timeout=timeout, **parts
            )
        head = self._request_head(method, str(url), headers)
        extensions = {
            "timeout": timeout.as_dict(),
            _HEAD_EXTENSION: head,
            _CONTENT_EXTENSION: content,
        }
        return httpx2.Request(
            method,
            head.url,
            headers=head.headers,
            stream=httpx2.ByteStream(content),
            extensions=extensions,
        )

    def _request_head(self, method: str, url: str, headers: list[tuple[str, str]]) -> _RequestHead:
        key = (method, url, *headers)
        known = self._request_heads.get(key)
        if known is None:
            if len(self._request_heads) >= _MAX_CACHED_HEADS:
                self._request_heads.clear()
            known = self._request_heads[key] = _RequestHead.of(method, httpx2.URL(url), headers)
        return known

    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        if not (how.get("stream") or how.get("auth") or how.get("follow_redirects")):
            response = await self._pooled_transport.handle_async_request(request)
            response.request = request
            if not response.has_redirect_location:
                return response
        if request.extensions.pop(_HEAD_EXTENSION, None):
            # It is for this address; a redirect takes headers and extensions along to another.
            request.headers["Content-Length"] = str(len(request.extensions.pop(_CONTENT_EXTENSION)))
        return await super().send(request, **how)


@dataclass(frozen=True, slots=True)
class _RequestHead:
    """What all calls have in common but for the length of their bodies: made, and checked by h11, once."""

    url: httpx2.URL
    headers: httpx2.Headers
    event: h11.Request

    @classmethod
    def of(cls, method: str, url: httpx2.URL, headers: list[tuple[str, str]]) -> _RequestHead:
        own = [("Host", url.netloc.decode("ascii")), ("Accept-Encoding", "identity")]
        all_headers = httpx2.Headers([*own, *headers])
        event = h11.Request(method=method.upper(), target=url.raw_path, headers=all_headers.raw)
        return cls(url, all_headers, event)

    def encode(self, http: h11.Connection, content: bytes) -> bytes:
        """The whole request. h11 hears of one without a body: it has to know only that a request was made."""
        lines = http.send(self.event)
        http.send(h11.EndOfMessage())
        return b"%bContent-Length: %d\r\n\r\n%b" % (lines[:-2], len(content), content)


class HttpConnection(asyncio.Protocol):
    """One connection: asks one thing at a time. It is idle, and fit for the next, once a response is read whole."""

    def __init__(self, lines: set[HttpConnection]) -> None:
        self.idle_since = 0.0
        self._open_connections = lines
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._response_ready: asyncio.Future[None] | None = None
        self._response_head: h11.Response | None = None
        self._response_chunks: list[bytes] = []
        self._response_size = 0

    @property
    def is_idle(self) -> bool:
        return (
            self._transport is not None
            and self._response_ready is None
            and self._http.our_state is h11.IDLE
        )

    async def send_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response to a request, read whole; raises httpx2's errors."""
        known: _RequestHead | None = request.extensions.get(_HEAD_EXTENSION)
        content = request.extensions[_CONTENT_EXTENSION] if known else await request.aread()
        if self._transport is None:
            raise httpx2.ReadError("the connection was closed")
        self._reset_response()
        try:
            said = (
                known.encode(self._http, content)
                if known
                else _encode_request(self._http, request, content)
            )
            self._transport.write(said)
        except h11.LocalProtocolError as error:
            raise httpx2.LocalProtocolError(str(error)) from error
        self._response_ready = asyncio.get_running_loop().create_future()
        try:
            await self._response_ready
        finally:
            self._response_ready = None
        assert self._response_head is not None
        headers = self._response_head.headers.raw_items()
        return httpx2.Response(
            self._response_head.status_code,
            headers=headers,
            content=b"".join(self._response_chunks),
        )

    def _reset_response(self) -> None:
        self._response_head, self._response_chunks, self._response_size = None, [], 0

    def abort(self) -> None:
        """Lets go of the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # ── what asyncio calls ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open_connections.add(self)
        # A judge may think for minutes: a router in between should not forget the connection meanwhile.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        self._receive_bytes(data)

    def eof_received(self) -> None:
        self._receive_bytes(b"")

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._open_connections.discard(self)
        self._resolve_response(httpx2.ReadError(str(error or "the connection was closed")))

    # ── reading ──

    def _receive_bytes(self, data: bytes) -> None:
        if self._response_ready is None:
            # Nobody asked: whatever it is must not become the answer to the next question.
            self.abort()
            return
        try:
            self._http.receive_data(data)
            while self._handle_event(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            words = str(error) if data else "it was closed before the answer was whole"
            self._resolve_response(httpx2.RemoteProtocolError(words))
            self.abort()

    def _handle_event(self, event: object) -> bool:
        """One event of h11's; true where there may be more."""
        if isinstance(event, h11.Data):
            self._response_chunks.append(bytes(event.data))
            self._response_size += len(event.data)
            if self._response_size > _MOST_BYTES:
                raise h11.RemoteProtocolError(f"an answer of more than {_MOST_BYTES:,} bytes")
        elif isinstance(event, h11.Response):
            self._response_head = event
        elif isinstance(event, h11.EndOfMessage):
            self._finish_response()
            return False
        elif not isinstance(event, h11.InformationalResponse):
            # It waits for more bytes, or was told to speak another protocol, for which we never asked.
            if event is h11.PAUSED:
                raise h11.RemoteProtocolError("an answer in another protocol")
            return False
        return True

    def _finish_response(self) -> None:
        both_done = self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
        if both_done and self._http.trailing_data == (b"", False):
            self._http.start_next_cycle()
        self._resolve_response(None)

    def _resolve_response(self, error: httpx2.TransportError | None) -> None:
        answer, self._response_ready = self._response_ready, None
        if answer is None or answer.done():
            return
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)


def _encode_request(http: h11.Connection, request: httpx2.Request, content: bytes) -> bytes:
    """A request as bytes; h11 refuses what would make two requests of one."""
    head = h11.Request(
        method=request.method, target=request.url.raw_path, headers=request.headers.raw
    )
    parts = (http.send(head), http.send(h11.Data(data=content)), http.send(h11.EndOfMessage()))
    return b"".join(part or b"" for part in parts)


def _origin_of(url: httpx2.URL) -> Origin:
    if url.scheme not in ("http", "https") or not url.host:
        raise httpx2.UnsupportedProtocol(f"no address to call: {str(url)!r}")
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
