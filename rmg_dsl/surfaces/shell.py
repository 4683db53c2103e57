"""The part of IPython's shell that the magics use.

IPython is imported only inside functions, so its own classes cannot be named in signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class MatcherRegistry(Protocol):
    """The completer of a shell: the matchers that extensions have added to it."""

    custom_matchers: list[object]


class MagicsManager(Protocol):
    """The magics of a shell: the functions by kind (`line` or `cell`) and name."""

    magics: dict[str, dict[str, object]]


class DisplayHook(Protocol):
    """Shows the result of a cell. `prompt_count` is the number that stands beside the cell."""

    prompt_count: int

    def __call__(self, result: object, /) -> object:
        """Show a result below the cell."""


class History(Protocol):
    """The history of a shell: the texts of the cells as the user wrote them."""

    input_hist_raw: Sequence[str]


class Shell(Protocol):
    """IPython's `InteractiveShell`, of a terminal or of a notebook."""

    user_ns: dict[str, object]
    Completer: MatcherRegistry
    magics_manager: MagicsManager
    displayhook: DisplayHook
    history_manager: History

    def register_magic_function(
        self, func: Callable[..., object], magic_kind: str, magic_name: str
    ) -> None:
        """Add a magic to the shell."""

    def push(self, variables: dict[str, object]) -> None:
        """Set variables of the user."""


def kernel_of(shell: Shell) -> object | None:
    """The kernel that runs the cells of a notebook; None on a terminal."""
    kernel: object | None = getattr(shell, "kernel", None)
    return kernel


def uses_colour(shell: Shell) -> bool:
    """Whether the user has left the colours of the shell on."""
    return str(getattr(shell, "colors", "")).lower() != "nocolor"
