"""Settings from the environment: the only place that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, read once per call and handed on; a key is looked up by name and never kept.

    >>> Settings.of({"RMG_MODEL": "openai/gpt-6-luna"}).model
    'openai/gpt-6-luna'
    """

    model: str | None = None
    concurrency: int | None = None
    cache_dir: Path = Path()
    openai_base_url: str | None = None
    colour: bool = True
    _environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> Settings:
        env = os.environ if environment is None else environment
        concurrency = env.get("RMG_CONCURRENCY", "").strip()
        return cls(
            model=env.get("RMG_MODEL") or None,
            concurrency=int(concurrency) if concurrency.isdecimal() and int(concurrency) > 0 else None,
            cache_dir=_cache_dir(env),
            openai_base_url=env.get("OPENAI_BASE_URL") or None,
            colour=not env.get("NO_COLOR"),
            _environment=env,
        )

    def key(self, name: str) -> str | None:
        """The secret in the variable `name`, or none; asked for at the moment a client is made."""
        return self._environment.get(name) or None


def _cache_dir(env: Mapping[str, str]) -> Path:
    if env.get("RMG_CACHE_DIR"):
        return Path(env["RMG_CACHE_DIR"]).expanduser()
    base = env.get("XDG_CACHE_HOME") or str(Path(env.get("HOME") or Path.home()) / ".cache")
    return Path(base) / "rmg"
