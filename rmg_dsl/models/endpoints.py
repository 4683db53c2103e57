"""The endpoints of a run: one HTTP client per base URL and key, opened at its first call."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from rmg_dsl.config import Settings
from rmg_dsl.errors import CallError
from rmg_dsl.models.adaptive_limit import MAX_CONCURRENCY
from rmg_dsl.models.caching import InFlightRequests
from rmg_dsl.models.cancellation import Cancellation
from rmg_dsl.models.http_errors import truncate_sentence
from rmg_dsl.models.http_response import (
    HttpResponse,
    rate_limit_pause_of,
    retry_after_of,
    sent_at_of,
)
from rmg_dsl.models.limiter import CallLimiter
from rmg_dsl.models.permissions import Origin
from rmg_dsl.models.proxies import proxy_of
from rmg_dsl.models.rate_limit import RateLimit

if TYPE_CHECKING:
    import httpx2
    from openai import APIConnectionError, AsyncOpenAI, Omit

# From the key, or None, to the headers of a call. The key does not leave the endpoint otherwise.
HeaderFunction: TypeAlias = Callable[[str | None], dict[str, str]]

# Enough to send a lost packet twice more; a server that is down is reported within 10 s of a start.
LONGEST_CONNECT = 5.0
_ERROR_EXCERPT_CHARS = 2000
# Servers without keys get such as "x" or "none": too short to be a secret, and part of many words.
_SHORTEST_SECRET = 8


def _no_headers(_: str | None) -> dict[str, str]:
    return {}


class Endpoint:
    """One base URL and its key, with what its calls share: the client, the limiter, the rate limit.

    >>> Endpoint("http://localhost:8000/v1", "sk-secret-key")
    Endpoint('http://localhost:8000/v1')

    A query of the base URL, such as an API version, follows the path of every call. The key is in
    no message and no repr.
    """

    def __init__(
        self, base_url: str, key: str | None = None, cancellation: Cancellation | None = None
    ) -> None:
        self._address, self._query = _split_query(base_url)
        self.base_url = self._address + self._query
        self.cancellation = Cancellation() if cancellation is None else cancellation
        self.limiter = CallLimiter(cancellation=self.cancellation)
        self.rate_limit = RateLimit()
        self._key = key
        self._escaped_key = _escaped_form(key)
        self._client: AsyncOpenAI | None = None
        self._options: dict[tuple[float, HeaderFunction], Any] = {}

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"

    @property
    def has_key(self) -> bool:
        return self._key is not None

    def url_of(self, path: str) -> str:
        """The URL of a call, such as `http://localhost:8000/v1/chat/completions`."""
        return f"{self._address}{path}{self._query}"

    async def post(
        self, path: str, body: bytes, timeout: float, headers: HeaderFunction = _no_headers
    ) -> HttpResponse:
        """The response to one POST, whatever its status. Raises CallError where none came.

        `timeout` is in seconds, for the whole call. `headers` makes the headers from the key.
        """
        import openai

        try:
            response = await self._send(path, body, timeout, headers)
        except openai.APIStatusError as error:
            response = error.response
        except openai.APITimeoutError as error:
            raise self._timeout_error(timeout, error.__cause__) from None
        except TimeoutError:
            raise self._timeout_error(timeout) from None
        except openai.APIConnectionError as error:
            raise self._connection_error(error) from None
        return self._read_response(response)

    async def _send(
        self, path: str, body: bytes, timeout: float, headers: HeaderFunction
    ) -> httpx2.Response:
        import httpx2

        # httpx2 restarts its timeout with each phase and chunk: this one also ends a slow trickle.
        async with asyncio.timeout(timeout):
            return await self._open_client().post(
                self.url_of(path),
                content=body,
                cast_to=httpx2.Response,
                options=self._request_options(timeout, headers),
            )

    def _request_options(self, timeout: float, headers: HeaderFunction) -> Any:
        """The options of every call with this timeout and these headers, made once."""
        options = self._options.get((timeout, headers))
        if options is None:
            options = _create_options(timeout, headers(self._key))
            self._options[timeout, headers] = options
        return options

    def _open_client(self) -> AsyncOpenAI:
        if self._client is None:
            self._client = _create_client(self._address, self._key)
        return self._client

    def _read_response(self, response: httpx2.Response) -> HttpResponse:
        is_success = response.is_success
        content = self._redact_key(response.content, is_success)
        try:
            body, text = json.loads(content), ""
        except (ValueError, RecursionError):
            body, text = None, content[:_ERROR_EXCERPT_CHARS].decode("utf-8", "replace")
        if not is_success:
            headers = response.headers
            return HttpResponse(
                response.status_code, body, text, retry_after_of(headers), sent_at_of(headers)
            )
        # The bare pairs come first: a look-up by name takes longer than a look at all of them.
        if any(value == b"0" for _, value in response.headers.raw):
            self._pause_as_announced(response.headers)
        return HttpResponse(response.status_code, body, text)

    def _pause_as_announced(self, headers: httpx2.Headers) -> None:
        seconds = rate_limit_pause_of(headers)
        if seconds:
            self.limiter.pause(seconds)

    def _redact_key(self, content: bytes, is_success: bool) -> bytes:
        key = (self._key or "").encode()
        # A reply may hold a short key as part of a word; an error message is better without it.
        shortest = _SHORTEST_SECRET if is_success else 1
        if len(key) < shortest:
            return content
        content = content.replace(key, b"[key]")
        # JSON may write any character as `\u0041` and a slash as `\/`. Few bodies do, so most skip
        # the slower search.
        if self._escaped_key is not None and (b"\\u00" in content or b"\\/" in content):
            content = self._escaped_key.sub(b"[key]", content)
        return content

    def _timeout_error(self, timeout: float, cause: BaseException | None = None) -> CallError:
        import httpx2

        if isinstance(cause, httpx2.ConnectTimeout):
            words = f"no connection within {min(timeout, LONGEST_CONNECT):g} s"
            return CallError(f"cannot reach {self.base_url}: {words}", retryable=True, fatal=True)
        return CallError(f"{self.base_url} did not answer within {timeout:g} s", retryable=True)

    def _connection_error(self, error: APIConnectionError) -> CallError:
        import httpx2

        cause = error.__cause__
        reason = str(cause or "no reason given")
        if self._key:
            reason = reason.replace(self._key, "[key]")
        words = truncate_sentence(reason, 120)
        is_unreachable = isinstance(cause, httpx2.ConnectError | httpx2.ProxyError)
        # Such a request is wrong in itself: another attempt would be the same.
        is_invalid = isinstance(cause, _invalid_request_errors())
        if is_unreachable or is_invalid:
            message = f"cannot reach {self.base_url}: {words}"
            return CallError(message, retryable=is_unreachable, fatal=True)
        return CallError(f"the connection to {self.base_url} broke: {words}", retryable=True)

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


class Endpoints:
    """The endpoints of one run: models with the same base URL and key share one.

    >>> endpoints = Endpoints()
    >>> one = endpoints.endpoint_for("http://localhost:8000/v1")
    >>> endpoints.endpoint_for("http://localhost:8000/v1/") is one
    True
    """

    def __init__(self) -> None:
        self.cancellation = Cancellation()
        self.in_flight = InFlightRequests()
        self._by_address: dict[tuple[str, str | None], Endpoint] = {}

    def endpoint_for(self, base_url: str, key: str | None = None) -> Endpoint:
        endpoint = Endpoint(base_url, key, self.cancellation)
        return self._by_address.setdefault((endpoint.base_url, key), endpoint)

    async def close(self) -> None:
        """Close every client. It may be called again, and a later call opens new clients."""
        for endpoint in self._by_address.values():
            await endpoint.close()


def _escaped_form(key: str | None) -> re.Pattern[bytes] | None:
    r"""The key with each character plain or escaped, also twice: a verdict is JSON inside of JSON.

    >>> _escaped_form("sk-1/2").sub(b"[key]", rb'"sk\u002d1\/2"')
    b'"[key]"'
    """
    if not key:
        return None
    parts = [rf"(?:\\+(?i:u00{ord(character):02x})|\\*{re.escape(character)})" for character in key]
    return re.compile("".join(parts).encode())


def _invalid_request_errors() -> tuple[type[Exception], ...]:
    import httpx2

    from rmg_dsl.models.transport import ForeignRedirect

    return (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, ForeignRedirect)


def _split_query(base_url: str) -> tuple[str, str]:
    """The URL without its query and without a slash at the end, and the query with its mark.

    >>> _split_query("http://h/v1/?api-version=2")
    ('http://h/v1', '?api-version=2')
    """
    address, mark, query = base_url.partition("?")
    return address.rstrip("/"), mark + query if query else ""


# ── the client ──


def _create_options(timeout: float, headers: dict[str, str]) -> dict[str, Any]:
    """What each call tells the client: the headers, the timeout, no retries."""
    import httpx2
    from openai import Omit, not_given

    # The provider says where the key goes, and each attempt is counted here: the client's own
    # headers for these are left out.
    all_headers: dict[str, str | Omit] = {
        "Authorization": Omit(),
        "x-stainless-retry-count": Omit(),
        "x-stainless-read-timeout": Omit(),
    }
    all_headers |= headers
    return {
        "timeout": httpx2.Timeout(timeout, connect=min(timeout, LONGEST_CONNECT)),
        "headers": all_headers,
        # These are the client's defaults: without them it makes them anew for each call.
        "max_retries": 0,
        "params": {},
        "security": {"bearer_auth": True},
        "post_parser": not_given,
        "idempotency_key": "-",
    }


def _create_client(base_url: str, key: str | None) -> AsyncOpenAI:
    """A client without retries of its own: each attempt is counted here."""
    from openai import AsyncOpenAI

    # Without a key the client would take one from the environment; "none" is never sent.
    client = AsyncOpenAI(
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,
        http_client=_create_http_client(base_url),
        default_headers=_withheld_headers(base_url),
    )
    if not _is_openai(base_url):
        # The client reads these from the environment and would send them to any host.
        client.organization = client.project = None
    return client


def _withheld_headers(base_url: str) -> Any:
    """The headers of OPENAI_CUSTOM_HEADERS that this server must not get, each left out.

    They are for OpenAI, or for the gateway in OPENAI_BASE_URL. The client sends them to any host.
    """
    settings = Settings.of()
    gateway = settings.variable("OPENAI_BASE_URL")
    if _is_openai(base_url) or (gateway and Origin.of(gateway) == Origin.of(base_url)):
        return None
    import openai

    lines = (settings.variable("OPENAI_CUSTOM_HEADERS") or "").split("\n")
    names = [line.partition(":")[0].strip() for line in lines if ":" in line]
    return dict.fromkeys(names, openai.Omit())


def _is_openai(base_url: str) -> bool:
    """Whether a base URL is of OpenAI itself."""
    host = urlsplit(base_url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


def _create_http_client(base_url: str) -> httpx2.AsyncClient:
    """The client over the lean transport, or through the proxy that the environment names."""
    from rmg_dsl.models.transport import BoundedTransport, JudgeClient, LeanClient

    proxy = proxy_of(base_url)
    if proxy is None:
        return LeanClient()
    return JudgeClient(BoundedTransport(proxy=proxy, limits=_create_limits()))


def _create_limits() -> httpx2.Limits:
    """As many connections as calls may be in flight."""
    import httpx2

    return httpx2.Limits(max_connections=MAX_CONCURRENCY, max_keepalive_connections=100)
