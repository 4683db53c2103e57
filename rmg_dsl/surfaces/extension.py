"""The IPython extension: magics, help, completion and colours, on and off."""

from __future__ import annotations

from typing import Any

from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces import completing, magics

Shell = Any  # as in magics.py
_MAGICS = {"cell": ("grade", "rmg"), "line": ("grade", "rmg_help")}
_PROMPT_METHOD = "_extra_prompt_options"
_INSPECT_METHOD = "do_inspect"

_HELP = """Explain a word of the language: a declaration, a key, a function, a standard grader,
a model setting or a status.

    %rmg_help weighted
    %rmg_help std.relevance
    %rmg_help RMG401                       the long text of a diagnostic

Without a name it lists what there is.
"""


def load_extension(shell: Shell) -> None:
    """Give the shell all that we have for it; loading twice is loading once."""
    from IPython.core.magic import no_var_expand

    def rmg_help(line: str) -> None:
        _print_help(shell, line)

    rmg_help.__doc__ = _HELP
    magics.register_magics(shell)
    shell.register_magic_function(no_var_expand(rmg_help), "line", "rmg_help")
    completing.register_completer(shell)
    _install_inspect_help(getattr(shell, "kernel", None))
    _install_lexer(shell)


def unload_extension(shell: Shell) -> None:
    """Leave the shell as it was before."""
    for kind, names in _MAGICS.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    completing.unregister_completer(shell)
    for owner, name in ((shell, _PROMPT_METHOD), (getattr(shell, "kernel", None), _INSPECT_METHOD)):
        getattr(owner, "__dict__", {}).pop(name, None)


def _print_help(shell: Shell, line: str) -> None:
    from rmg_dsl.api.sources import universe
    from rmg_dsl.editing import help_on
    from rmg_dsl.surfaces.notebook import without_frames
    from rmg_dsl.surfaces.terminal import write_stdout

    try:
        write_stdout(help_on(line, universe()))
        return
    except UsageError as error:
        unknown = error
    raise without_frames(unknown, colour=str(getattr(shell, "colors", "")).lower() != "nocolor")


def _install_inspect_help(kernel: Any) -> None:
    """In a notebook: Shift-Tab on a word of one of our cells.

    The kernel's own answer stands for all other cells.
    """
    own = getattr(type(kernel), _INSPECT_METHOD, None)
    if own is None:
        return

    def inspect(code: str, cursor_pos: int, *more: Any, **named: Any) -> Any:
        text = completing.help_in_cell(code, cursor_pos)
        if text is None:
            return own(kernel, code, cursor_pos, *more, **named)
        return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}

    setattr(kernel, _INSPECT_METHOD, inspect)


def _install_lexer(shell: Shell) -> None:
    """On a terminal: our lexer for our cells, beside those that IPython has for its own."""
    own = getattr(type(shell), _PROMPT_METHOD, None)
    if own is None:
        return
    from prompt_toolkit.lexers import PygmentsLexer

    from rmg_dsl.integrations.pygments_lexer import RmgLexer

    def options() -> dict[str, Any]:
        found: dict[str, Any] = own(shell)
        # IPython offers no other way in; where it keeps its lexers elsewhere, cells look like
        # Python.
        known = getattr(found.get("lexer"), "magic_lexers", None)
        if isinstance(known, dict):
            known.update(dict.fromkeys(("grade", "rmg"), lexer))
        return found

    lexer = PygmentsLexer(RmgLexer)
    setattr(shell, _PROMPT_METHOD, options)
