"""Proxies and certificates of the environment.

A line of `cases/models/proxies.jsonl` is a base URL and an environment: `proxy` is the one that
calls go through, and `says` a part of the error before the first call.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from typing import Any

import paths
import pytest
from loopback import Loopback, verdict

from rmg_dsl.config import Settings
from rmg_dsl.errors import ModelError
from rmg_dsl.models import Endpoint, ModelSpec, open_model
from rmg_dsl.models.proxies import check_network_settings, proxy_of

LINES = (paths.CASES / "models" / "proxies.jsonl").read_text("utf-8").splitlines()
CASES = [pytest.param(case, id=case["name"]) for case in map(json.loads, LINES)]
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("case", CASES)
def test_the_environment_names_the_proxy(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in case["environment"].items():
        monkeypatch.setenv(name, value)
    if "says" not in case:
        assert proxy_of(case["base_url"]) == case["proxy"]
        check_network_settings(case["base_url"], Settings.of())
        return
    with pytest.raises(ModelError) as caught:
        check_network_settings(case["base_url"], Settings.of())
    assert case["says"] in str(caught.value)
    assert "secret-4711" not in str(caught.value)


@pytest.mark.skipif(
    importlib.util.find_spec("socksio") is not None, reason="the package for SOCKS is installed"
)
def test_a_socks_proxy_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    spec = ModelSpec("ollama", "m")
    with pytest.raises(ModelError, match="pip install socksio"):
        open_model(spec, Settings.of())


def test_a_call_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def post() -> int:
        endpoint = Endpoint("http://judge.example/v1")
        try:
            return (await endpoint.post("/chat/completions", b"{}", 10)).status
        finally:
            await endpoint.close()

    with Loopback(verdict(4)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        assert asyncio.run(post()) == 200
    assert proxy.asked[0].path == "http://judge.example/v1/chat/completions"
