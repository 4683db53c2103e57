"""The IPython extension: magics, help, completion and colours, on and off."""

from __future__ import annotations

from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces import completing, magics
from rmg_dsl.surfaces.shell import Shell, kernel_of, uses_colour

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
    """Add the magics, the completion, the help and the colours to the shell.

    It may be called again: everything is replaced, and nothing is added twice.
    """
    from IPython.core.magic import no_var_expand

    def rmg_help(line: str) -> None:
        _print_help(shell, line)

    rmg_help.__doc__ = _HELP
    magics.register_magics(shell)
    shell.register_magic_function(no_var_expand(rmg_help), "line", "rmg_help")
    completing.register_completer(shell)
    _install_inspect_help(kernel_of(shell))
    _install_lexer(shell)


def unload_extension(shell: Shell) -> None:
    """Remove everything that `load_extension` has added."""
    for kind, names in _MAGICS.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    completing.unregister_completer(shell)
    for owner, name in ((shell, _PROMPT_METHOD), (kernel_of(shell), _INSPECT_METHOD)):
        # Our methods are attributes of the instance; below them are those of its class.
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
    # Outside of the `except`, so that its error is not shown as the context of this one.
    raise without_frames(unknown, colour=uses_colour(shell))


def _install_inspect_help(kernel: object | None) -> None:
    """Answer Shift-Tab in a notebook with the help on a word of our language.

    The kernel still answers for every cell that is not ours.
    """
    original = getattr(type(kernel), _INSPECT_METHOD, None)
    if original is None:
        return

    def inspect(code: str, cursor_pos: int, *arguments: object, **options: object) -> object:
        text = completing.help_in_cell(code, cursor_pos)
        if text is None:
            reply: object = original(kernel, code, cursor_pos, *arguments, **options)
            return reply
        return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}

    setattr(kernel, _INSPECT_METHOD, inspect)


def _install_lexer(shell: Shell) -> None:
    """Colour our cells on a terminal, beside the cells for which IPython has lexers itself."""
    original = getattr(type(shell), _PROMPT_METHOD, None)
    if original is None:
        return
    from prompt_toolkit.lexers import PygmentsLexer

    from rmg_dsl.integrations.pygments_lexer import RmgLexer

    def prompt_options() -> dict[str, object]:
        options: dict[str, object] = original(shell)
        # IPython has no public way to add a lexer. A version that keeps its lexers elsewhere
        # colours our cells as Python.
        magic_lexers = getattr(options.get("lexer"), "magic_lexers", None)
        if isinstance(magic_lexers, dict):
            magic_lexers.update(dict.fromkeys(("grade", "rmg"), lexer))
        return options

    lexer = PygmentsLexer(RmgLexer)
    setattr(shell, _PROMPT_METHOD, prompt_options)
