"""Declared models: their names, their settings, and which one is the default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from rmg_dsl.checker.scope import (
    CheckState,
    LiteralValue,
    QualifiedName,
    Scope,
    SpecFile,
    suggest_fix,
)
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes

_KEY_HELP = "keys come only from the environment; `api_key_env=` names the variable"
_RUN_DEFAULT = (ModelUse("judge", None, (), True),)

PanelMembers = tuple[ModelUse, ...]
"""The models of a declared name: one, or the members of a panel."""


@dataclass(eq=False, slots=True)
class ModelTable:
    """The models of each file, checked once."""

    state: CheckState
    _members_by_model: dict[tuple[int, str], PanelMembers] = field(default_factory=dict)
    _model_stack: list[tuple[int, str]] = field(default_factory=list)
    _models_by_file: dict[int, dict[str, nodes.ModelDecl]] = field(default_factory=dict)

    def declared_models(self, file: SpecFile) -> dict[str, nodes.ModelDecl]:
        """The models of a file, by name."""
        if id(file) not in self._models_by_file:
            self._models_by_file[id(file)] = {
                n: d for n, d in file.declarations.items() if isinstance(d, nodes.ModelDecl)
            }
        return self._models_by_file[id(file)]

    def default_model(self, scope: Scope) -> PanelMembers:
        """The model named `judge`, or the only one; without a declaration, the model of the run."""
        file = scope.default_model_file
        declared = self.declared_models(file)
        if not declared and file is not scope.state.root:
            return self.default_model(replace(scope, file=scope.state.root, calling_file=None))
        imported = self._imported_judge(file)
        if imported is not None:
            scope.state.mark_used(file, "judge")
            return self.resolve_model(*imported, is_default=True) or _RUN_DEFAULT
        if not declared:
            return _RUN_DEFAULT
        if "judge" in declared:
            name = "judge"
        elif len(declared) == 1:
            name = next(iter(declared))
        else:
            self._report_no_default(declared, scope)
            return _RUN_DEFAULT
        scope.state.mark_used(file, name)
        return self.resolve_model(file, name, is_default=True) or _RUN_DEFAULT

    @staticmethod
    def _imported_judge(file: SpecFile) -> QualifiedName | None:
        """The model that a file imports as `judge`, if it does."""
        if "judge" not in file.imports:
            return None
        target = file.find("judge")
        if target is None:
            return None
        if not isinstance(target.declaration, nodes.ModelDecl):
            return None
        return target

    @staticmethod
    def _report_no_default(declared: Mapping[str, nodes.ModelDecl], scope: Scope) -> None:
        file = scope.default_model_file
        # The part that could not be parsed may be the model `judge`.
        if file.is_incomplete or file.has_broken:
            return
        second = list(declared.values())[1]
        help = "name one of them `judge`, or give each grader its `model = …`"
        message = (
            f"{len(declared)} models and none is the default: "
            f"{scope.owner} does not know whom to ask"
        )
        Scope(scope.state, file, "").report("RMG221", message, second.name.span, help=help)

    def resolve_setting(self, setting: nodes.SettingLine, scope: Scope) -> PanelMembers:
        """The model of `model = NAME`, or the members of the panel."""
        value = setting.value
        if not isinstance(value, nodes.NameNode):
            help = 'declare it first: `model strong = llm("provider/name")`, then `model = strong`'
            scope.report(
                "RMG322",
                f"`{setting.key.id}` is the name of a declared model",
                value.span,
                help=help,
            )
            return _RUN_DEFAULT
        return self._resolve_model_name(value, scope) or _RUN_DEFAULT

    def _resolve_model_name(self, value: nodes.NameNode, scope: Scope) -> PanelMembers:
        target = scope.file.find(value.id)
        declared = target.declaration if target else None
        if target is None or not isinstance(declared, nodes.ModelDecl):
            if not isinstance(declared, nodes.Broken) and not scope.file.is_incomplete:
                self._report_unknown_model(value, scope, declared is not None)
            return ()
        scope.state.mark_used(scope.file, value.id)
        scope.state.mark_used(target.file, target.name)
        is_default = value.id == "judge" or (
            len(self.declared_models(scope.file)) == 1 and target.file is scope.file
        )
        return self.resolve_model(target.file, target.name, is_default)

    def _report_unknown_model(self, value: nodes.NameNode, scope: Scope, other_kind: bool) -> None:
        names = self.declared_models(scope.file)
        otherwise = f'declare it: `model {value.id} = llm("provider/name")`'
        if names:
            otherwise = f"declared are {format_names(names)}"
        help, fixes = suggest_fix(value, names, otherwise)
        message = f"unknown model `{value.id}` in {scope.owner}"
        if other_kind:
            message = f"`{value.id}` is no model"
        scope.report("RMG220", message, value.span, help=help, fixes=fixes)

    def resolve_model(self, file: SpecFile, name: str, is_default: bool = False) -> PanelMembers:
        """A declared model, checked, or the members of a panel; empty if the declaration is wrong.

        If the default is a panel, a model of the run that replaces it replaces each member.
        """
        key = (id(file), name)
        declared = self.declared_models(file)[name]
        scope = Scope(self.state, file, f"model `{name}`", "setting")
        if key in self._model_stack:
            scope.report(
                "RMG203", f"a cycle: `{name}` sits on a panel of its own", declared.name.span
            )
        elif key not in self._members_by_model:
            self._model_stack.append(key)
            self._members_by_model[key] = self._check_declaration(declared, scope)
            self._model_stack.remove(key)
        return tuple(
            replace(use, is_default=use.is_default or is_default)
            for use in self._members_by_model.get(key, ())
        )

    def _check_declaration(self, declared: nodes.ModelDecl, scope: Scope) -> PanelMembers:
        value = declared.value
        match value:
            case nodes.CallNode(nodes.NameNode("llm")):
                return self._check_llm(declared, value, scope)
            case nodes.CallNode(nodes.NameNode("panel")):
                return self._check_panel(value, scope)
        name, fixes = "provider/name", []
        if isinstance(value, nodes.TextNode) and value.value:
            name = value.value
            fixes = [Fix(value.span, f'llm("{name}")', "write llm(…)")]
        help = f'write `model {declared.name.id} = llm("{name}")`'
        scope.report(
            "RMG318",
            'a model is `llm("provider/name")` or `panel(a, b, c)`',
            value.span,
            help=help,
            fixes=fixes,
        )
        return ()

    def _check_llm(
        self, declared: nodes.ModelDecl, call: nodes.CallNode, scope: Scope
    ) -> PanelMembers:
        first = call.arguments[0] if call.arguments else None
        if first is None or first.label is not None or not isinstance(first.value, nodes.TextNode):
            scope.report(
                "RMG318",
                "`llm` wants the model's name in quotes first",
                (first or call).span,
                help='write `llm("provider/name")`',
            )
            return ()
        settings: dict[str, LiteralValue] = {}
        for argument in call.arguments[1:]:
            self._check_setting(argument, settings, scope)
        self._check_model_name(first.value, settings, scope)
        return (ModelUse(declared.name.id, first.value.value, tuple(sorted(settings.items()))),)

    def _check_model_name(
        self, name: nodes.TextNode, settings: dict[str, LiteralValue], scope: Scope
    ) -> None:
        provider, slash, model = name.value.partition("/")
        providers = (*scope.state.universe.providers, "local")
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
            help = f"known are {format_names(providers, 30)}; any other wants `base_url=…`"
            close = suggest_name(provider, providers)
            if close:
                help = f"did you mean `{close}`?"
            scope.report("RMG318", f"unknown provider `{provider}`", name.span, help=help)

    def _check_setting(
        self,
        argument: nodes.ArgumentNode,
        settings: dict[str, LiteralValue],
        scope: Scope,
    ) -> None:
        universe = scope.state.universe
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
            otherwise = f"settings are {format_names(universe.settings, 20)}"
            help, fixes = suggest_fix(argument.label, universe.settings, otherwise)
            if "key" in key:
                # Never fix `api_key="…"` to a setting that takes a name: the text may be a secret.
                help, fixes = _KEY_HELP, []
            scope.report(
                "RMG316",
                f"there is no model setting `{key}`",
                argument.label.span,
                help=help,
                fixes=fixes,
            )
            return
        # The last one would win silently, so the first must go.
        if key in settings:
            scope.report("RMG211", f"`{key}` is given twice", argument.label.span)
        value = _literal_value(argument.value, scope)
        problem: str | None = "a setting is a number, a text, True or False"
        if value is not None:
            problem = universe.setting_problem(key, value)
        if problem:
            message = f"impossible value for `{key}`"
            scope.report("RMG317", message, argument.value.span, help=problem)
        elif value is not None:
            settings[key] = value

    def _check_panel(self, call: nodes.CallNode, scope: Scope) -> PanelMembers:
        members: list[ModelUse] = []
        for argument in call.arguments:
            for use in self._check_member(argument, scope):
                self._check_duplicate_member(use, members, argument, scope)
                if use not in members:
                    members.append(use)
        # A panel of one is that model, and its name can be used instead.
        if len(call.arguments) < 2:
            scope.report(
                "RMG312", "a panel has two judges or more", call.span, help="write `panel(a, b, c)`"
            )
        return tuple(members)

    @staticmethod
    def _check_duplicate_member(
        use: ModelUse, before: Iterable[ModelUse], argument: nodes.ArgumentNode, scope: Scope
    ) -> None:
        """Report a judge that stands twice on a panel: its vote would count twice."""
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

    def _check_member(self, argument: nodes.ArgumentNode, scope: Scope) -> PanelMembers:
        """The model of one argument of `panel`; for another panel, its members."""
        value = argument.value
        if argument.label is not None or not isinstance(value, nodes.NameNode):
            scope.report("RMG312", "`panel` wants the names of declared models", argument.span)
            return ()
        return self._resolve_model_name(value, scope)


def _literal_value(node: nodes.Expr, scope: Scope) -> LiteralValue | None:
    """The value of a literal or of a param; None for anything else."""
    match node:
        case nodes.NumberNode(value) | nodes.TextNode(value) | nodes.TruthNode(value):
            return value
        case nodes.SignNode("-", nodes.NumberNode(value)):
            return -value
        case nodes.NameNode(name):
            target = scope.file.find(name)
            declared = target.declaration if target else None
            if not isinstance(declared, nodes.ParamDecl):
                return None
            scope.state.mark_used(scope.file, name)
            # The caller of a run sets params of the root file only.
            if scope.file is not scope.state.root:
                return declared.value.value
            return scope.state.universe.params.get(name, declared.value.value)
        case _:
            return None
