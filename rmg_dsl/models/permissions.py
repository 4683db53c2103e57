"""Which host gets which key. A spec may come from a stranger, so a spec alone never decides it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from rmg_dsl.models.presets import PRESETS, Preset

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port of a URL: what must be equal for two URLs to be the same server.

    >>> str(Origin.of("https://API.openai.com/v1"))
    'https://api.openai.com'
    >>> str(Origin.of("http://localhost:8000/v1"))
    'http://localhost:8000'
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        host = (parts.hostname or "").rstrip(".")
        return cls(scheme, host, parts.port or _DEFAULT_PORTS.get(scheme, 0))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}"

    @property
    def address(self) -> str:
        """The host, with its port where that is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port == _DEFAULT_PORTS.get(self.scheme):
            return host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server runs on this machine.

        >>> Origin.of("http://[::1]:8080/v1").is_loopback, Origin.of("http://10.0.0.1").is_loopback
        (True, False)
        """
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Permissions:
    """The hosts and the variables that the caller allows beyond those of the presets.

    >>> allowed = Permissions.of(["models.example", "localhost:8080"], ["TEAM_KEY"])
    >>> allowed.allows_host(Origin.of("https://models.example/v1"))
    True
    >>> allowed.allows_host(Origin.of("http://localhost:9090/v1"))
    False

    A host without a port stands for all of its ports.
    """

    hosts: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()

    @classmethod
    def of(cls, hosts: Iterable[str], variables: Iterable[str]) -> Permissions:
        return cls(frozenset(map(_normal_host, hosts)), frozenset(variables))

    def allows_host(self, origin: Origin) -> bool:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        return bool(self.hosts & {host, f"{host}:{origin.port}"})


NO_PERMISSIONS = Permissions()


def _normal_host(text: str) -> str:
    """The host of a flag, as it stands in a URL: people also paste a whole URL."""
    parts = urlsplit(text if "://" in text else f"//{text}")
    return parts.netloc.rpartition("@")[2].lower().rstrip(".")


class Destination(NamedTuple):
    """Where the rows and the key of one model go.

    `key_variable` is the variable whose key is sent; None where no key is sent. `withheld_variable`
    is the one whose key is not sent, because only the spec names the host. `problem` says why the
    model must not be asked, and which flag allows it; empty where all is allowed.
    """

    origin: Origin
    key_variable: str | None = None
    withheld_variable: str | None = None
    problem: str = ""


def destination_of(
    url: str,
    *,
    is_url_of_spec: bool,
    preset: Preset,
    preset_url: str | None,
    declared_variable: str | None,
    permissions: Permissions,
    label: str = "",
) -> Destination:
    """Where the rows and the key of a model go, and what the caller has not allowed of it.

    >>> openai = PRESETS["openai"]
    >>> destination_of("http://evil.example/v1", is_url_of_spec=True, preset=openai,
    ...     preset_url=None, declared_variable=None, permissions=Permissions()).key_variable

    `preset_url` is the base URL of the preset as the environment has it. `label` names the model in
    the message.
    """
    origin = Origin.of(url)
    variable = declared_variable or preset.key_variable
    is_home = origin in _home_origins(preset, preset_url, variable)
    is_allowed_host = permissions.allows_host(origin)
    # The key of another preset may go to the server of that preset, or to one of the caller's.
    trusts_variable = _is_of_preset(variable) and (is_home or is_allowed_host)
    is_own_variable = declared_variable is None or variable == preset.key_variable
    flags: list[str] = []
    if not (is_own_variable or trusts_variable or variable in permissions.variables):
        flags.append(f"--allow-env {variable}")
    if is_url_of_spec and not (is_home or is_allowed_host):
        if _is_of_preset(variable):
            flags.clear()
        flags.append(f"--allow-host {origin.address}")
    if not flags:
        return Destination(origin, variable)
    if origin.is_loopback and declared_variable is None:
        # A server on this machine may be asked by any spec, but without a key.
        return Destination(origin, withheld_variable=variable)
    return Destination(origin, None, variable, _problem(label, origin, variable, flags))


def _is_of_preset(variable: str | None) -> bool:
    return variable is not None and any(p.key_variable == variable for p in PRESETS.values())


def _home_origins(preset: Preset, preset_url: str | None, variable: str | None) -> set[Origin]:
    """The servers to which the key in a variable belongs: those of the presets that name it."""
    owners = [owner for owner in PRESETS.values() if owner.key_variable == variable]
    urls = {_server_of(owner) for owner in owners if variable is not None}
    if variable in (None, preset.key_variable):
        urls |= {preset_url, _server_of(preset)}
    return {Origin.of(url) for url in urls if url}


def _server_of(preset: Preset) -> str | None:
    """The base URL that all customers of a preset share."""
    if preset.base_url_is_example:
        return None
    return preset.base_url or None


def _problem(label: str, origin: Origin, variable: str | None, flags: Sequence[str]) -> str:
    content = "the rows"
    if variable is not None:
        content = f"the rows and the key in {variable}"
    model = f"model `{label}`" if label else "the model"
    return (
        f"{model} would send {content} to {origin}, and only the spec says so: if you trust it, "
        f"run with {' '.join(flags)} (in Python {_python_arguments(flags)})"
    )


def _python_arguments(flags: Sequence[str]) -> str:
    """The keyword arguments for flags.

    >>> _python_arguments(["--allow-host models.example"])
    "allow_hosts=['models.example']"
    """
    names = {"--allow-host": "allow_hosts", "--allow-env": "allow_env"}
    parts = [flag.partition(" ") for flag in flags]
    return ", ".join(f"{names[word]}=[{value!r}]" for word, _, value in parts)
