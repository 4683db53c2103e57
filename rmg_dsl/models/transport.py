"""A lean HTTP/1.1 transport for the `openai` client: asyncio moves the bytes, h11 parses them.

The stock transport searches its whole pool for each call and copies the bytes through many layers;
at a few hundred calls in flight that costs more than the rest of a call. Here idle connections are
a stack. Streaming, HTTP/2 and proxies are left out: no call needs them (see `Endpoint`).

It is imported at the first call, because it needs httpx2.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import h11
import httpx2
import openai

# Common servers close an idle connection after 5 s: a write into one that is closing would be lost.
_IDLE_SECONDS = 4.0
_MOST_BYTES = 64 << 20
_TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE})
# The keys under which a request carries its encoded head and its body to `HttpConnection`.
_HEAD_EXTENSION, _CONTENT_EXTENSION = "rmg head", "rmg content"
_MAX_CACHED_HEADS = 64
_PLAIN_PARTS = ("content", "headers", "timeout")

Origin: TypeAlias = tuple[str, str, int]


class HttpTransport(httpx2.AsyncBaseTransport):
    """Sends requests over a pool of connections, each for a whole response. Raises httpx2's errors.

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
        connection = self._take_idle_connection(origin)
        if connection is None:
            connection = await self._open_connection(origin, request)
        try:
            response = await connection.send_request(request)
        finally:
            # In the middle of a response: the next request would get the rest of it.
            if not connection.is_idle:
                connection.abort()
        connection.idle_since = time.monotonic()
        self._idle_connections.setdefault(origin, []).append(connection)
        return response

    def _take_idle_connection(self, origin: Origin) -> HttpConnection | None:
        """The connection that was used last, or None. Those idle for too long are closed."""
        idle = self._idle_connections.get(origin)
        # The last one first: it is the likeliest to be open still.
        while idle:
            connection = idle.pop()
            idle_seconds = time.monotonic() - connection.idle_since
            if connection.is_idle and idle_seconds < _IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    async def _open_connection(self, origin: Origin, request: httpx2.Request) -> HttpConnection:
        scheme, host, port = origin
        ssl_context = self._get_ssl_context() if scheme == "https" else None
        seconds = request.extensions.get("timeout", {}).get("connect")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(
                    lambda: HttpConnection(self._open_connections), host, port, ssl=ssl_context
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(
                f"no connection to {host}:{port} in time", request=request
            ) from error
        except OSError as error:
            if error.errno in _TOO_MANY_OPEN:
                # Too few file handles here say nothing about the server.
                raise httpx2.NetworkError(str(error), request=request) from error
            raise httpx2.ConnectError(str(error), request=request) from error
        return connection

    def _get_ssl_context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = httpx2.create_ssl_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context

    async def aclose(self) -> None:
        self._idle_connections.clear()
        for connection in list(self._open_connections):
            connection.abort()
        # The loop closes the sockets in its next turn.
        await asyncio.sleep(0)


class ForeignRedirect(httpx2.TransportError):
    """A redirect to another server, which must not get the rows and the key."""


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """The stock transport, which knows proxies, with the bound on the size of a response."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        response = await super().handle_async_request(request)
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in response.aiter_raw():
                chunks.append(chunk)
                size += len(chunk)
                if size > _MOST_BYTES:
                    raise httpx2.RemoteProtocolError(_too_long_message(), request=request)
        finally:
            await response.aclose()
        return _create_response(response.status_code, response.headers.raw, b"".join(chunks))


class JudgeClient(openai.DefaultAsyncHttpxClient):
    """The HTTP client for `openai` over one transport. It follows redirects on the same server."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        hooks = {"response": [_refuse_foreign_redirect]}
        super().__init__(transport=transport, event_hooks=hooks)


async def _refuse_foreign_redirect(response: httpx2.Response) -> None:
    if not response.has_redirect_location:
        return
    before = response.request.url
    after = before.join(response.headers["location"])
    is_same_host = before.host == after.host
    is_upgrade = (before.scheme, after.scheme) == ("http", "https")
    if is_same_host and (_origin_of(before) == _origin_of(after) or is_upgrade):
        return
    raise ForeignRedirect(
        f"it redirects to another server, {after.scheme}://{after.netloc.decode('ascii')}; "
        "if that is right, name it as the base URL",
        request=response.request,
    )


class LeanClient(JudgeClient):
    """The HTTP client for `openai`, with a shortcut for plain POSTs over `HttpTransport`.

    >>> AsyncOpenAI = openai.AsyncOpenAI
    >>> url = "http://localhost:8000/v1"
    >>> client = AsyncOpenAI(api_key="none", base_url=url, http_client=LeanClient())

    The head of a plain POST is encoded once, and its response is no stream. Everything else, such
    as a redirect, goes through the stock client.
    """

    def __init__(self) -> None:
        self._pooled_transport = HttpTransport()
        self._request_heads: dict[tuple[object, ...], _RequestHead] = {}
        super().__init__(self._pooled_transport)

    def build_request(self, method: str, url: Any, **parts: Any) -> httpx2.Request:
        if not _is_plain_request(parts):
            return super().build_request(method, url, **parts)
        headers, content, timeout = parts["headers"], parts["content"], parts["timeout"]
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
        head = self._request_heads.get(key)
        if head is None:
            if len(self._request_heads) >= _MAX_CACHED_HEADS:
                self._request_heads.clear()
            head = _RequestHead.of(method, httpx2.URL(url), headers)
            self._request_heads[key] = head
        return head

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if not any(options.get(name) for name in ("stream", "auth", "follow_redirects")):
            response = await self._pooled_transport.handle_async_request(request)
            response.request = request
            if not response.has_redirect_location:
                return response
        if request.extensions.pop(_HEAD_EXTENSION, None):
            # The head is for this URL only: a redirect would take it along to another one.
            content = request.extensions.pop(_CONTENT_EXTENSION)
            request.headers["Content-Length"] = str(len(content))
        return await super().send(request, **options)


def _is_plain_request(parts: dict[str, Any]) -> bool:
    """Whether a request is bytes with headers and a timeout, and nothing else."""
    if not isinstance(parts.get("content"), bytes) or not isinstance(parts.get("headers"), list):
        return False
    if not isinstance(parts.get("timeout"), httpx2.Timeout):
        return False
    return sum(part is not None for part in parts.values()) == len(_PLAIN_PARTS)


@dataclass(frozen=True, slots=True)
class _RequestHead:
    """The head of a request without its length: the same for many calls, made once."""

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
        """The bytes of a request with this head and `content`."""
        # h11 only has to know that a request was sent: for it, the request has no body.
        lines = http.send(self.event)
        http.send(h11.EndOfMessage())
        return b"%bContent-Length: %d\r\n\r\n%b" % (lines[:-2], len(content), content)


class HttpConnection(asyncio.Protocol):
    """One connection, for one request at a time. It is idle again once a response is read whole."""

    def __init__(self, open_connections: set[HttpConnection]) -> None:
        self.idle_since = 0.0
        self._open_connections = open_connections
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._response_ready: asyncio.Future[None] | None = None
        self._response_head: h11.Response | None = None
        self._response_chunks: list[bytes] = []
        self._response_size = 0

    @property
    def is_idle(self) -> bool:
        if self._transport is None or self._response_ready is not None:
            return False
        return self._http.our_state is h11.IDLE

    async def send_request(self, request: httpx2.Request) -> httpx2.Response:
        """The whole response to a request. Raises httpx2's errors."""
        head: _RequestHead | None = request.extensions.get(_HEAD_EXTENSION)
        # Read before the check below: the connection may be closed meanwhile.
        content = await request.aread() if head is None else request.extensions[_CONTENT_EXTENSION]
        if self._transport is None:
            raise httpx2.ReadError("the connection was closed")
        self._reset_response()
        try:
            if head is None:
                encoded = _encode_request(self._http, request, content)
            else:
                encoded = head.encode(self._http, content)
        except h11.LocalProtocolError as error:
            raise httpx2.LocalProtocolError(str(error)) from error
        self._transport.write(encoded)
        self._response_ready = asyncio.get_running_loop().create_future()
        try:
            await self._response_ready
        finally:
            self._response_ready = None
        assert self._response_head is not None
        headers = self._response_head.headers.raw_items()
        content = b"".join(self._response_chunks)
        return _create_response(self._response_head.status_code, headers, content)

    def _reset_response(self) -> None:
        self._response_head, self._response_chunks, self._response_size = None, [], 0

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # ── what asyncio calls ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open_connections.add(self)
        # A model may think for minutes: without this a router may drop the silent connection.
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
            # Bytes without a request must not become the response to the next one.
            self.abort()
            return
        try:
            self._http.receive_data(data)
            while self._handle_event(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            reason = str(error) if data else "it was closed before the answer was whole"
            self._resolve_response(httpx2.RemoteProtocolError(reason))
            self.abort()

    def _handle_event(self, event: object) -> bool:
        """Handle one event of h11; true where there may be more."""
        if isinstance(event, h11.Data):
            self._response_chunks.append(bytes(event.data))
            self._response_size += len(event.data)
            if self._response_size > _MOST_BYTES:
                raise h11.RemoteProtocolError(_too_long_message())
        elif isinstance(event, h11.Response):
            self._response_head = event
        elif isinstance(event, h11.EndOfMessage):
            self._finish_response()
            return False
        elif not isinstance(event, h11.InformationalResponse):
            # h11 waits for more bytes, or the server switched the protocol unasked.
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
        ready, self._response_ready = self._response_ready, None
        if ready is None or ready.done():
            return
        if error is None:
            ready.set_result(None)
        else:
            ready.set_exception(error)


def _too_long_message() -> str:
    return f"an answer of more than {_MOST_BYTES:,} bytes"


def _create_response(
    status: int, headers: Sequence[tuple[bytes, bytes]], content: bytes
) -> httpx2.Response:
    """A response with its body unpacked, within the bound that holds for plain bodies.

    httpx2 would unpack without a bound: a megabyte can hold a gigabyte of zeros.
    """
    encodings = [value.lower() for name, value in headers if name.lower() == b"content-encoding"]
    if not encodings or encodings == [b"identity"]:
        return httpx2.Response(status, headers=headers, content=content)
    plain = [pair for pair in headers if pair[0].lower() != b"content-encoding"]
    return httpx2.Response(status, headers=plain, content=_unpack(b", ".join(encodings), content))


def _unpack(encoding: bytes, content: bytes) -> bytes:
    """The bytes of a body that was packed although we asked for a plain one."""
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        words = encoding.decode("ascii", "replace")
        raise httpx2.DecodingError(f"a body in the encoding {words}, although none was asked for")
    # 32 more than the largest window: zlib finds out by itself whether it is gzip or zlib.
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        plain = unpacker.decompress(content, _MOST_BYTES + 1)
    except zlib.error as error:
        raise httpx2.DecodingError(str(error)) from None
    if len(plain) > _MOST_BYTES:
        raise httpx2.DecodingError(_too_long_message())
    if not unpacker.eof:
        raise httpx2.DecodingError("a packed body that is not whole")
    return plain


def _encode_request(http: h11.Connection, request: httpx2.Request, content: bytes) -> bytes:
    """A request as bytes. h11 rejects headers that would make two requests of one."""
    head = h11.Request(
        method=request.method, target=request.url.raw_path, headers=request.headers.raw
    )
    parts = (http.send(head), http.send(h11.Data(data=content)), http.send(h11.EndOfMessage()))
    return b"".join(part or b"" for part in parts)


def _origin_of(url: httpx2.URL) -> Origin:
    if url.scheme not in ("http", "https") or not url.host:
        raise httpx2.UnsupportedProtocol(f"no address to call: {str(url)!r}")
    default_port = 443 if url.scheme == "https" else 80
    return url.scheme, url.host, url.port or default_port
