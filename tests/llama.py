"""The real llama.cpp server, through xllamacpp, with a tiny random model: proves the transport,
never a judgement.

    from llama import llama_url     # a session fixture: the base URL, ending in /v1; conftest.py
    may import it for all

    def test_it(llama_url): ...

Skipped only where xllamacpp has no wheel.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAME = "tiny"


@contextmanager
def llama_server(folder: Path, *, api_key: str | None = None, favour: str = "") -> Iterator[str]:
    """Serves the tiny model, optionally to holders of a key only, on a free port; yields the base
    URL.

    Where letters are favoured, its replies are made of them.
    """
    import xllamacpp
    from tiny_gguf import write_tiny_gguf

    params = xllamacpp.CommonParams()
    params.model.path = str(write_tiny_gguf(folder / f"{NAME}.gguf", favour=favour))
    params.model_alias = {NAME}
    params.port, params.n_ctx, params.n_parallel = 0, 8192, 2
    params.n_gpu_layers, params.warmup, params.verbosity = 0, False, -1
    # Several threads wait for each other by spinning: on a busy machine that makes a call of 20 ms
    # one of seconds.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if api_key is not None:
        params.api_keys = [api_key]
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    # The server has no stop: it ends when nobody holds it.
    del server
    gc.collect()


@pytest.fixture(scope="session")
def llama_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("xllamacpp", reason="xllamacpp has no wheel for this platform")
    with llama_server(tmp_path_factory.mktemp("llama")) as url:
        yield url
