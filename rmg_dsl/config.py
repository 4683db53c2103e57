"""Settings from the environment. No other module reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rmg_dsl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, read once per call and handed on; a key is looked up by name and
    never kept.

    >>> Settings.of({"RMG_MODEL": "openai/gpt-6-luna"}).model
    'openai/gpt-6-luna'
    """

    model: str | None = None
    cache_dir: Path = Path()
    colour: bool = True
    _environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> Settings:
        env = os.environ if environment is None else environment
        return cls(
            model=env.get("RMG_MODEL", "").strip() or None,
            cache_dir=_cache_dir(env),
            colour=not env.get("NO_COLOR"),
            _environment=env,
        )

    @property
    def concurrency(self) -> int | None:
        """The calls in flight at once, or none where nothing is said.

        Raises UsageError for what is no such number.
        """
        text = self._environment.get("RMG_CONCURRENCY", "").strip()
        if text and not (text.isascii() and text.isdecimal() and int(text) > 0):
            raise UsageError(f"RMG_CONCURRENCY is a whole number from 1, not {text!r}")
        return int(text) if text else None

    def names(self, variable: str) -> tuple[str, ...]:
        """The names in a variable that holds several, separated by commas.

        >>> settings = Settings.of({"RMG_ALLOW_HOSTS": "models.example, localhost:8080"})
        >>> settings.names("RMG_ALLOW_HOSTS")
        ('models.example', 'localhost:8080')
        """
        names = (self.variable(variable) or "").split(",")
        return tuple(name.strip() for name in names if name.strip())

    def variable(self, name: str) -> str | None:
        """The value of the variable `name` without blanks around it, or None where it is empty."""
        return self._environment.get(name, "").strip() or None

    def secret(self, name: str) -> str | None:
        """The secret in the variable `name`, or none; asked for at the moment a client is made."""
        return self._environment.get(name) or None


def _cache_dir(env: Mapping[str, str]) -> Path:
    if env.get("RMG_CACHE_DIR"):
        return Path(os.path.expanduser(env["RMG_CACHE_DIR"]))
    base = env.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):  # the XDG rules: a relative path is none
        return Path(base, "rmg")
    home = env.get("HOME") or os.path.expanduser("~")
    return Path(home, ".cache", "rmg") if os.path.isabs(home) else _temporary_cache_dir()


def _temporary_cache_dir() -> Path:
    """A container's user without a home: a folder of their own among the temporary ones."""
    import tempfile

    return Path(tempfile.gettempdir(), f"rmg-{os.getuid() if hasattr(os, 'getuid') else 'cache'}")
