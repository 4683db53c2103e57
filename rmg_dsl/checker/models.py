"""Declared models: their names, their settings, and which one is the default."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from rmg_dsl.checker.scope import Book, File, Scope
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.suggest import likely, listed
from rmg_dsl.syntax import nodes

_UNNAMED = (ModelUse("judge", None, (), True),)

Jurors = tuple[ModelUse, ...]
"""The models that a declared name stands for: one, or the members of a panel."""


@dataclass(eq=False, slots=True)
class ModelTable:
    """The models of each file, checked once."""

    book: Book
    _known: dict[tuple[int, str], Jurors] = field(default_factory=dict)
    _open: list[tuple[int, str]] = field(default_factory=list)
    _declared: dict[int, dict[str, nodes.ModelDecl]] = field(default_factory=dict)

    def declared(self, file: File) -> dict[str, nodes.ModelDecl]:
        """The models of a file, by name."""
        if id(file) not in self._declared:
            self._declared[id(file)] = {
                n: d for n, d in file.declared.items() if isinstance(d, nodes.ModelDecl)
            }
        return self._declared[id(file)]

    def default(self, scope: Scope) -> Jurors:
        """The model named `judge`, or the only one; with none declared, whatever the run is given."""
        declared = self.declared(scope.judging)
        if not declared and scope.judging is not scope.book.root:
            return self.default(replace(scope, file=scope.book.root, home=None))
        for local, target in scope.judging.imported.items():
            found = target.file.find(target.name)
            if (
                found
                and isinstance(found.file.declared[found.name], nodes.ModelDecl)
                and local == "judge"
            ):
                scope.book.use(scope.judging, local)
                return self.model(found.file, found.name, is_default=True) or _UNNAMED
        if not declared:
            return _UNNAMED
        name = (
            "judge" if "judge" in declared else next(iter(declared)) if len(declared) == 1 else ""
        )
        if not name:
            if not scope.judging.incomplete and not scope.judging.has_broken:
                first = list(declared.values())[1]
                help = "name one of them `judge`, or give each grader its `model = …`"
                message = f"{len(declared)} models and none is the default: {scope.owner} does not know whom to ask"
                Scope(scope.book, scope.judging, "").report(
                    "RMG221", message, first.name.span, help=help
                )
            return _UNNAMED
        scope.book.use(scope.judging, name)
        return self.model(scope.judging, name, is_default=True) or _UNNAMED

    def named(self, setting: nodes.SettingLine, scope: Scope) -> Jurors:
        """The model that `model = NAME` means, or the members of the panel."""
        value = setting.value
        if not isinstance(value, nodes.NameNode):
            help = 'declare it first: `model strong = llm("provider/name")`, then `model = strong`'
            scope.report(
                "RMG322",
                f"`{setting.key.id}` is the name of a declared model",
                value.span,
                help=help,
            )
            return _UNNAMED
        return self._meant(value, scope) or _UNNAMED

    def _meant(self, value: nodes.NameNode, scope: Scope) -> Jurors:
        found = scope.file.find(value.id)
        declared = found.file.declared[found.name] if found else None
        if found is None or not isinstance(declared, nodes.ModelDecl):
            if not isinstance(declared, nodes.Broken) and not scope.file.incomplete:
                self._unknown(value, scope, declared is not None)
            return ()
        scope.book.use(scope.file, value.id)
        scope.book.use(found.file, found.name)
        is_default = value.id == "judge" or (
            len(self.declared(scope.file)) == 1 and found.file is scope.file
        )
        return self.model(found.file, found.name, is_default)

    def _unknown(self, value: nodes.NameNode, scope: Scope, other_kind: bool) -> None:
        names = self.declared(scope.file)
        close = likely(value.id, names)
        help = (
            f"did you mean `{close}`?"
            if close
            else f"declared are {listed(names)}"
            if names
            else f'declare it: `model {value.id} = llm("provider/name")`'
        )
        message = (
            f"`{value.id}` is no model"
            if other_kind
            else f"unknown model `{value.id}` in {scope.owner}"
        )
        scope.report(
            "RMG220",
            message,
            value.span,
            help=help,
            fixes=[Fix(value.span, close, f"write `{close}`")] if close else [],
        )

    def model(self, file: File, name: str, is_default: bool = False) -> Jurors:
        """A declared model, checked, or the members of a panel; none where its declaration makes no sense.

        Where the default is a panel, whatever takes its place takes that of each member.
        """
        key = (id(file), name)
        declared = self.declared(file)[name]
        scope = Scope(self.book, file, f"model `{name}`", "setting")
        if key in self._open:
            scope.report(
                "RMG203", f"a cycle: `{name}` sits on a panel of its own", declared.name.span
            )
        elif key not in self._known:
            self._open.append(key)
            self._known[key] = self._check(declared, scope)
            self._open.remove(key)
        return tuple(
            replace(use, is_default=use.is_default or is_default)
            for use in self._known.get(key, ())
        )

    def _check(self, declared: nodes.ModelDecl, scope: Scope) -> Jurors:
        value = declared.value
        function = (
            value.function.id
            if isinstance(value, nodes.CallNode) and isinstance(value.function, nodes.NameNode)
            else ""
        )
        if isinstance(value, nodes.CallNode) and function == "llm":
            return self._llm(declared, value, scope)
        if isinstance(value, nodes.CallNode) and function == "panel":
            return self._panel(value, scope)
        text = value.value if isinstance(value, nodes.TextNode) else ""
        help = f'write `model {declared.name.id} = llm("{text or "provider/name"}")`'
        fixes = [Fix(value.span, f'llm("{text}")', "write llm(…)")] if text else []
        scope.report(
            "RMG318",
            'a model is `llm("provider/name")` or `panel(a, b, c)`',
            value.span,
            help=help,
            fixes=fixes,
        )
        return ()

    def _llm(self, declared: nodes.ModelDecl, call: nodes.CallNode, scope: Scope) -> Jurors:
        first = call.arguments[0] if call.arguments else None
        if first is None or first.label is not None or not isinstance(first.value, nodes.TextNode):
            scope.report(
                "RMG318",
                "`llm` wants the model's name in quotes first",
                (first or call).span,
                help='write `llm("provider/name")`',
            )
            return ()
        settings: dict[str, float | int | bool | str] = {}
        for argument in call.arguments[1:]:
            self._setting(argument, settings, scope)
        self._check_name(first.value, settings, scope)
        return (ModelUse(declared.name.id, first.value.value, tuple(sorted(settings.items()))),)

    def _check_name(
        self, name: nodes.TextNode, settings: dict[str, float | int | bool | str], scope: Scope
    ) -> None:
        provider, slash, model = name.value.partition("/")
        providers = (*scope.book.universe.providers, "local")
        if not slash or not provider or not model:
            help = 'for example "openai/gpt-6-luna", "ollama/qwen3", "local/lexical"'
            scope.report(
                "RMG318",
                f'"{name.value}" does not say the provider: "provider/name"',
                name.span,
                help=help,
            )
        elif provider == "local" and model != "lexical":
            scope.report(
                "RMG318",
                f'there is no embedded judge "{name.value}"',
                name.span,
                help='the embedded one is "local/lexical"',
            )
        elif provider not in providers and "base_url" not in settings:
            close = likely(provider, providers)
            help = (
                f"did you mean `{close}`?"
                if close
                else f"known are {listed(providers, 30)}; any other wants `base_url=…`"
            )
            scope.report("RMG318", f"unknown provider `{provider}`", name.span, help=help)

    def _setting(
        self,
        argument: nodes.ArgumentNode,
        settings: dict[str, float | int | bool | str],
        scope: Scope,
    ) -> None:
        universe = scope.book.universe
        if not isinstance(argument.label, nodes.NameNode):
            scope.report(
                "RMG316",
                "settings of a model have names",
                argument.span,
                help="for example `temperature=0`",
            )
            return
        key = argument.label.id
        if key not in universe.settings:
            close = likely(key, universe.settings)
            help = (
                f"did you mean `{close}`?"
                if close
                else f"settings are {listed(universe.settings, 20)}"
            )
            if "key" in key:
                help = "keys come only from the environment; `api_key_env=` names the variable"
            fixes = (
                [Fix(argument.label.span, close, f"write `{close}`")]
                if close and "key" not in key
                else []
            )
            scope.report(
                "RMG316",
                f"there is no model setting `{key}`",
                argument.label.span,
                help=help,
                fixes=fixes,
            )
            return
        if key in settings:
            scope.report("RMG211", f"`{key}` is given twice", argument.label.span)
        value = _literal(argument.value, scope)
        problem = (
            "a setting is a number, a text, True or False"
            if value is None
            else universe.setting_problem(key, value)
        )
        if problem:
            scope.report(
                "RMG317", f"impossible value for `{key}`", argument.value.span, help=problem
            )
        elif value is not None:
            settings[key] = value

    def _panel(self, call: nodes.CallNode, scope: Scope) -> Jurors:
        found: list[ModelUse] = []
        for argument in call.arguments:
            for use in self._member(argument, scope):
                self._check_twice(use, found, argument, scope)
                found += [] if use in found else [use]
        if len(call.arguments) < 2:
            scope.report(
                "RMG312", "a panel has two judges or more", call.span, help="write `panel(a, b, c)`"
            )
        return tuple(found)

    @staticmethod
    def _check_twice(
        use: ModelUse, before: Iterable[ModelUse], argument: nodes.ArgumentNode, scope: Scope
    ) -> None:
        """Judges that are one and the same would be heard twice, and say the same."""
        help = "several draws of one judge are `samples` of the grader"
        if use in before:
            scope.report(
                "RMG312", f"`{use.label}` sits on this panel twice", argument.span, help=help
            )
            return
        same = next((b for b in before if (b.name, b.settings) == (use.name, use.settings)), None)
        if same is not None:
            message = f"`{same.label}` and `{use.label}` are the same model with the same settings"
            scope.report("RMG327", message, argument.span, help=help)

    def _member(self, argument: nodes.ArgumentNode, scope: Scope) -> Jurors:
        """The model that sits on a panel; of another panel, its members."""
        value = argument.value
        if argument.label is not None or not isinstance(value, nodes.NameNode):
            scope.report("RMG312", "`panel` wants the names of declared models", argument.span)
            return ()
        return self._meant(value, scope)


def _literal(node: nodes.Expr, scope: Scope) -> float | int | bool | str | None:
    """A literal's value, or a param's."""
    match node:
        case nodes.NumberNode(value) | nodes.TextNode(value) | nodes.TruthNode(value):
            return value
        case nodes.SignNode("-", nodes.NumberNode(value)):
            return -value
        case nodes.NameNode(name):
            found = scope.file.find(name)
            declared = found.file.declared[found.name] if found else None
            if not isinstance(declared, nodes.ParamDecl):
                return None
            scope.book.use(scope.file, name)
            return (
                scope.book.universe.params.get(name, declared.value.value)
                if scope.file is scope.book.root
                else declared.value.value
            )
        case _:
            return None
