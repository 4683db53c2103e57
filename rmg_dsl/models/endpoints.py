"""The wire: one client per endpoint, opened at its first call and closed once. Here, and only here, is the network."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rmg_dsl.errors import CallError
from rmg_dsl.models.caching import InFlightRequests
from rmg_dsl.models.cancellation import Cancellation
from rmg_dsl.models.http_errors import truncate_sentence
from rmg_dsl.models.http_response import HttpResponse, rate_limit_pause_of, retry_after_of
from rmg_dsl.models.limiter import CallLimiter
from rmg_dsl.models.rate_limit import RateLimit

if TYPE_CHECKING:
    import httpx2
    from openai import APIConnectionError, AsyncOpenAI

# Time for a lost packet to be sent anew, twice; who does not answer by then is reported within 10 s of a start.
LONGEST_CONNECT = 5.0
_ERROR_EXCERPT_CHARS = 2000
# Servers without keys are given such as "x" or "none"; a shorter one is no secret and may be part of any word.
_SHORTEST_SECRET = 8


class Endpoint:
    """One base URL and its key, and what its calls share: client, gate and pace. Shows the key to nobody.

    >>> Endpoint("http://localhost:8000/v1", "sk-secret-key")
    Endpoint('http://localhost:8000/v1')
    """

    def __init__(
        self, base_url: str, key: str | None = None, brake: Cancellation | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.cancellation = Cancellation() if brake is None else brake
        self.limiter = CallLimiter(brake=self.cancellation)
        self.rate_limit = RateLimit()
        self._key = key
        self._client: AsyncOpenAI | None = None
        self._options: dict[float, Any] = {}

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"

    @property
    def has_key(self) -> bool:
        return self._key is not None

    async def post(self, path: str, body: bytes, timeout: float) -> HttpResponse:
        """The answer, good or bad, within `timeout` seconds in all; raises CallError where none came."""
        import openai

        try:
            response = await self._send(path, body, timeout)
        except openai.APIStatusError as error:
            response = error.response
        except openai.APITimeoutError as error:
            raise self._timeout_error(timeout, error.__cause__) from None
        except TimeoutError:
            raise self._timeout_error(timeout) from None
        except openai.APIConnectionError as error:
            raise self._connection_error(error) from None
        return self._read_response(response)

    async def _send(self, path: str, body: bytes, timeout: float) -> httpx2.Response:
        import httpx2

        # httpx2 counts every phase and chunk anew; the bound from outside also ends a reply that only drips.
        async with asyncio.timeout(timeout):
            return await self._open_client().post(
                self.base_url + path,
                content=body,
                cast_to=httpx2.Response,
                options=self._request_options(timeout),
            )

    def _request_options(self, timeout: float) -> Any:
        """What every call with this timeout says, made once."""
        known = self._options.get(timeout)
        if known is None:
            import httpx2
            from openai import Omit, not_given

            limits = httpx2.Timeout(timeout, connect=min(timeout, LONGEST_CONNECT))
            # Tries are counted by us: the client need not tell the endpoint of its own, nor make up a key for them.
            headers: dict[str, Any] = {
                "x-stainless-retry-count": Omit(),
                "x-stainless-read-timeout": Omit(),
            }
            headers |= {} if self._key else {"Authorization": Omit()}
            # The rest is what it would be anyway; said here, it is not copied anew for each call.
            rest = {
                "max_retries": 0,
                "params": {},
                "security": {"bearer_auth": True},
                "post_parser": not_given,
            }
            rest |= {"idempotency_key": "-"}
            known = self._options[timeout] = {"timeout": limits, "headers": headers, **rest}
        return known

    def _open_client(self) -> AsyncOpenAI:
        if self._client is None:
            self._client = _create_client(self.base_url, self._key)
        return self._client

    def _read_response(self, response: httpx2.Response) -> HttpResponse:
        good = response.is_success
        content = self._redact_key(response.content, good)
        try:
            body, text = json.loads(content), ""
        except (ValueError, RecursionError):
            body, text = None, content[:_ERROR_EXCERPT_CHARS].decode("utf-8", "replace")
        if not good:
            return HttpResponse(response.status_code, body, text, retry_after_of(response.headers))
        # A look at the bare pairs first: a header that is asked for by name takes longer than all of them.
        if any(value == b"0" for _, value in response.headers.raw) and (
            seconds := rate_limit_pause_of(response.headers)
        ):
            self.limiter.pause(seconds)
        return HttpResponse(response.status_code, body, text)

    def _redact_key(self, content: bytes, good: bool) -> bytes:
        key = (self._key or "").encode()
        secret = len(key) >= _SHORTEST_SECRET if good else bool(key)
        return content.replace(key, b"[key]") if secret else content

    def _timeout_error(self, timeout: float, cause: BaseException | None = None) -> CallError:
        import httpx2

        if isinstance(cause, httpx2.ConnectTimeout):
            words = f"no connection within {min(timeout, LONGEST_CONNECT):g} s"
            return CallError(f"cannot reach {self.base_url}: {words}", retryable=True, fatal=True)
        return CallError(f"{self.base_url} did not answer within {timeout:g} s", retryable=True)

    def _connection_error(self, error: APIConnectionError) -> CallError:
        import httpx2

        cause = error.__cause__
        words = truncate_sentence(
            str(cause or "no reason given").replace(self._key or "\0", "[key]"), 120
        )
        nobody = isinstance(cause, httpx2.ConnectError | httpx2.ProxyError)
        ours = isinstance(cause, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError)
        if nobody or ours:
            return CallError(f"cannot reach {self.base_url}: {words}", retryable=nobody, fatal=True)
        return CallError(f"the connection to {self.base_url} broke: {words}", retryable=True)

    async def close(self) -> None:
        """Lets go of the connections; without a call there is nothing to do."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


class Endpoints:
    """The endpoints of one run, each once: models on the same server share its client. Whoever made this closes it.

    >>> endpoints = Endpoints()
    >>> endpoints.endpoint_for("http://localhost:8000/v1") is endpoints.endpoint_for("http://localhost:8000/v1/")
    True
    """

    def __init__(self) -> None:
        self.cancellation = Cancellation()
        self.in_flight = InFlightRequests()
        self._by_address: dict[tuple[str, str | None], Endpoint] = {}

    def endpoint_for(self, base_url: str, key: str | None = None) -> Endpoint:
        where = base_url.rstrip("/")
        return self._by_address.setdefault((where, key), Endpoint(where, key, self.cancellation))

    async def close(self) -> None:
        """Closes every client; it may be called again, and a later call opens a new one."""
        for endpoint in self._by_address.values():
            await endpoint.close()


def _create_client(base_url: str, key: str | None) -> AsyncOpenAI:
    """A client that retries nothing by itself, so that each attempt is counted by us."""
    from openai import AsyncOpenAI

    # Without a key of our own the client would look for one in the environment; "none" is never sent.
    client = AsyncOpenAI(
        api_key=key or "none", base_url=base_url, max_retries=0, http_client=_create_http_client()
    )
    if not (urlsplit(base_url).hostname or "").endswith("openai.com"):
        # The client takes these from the environment for whatever host it talks to; they are OpenAI's business only.
        client.organization = client.project = None
    return client


def _create_http_client() -> httpx2.AsyncClient | None:
    """Our own lean transport under the client's own behaviour; with proxies about the stock one, which knows them."""
    from urllib.request import getproxies

    if getproxies().keys() & {"http", "https", "all", "socks"}:
        return None
    from rmg_dsl.models.transport import LeanClient

    return LeanClient()
