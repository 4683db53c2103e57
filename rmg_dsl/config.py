"""Settings from the environment. No other module reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rmg_dsl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the environment, read once per call and passed on.

    A secret is looked up by name at its use, and never stored in a field.

    >>> Settings.of({"RMG_MODEL": "openai/gpt-6-luna"}).model
    'openai/gpt-6-luna'
    """

    model: str | None = None
    cache_dir: Path = Path()
    colour: bool = True
    _environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from a mapping; without one, from the environment of the process."""
        env = os.environ if environment is None else environment
        return cls(
            model=env.get("RMG_MODEL", "").strip() or None,
            cache_dir=_cache_dir(env),
            # https://no-color.org: any text that is not empty turns the colours off.
            colour=not env.get("NO_COLOR"),
            _environment=env,
        )

    @property
    def concurrency(self) -> int | None:
        """The most calls in flight at once; None where the variable is not set.

        Raises UsageError where the value is no whole number from 1.
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
        """The secret in the variable `name`, or None; read at the moment when a client is made."""
        return self._environment.get(name) or None


def _cache_dir(env: Mapping[str, str]) -> Path:
    if env.get("RMG_CACHE_DIR"):
        return Path(os.path.expanduser(env["RMG_CACHE_DIR"]))
    base = env.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):  # the XDG rules: a relative path is none
        return Path(base, "rmg")
    home = env.get("HOME") or os.path.expanduser("~")
    # `expanduser` leaves `~` as it is for a user without a home.
    if not os.path.isabs(home):
        return _temporary_cache_dir()
    return Path(home, ".cache", "rmg")


def _temporary_cache_dir() -> Path:
    """A temporary folder for a user without a home, as in many containers."""
    import tempfile

    # The temporary folder is shared: each user needs a name of their own. Windows has no user ids.
    suffix = str(os.getuid()) if hasattr(os, "getuid") else "cache"
    return Path(tempfile.gettempdir(), f"rmg-{suffix}")
