"""What all tests share: an environment without anybody's keys, and the `rmg` command as a process
of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import paths
import pytest

ROOT = paths.ROOT
Run = subprocess.CompletedProcess[str]

# A slow machine is no failure: no example is given a time.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def _nobodys_environment(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No key, model or endpoint of the machine's reaches a test, and no test writes to anybody's
    cache.
    """
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if (
            name.startswith(("RMG_", "OPENAI_"))
            or name.endswith(("_API_KEY", "_TOKEN"))
            or name == "NO_COLOR"
        ):
            patch.delenv(name)
    folder = tmp_path_factory.mktemp("cache")
    patch.setenv("RMG_CACHE_DIR", str(folder))
    # One start fills the folder with the parser's tables, which every test's own folder gets.
    subprocess.run(
        [sys.executable, "-m", "rmg_dsl", "std", "words"], check=True, capture_output=True
    )
    yield folder
    patch.undo()


NewCache = Callable[[], Path]


@pytest.fixture(scope="session")
def new_cache(_nobodys_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> NewCache:
    """Makes a cache folder without replies, for `RMG_CACHE_DIR`."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("replies")
        for table in _nobodys_environment.iterdir():
            if table.name.startswith(("grammar-", "declarations-", "std-")):
                os.link(table, folder / table.name)
        return folder

    return make


@pytest.fixture(autouse=True)
def _own_replies(new_cache: NewCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a reply cache of its own.

    The address of a server is part of the key of a reply, and a free port is used again later. With
    a shared cache a test would find the reply that another test got from the same port.
    """
    monkeypatch.setenv("RMG_CACHE_DIR", str(new_cache()))


@pytest.fixture(scope="module")
def shared_replies(new_cache: NewCache) -> Iterator[Path]:
    """A reply cache that a module's fixture shares on purpose between its runs.

    pytest sets up a module's fixtures before those of a test, so `_own_replies` does not cover
    them.
    """
    with pytest.MonkeyPatch.context() as patch:
        folder = new_cache()
        patch.setenv("RMG_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module", autouse=True)
def _no_replies_of_the_session(
    _nobodys_environment: Path, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Fail a module whose fixtures run a judge with the cache folder of the session."""
    yield
    replies = list(_nobodys_environment.glob("replies-*"))
    for path in replies:
        path.unlink()
    advice = "use the fixture `shared_replies`, or give each run a folder of `new_cache`"
    assert not replies, f"a fixture of {request.node.name} shares the session's cache: {advice}"


# Cases are data, also those that are Python files.
collect_ignore = ["cases"]

# The beginnings of the ids of slow tests.
SLOW = tuple(
    f"tests/{line}"
    for line in (paths.TESTS / "slow.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow.txt as slow."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True)
class Command:
    """The `rmg` command in a folder; `files` are written there first, and every warning of Python's
    is an error.
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, "PYTHONUTF8": "1", "COLUMNS": "100", **self.variables, **(more or {})}

    @staticmethod
    def words(*arguments: str | Path) -> list[str]:
        return [sys.executable, "-W", "error", "-m", "rmg_dsl", *map(str, arguments)]

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def __call__(self, *arguments: str | Path, input: str | bytes = "", **variables: str) -> Run:
        given = input.encode() if isinstance(input, str) else input
        found = subprocess.run(
            self.words(*arguments),
            cwd=self.folder,
            env=self.environment(variables),
            input=given,
            capture_output=True,
            check=False,
            timeout=120,
        )
        out, err = found.stdout.decode(), found.stderr.decode()
        assert "Traceback" not in err, err
        assert "Warning" not in err, err
        return subprocess.CompletedProcess(found.args, found.returncode, out, err)

    def start(self, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words(*arguments),
            cwd=self.folder,
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def rmg_command(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is shipped, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = ["-m", "build", "--wheel", "--no-isolation"]
    try:
        import hatchling  # noqa: F401 - only whether it is there
    except ImportError:
        command = command[:-1]
    subprocess.run(
        [sys.executable, *command, "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        text=True,
    )
    (found,) = folder.glob("*.whl")
    return found
