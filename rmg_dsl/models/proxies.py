"""The proxies and certificates that the environment names: checked before the first call."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rmg_dsl.config import Settings
from rmg_dsl.errors import ModelError

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def proxy_of(base_url: str) -> str | None:
    """The URL of the proxy for calls to a base URL, or None where they go straight to it.

    >>> proxy_of("http://localhost:8000/v1") is None
    True

    `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` name proxies, and `NO_PROXY` the hosts without one:
    names, the ends of names, addresses, and networks such as `10.0.0.0/8`.
    """
    parts = urlsplit(base_url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc) or proxy_bypass(parts.hostname or ""):
        return None
    if _is_in_network(parts.hostname or "", proxies.get("no", "")):
        return None
    # A proxy is often written as `host:port`.
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_in_network(host: str, no_proxy: str) -> bool:
    """Whether a host is an address in one of the networks of NO_PROXY.

    >>> _is_in_network("127.0.0.1", "localhost, 127.0.0.0/8"), _is_in_network("a.b", "10.0.0.0/8")
    (True, False)
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def check_network_settings(base_url: str, settings: Settings) -> None:
    """Raise ModelError for a proxy or a certificate of the environment that cannot be used."""
    proxy = proxy_of(base_url)
    if proxy is not None:
        _check_proxy(proxy, base_url)
    if urlsplit(base_url).scheme == "https":
        _check_certificates(settings)


def _check_proxy(proxy: str, base_url: str) -> None:
    host = urlsplit(base_url).hostname
    way_out = f"unset it, or add {host} to NO_PROXY"
    try:
        parts = urlsplit(proxy)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_complete = False
    # The proxy's URL may hold a password: only its scheme is shown.
    scheme = proxy.partition("://")[0].lower()
    if scheme not in _PROXY_SCHEMES or not is_complete:
        raise ModelError(
            f"the proxy of the environment (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) cannot be used: "
            f"it starts with {scheme}:// and must be a URL with one of "
            f"{', '.join(_PROXY_SCHEMES)} and a host; {way_out}"
        )
    if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise ModelError(
            "the environment names a SOCKS proxy (ALL_PROXY or HTTPS_PROXY), which needs a "
            f"package: `pip install socksio`; or {way_out}"
        )


def _check_certificates(settings: Settings) -> None:
    """Load what SSL_CERT_FILE and SSL_CERT_DIR name, as the first call would."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        path = settings.variable(name)
        if path and not os.path.exists(path):
            raise ModelError(f"{name} names {path}, which is not there: correct it or unset it")
    file = settings.variable("SSL_CERT_FILE")
    if file is None:
        return
    import ssl

    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror or "it holds no certificate"
        raise ModelError(f"SSL_CERT_FILE names {file}, which cannot be used: {why}") from None
