"""Resolve graders and aggregates to ways of scoring, under the bindings of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from rmg_dsl.checker.calls import check_function_call
from rmg_dsl.checker.expressions import ExpressionChecker, find_library_grader
from rmg_dsl.checker.judging import JudgingChecker, default_pool, pooled_type
from rmg_dsl.checker.keys import (
    check_plain_value,
    check_settings,
    integer_setting,
    is_fully_read,
)
from rmg_dsl.checker.lost_answers import warn_lost_answers
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.pairwise import SHARE, ComparisonChecker
from rmg_dsl.checker.prompts import (
    CheckedTemplate,
    check_system_prefix,
    check_template,
    merge_templates,
    report_unquoted_text,
)
from rmg_dsl.checker.rubrics import check_rubric, check_rubric_source
from rmg_dsl.checker.scale_nodes import scale_of, scale_problems
from rmg_dsl.checker.scope import (
    Bindings,
    CheckState,
    QualifiedName,
    ResolvedGrader,
    Scope,
    SpecFile,
    TypedTerm,
)
from rmg_dsl.diagnostics import Fix, Span
from rmg_dsl.ir import expr
from rmg_dsl.ir.scoring import (
    ExpressionScoring,
    JudgeScoring,
    PairwiseScoring,
    PythonScoring,
    RankingScoring,
    Scoring,
)
from rmg_dsl.ir.types import Type, type_of_scale
from rmg_dsl.scales import Scale
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.declarations import keys_of

ScoringDecl = nodes.GraderDecl | nodes.AggregateDecl | nodes.PairwiseDecl | nodes.RankingDecl


# How many graders may stand on each other: more would exhaust Python's stack.
MAX_DEPTH = 50


@dataclass(eq=False, slots=True)
class GraderResolver:
    """Resolves graders by name, each once for each set of bindings; notices the ones that need
    themselves.
    """

    state: CheckState
    models: ModelTable
    expressions: ExpressionChecker = field(init=False)
    _memo: dict[tuple[int, str, Bindings, int], ResolvedGrader | None] = field(default_factory=dict)
    _grader_stack: list[QualifiedName] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.expressions = ExpressionChecker(
            self._resolve_grader_name, self._resolve_call, check_function_call
        )

    # ── by name ──

    def resolve(
        self, target: QualifiedName, bound: Bindings = (), home: SpecFile | None = None
    ) -> ResolvedGrader | None:
        """Resolve a declared grader or aggregate under bindings; None if it has an error.

        `home` is the file that uses a grader of the standard library; its default model counts.
        """
        declared = target.declaration
        if not isinstance(
            declared,
            nodes.GraderDecl | nodes.AggregateDecl | nodes.PairwiseDecl | nodes.RankingDecl,
        ):
            return None
        # Only graders of the library use the default model of their caller, so only they are
        # resolved once for each calling file.
        home = home if target.file.is_library else None
        key = (id(target.file), target.name, bound, id(home))
        if key not in self._memo:
            # The grader is being resolved further up, so it needs itself.
            if any(f.file is target.file and f.name == target.name for f in self._grader_stack):
                self._report_cycle(target)
                return None
            if len(self._grader_stack) >= MAX_DEPTH:
                report_depth(declared, self.state, target.file)
                return None
            self._grader_stack.append(target)
            self._memo[key] = self._resolve_declaration(declared, target, bound, home)
            self._grader_stack.pop()
        return self._memo[key]

    def _report_cycle(self, target: QualifiedName) -> None:
        names = [f.name for f in self._grader_stack]
        loop = [*names[names.index(target.name) :], target.name]
        # Start the cycle at the declaration that comes first in the file: the report is then the
        # same from whichever of them the check began.
        first = min(
            loop[:-1],
            key=lambda n: (
                target.file.declarations[n].span.start if n in target.file.declarations else 0
            ),
        )
        at = loop.index(first)
        shown = " → ".join(f"`{n}`" for n in [*loop[at:-1], *loop[:at], first])
        declared = target.file.declarations.get(first) or target.declaration
        assert not isinstance(declared, nodes.Broken)
        scope = Scope(self.state, target.file, "")
        scope.report(
            "RMG203",
            f"a cycle: {shown}",
            declared.name.span,
            help="one of them must do without the next",
        )

    def _resolve_grader_name(self, target: QualifiedName, scope: Scope) -> ResolvedGrader | None:
        """Resolve a name in an expression, with the bindings of the caller."""
        graded = self.resolve(target, scope.bindings, scope.default_model_file)
        # Whatever the grader reads, a call of the outer grader can rebind as well.
        if graded:
            scope.rebindable_names.update(graded.names)
        return graded

    def _resolve_call(
        self, node: nodes.CallNode, target: QualifiedName, scope: Scope
    ) -> ResolvedGrader | None:
        """Resolve a call such as `relevance(response = baseline)`, which rebinds fields or
        params.
        """
        # Resolve it without bindings first, to know which names it reads.
        plain = self.resolve(target, (), scope.default_model_file)
        if plain is None:
            return None
        rebound = dict(scope.bindings)
        for argument in node.arguments:
            label = argument.label
            if not isinstance(label, nodes.NameNode):
                help = f"write `{target.name}(FIELD = {scope.source_text(argument.value)})`"
                scope.report(
                    "RMG312",
                    f"`{target.name}` is a grader: its fields are rebound by name",
                    argument.span,
                    help=help,
                )
            elif label.id not in plain.names:
                self._report_unknown_field(label, target.name, plain, scope)
            else:
                rebound[label.id] = self._check_rebinding(label, argument.value, scope)
        graded = self.resolve(
            target,
            # Sorted, so that the same bindings in another order are the same grader.
            tuple(sorted(rebound.items(), key=lambda pair: pair[0])),
            scope.default_model_file,
        )
        if graded:
            scope.rebindable_names.update(
                graded.names
                - {a.label.id for a in node.arguments if isinstance(a.label, nodes.NameNode)}
            )
        return graded

    def _check_rebinding(self, label: nodes.NameNode, value: nodes.Expr, scope: Scope) -> TypedTerm:
        typed = self.expressions.check(value, scope)
        # A judge must not see the scores of other judges: they would influence its verdict.
        if any(True for _ in expr.scorings_in(typed.term)):
            help = "a prompt never sees scores; an aggregate puts them together"
            scope.report(
                "RMG405",
                f"`{scope.source_text(value)}` is a score, and `{label.id}` is a field",
                value.span,
                help=help,
            )
        return typed

    def _report_unknown_field(
        self, label: nodes.NameNode, name: str, plain: ResolvedGrader, scope: Scope
    ) -> None:
        close = suggest_name(label.id, plain.names)
        fixes = [Fix(label.span, close, f"write `{close}`")] if close else []
        help = (
            f"did you mean `{close}`?"
            if close
            else f"it reads {format_names(plain.names) or 'no field'}"
        )
        scope.report(
            "RMG312", f"`{name}` reads no field `{label.id}`", label.span, help=help, fixes=fixes
        )

    # ── one declaration ──

    def _resolve_declaration(
        self, declared: ScoringDecl, target: QualifiedName, bound: Bindings, home: SpecFile | None
    ) -> ResolvedGrader | None:
        kind = nodes.keyword_of(declared)
        scope = Scope(
            self.state,
            target.file,
            f"{kind} `{declared.name.id}`",
            bindings=bound,
            calling_file=home,
        )
        match declared:
            case nodes.GraderDecl():
                return self._check_grader(declared, scope)
            case nodes.AggregateDecl():
                return self._check_aggregate(declared, scope)
            case nodes.PairwiseDecl():
                compared = self._comparison_checker().check_pairwise(declared, scope)
                return self._register_scoring(compared, SHARE, scope) if compared else None
            case nodes.RankingDecl():
                ranked = self._comparison_checker().check_ranking(declared, scope)
                return self._register_scoring(*ranked, scope) if ranked else None

    def _comparison_checker(self) -> ComparisonChecker:
        return ComparisonChecker(
            self.state, self.models, self.expressions, self._find_grader_reference
        )

    def _register_scoring(
        self, scoring: Scoring, kind: Type, scope: Scope, passing: nodes.SettingLine | None = None
    ) -> ResolvedGrader:
        condition = self._passing_condition(passing, kind, scope) if passing else None
        return ResolvedGrader(
            self.state.scoring_number(scoring), kind, condition, frozenset(scope.rebindable_names)
        )

    def _passing_condition(self, setting: nodes.SettingLine, kind: Type, scope: Scope) -> expr.Term:
        # `score` in `pass` means the score of this grader, even if a column has that name.
        inner = replace(scope, local_names={"score": TypedTerm(expr.OwnScore(), kind)})
        return self.expressions.check_condition(setting.value, inner).term

    def _check_aggregate(
        self, declared: nodes.AggregateDecl, scope: Scope
    ) -> ResolvedGrader | None:
        if not isinstance(declared.body, nodes.Block):
            return self._check_aggregate_score(declared.body, scope)
        settings = check_settings(declared.body, "aggregate", scope)
        for key, setting in settings.items():
            check_plain_value(setting, keys_of("aggregate")[key], scope)
        if "score" not in settings:
            return None
        missing = settings["missing"].value if "missing" in settings else None
        drop = isinstance(missing, nodes.NameNode) and missing.id == "drop"
        return self._check_aggregate_score(
            settings["score"].value, replace(scope, drops_missing=drop), settings.get("pass")
        )

    def _check_aggregate_score(
        self, value: nodes.Expr, scope: Scope, passing: nodes.SettingLine | None = None
    ) -> ResolvedGrader:
        # A misspelt grader would otherwise be a column, and the aggregate a copy of it.
        if isinstance(value, nodes.NameNode):
            self.expressions.check_score_name(value, scope, scope.owner)
        typed = self.expressions.check(value, scope)
        if typed.type.kind in ("text", "list", "none"):
            help = (
                'prompts belong to graders: `grader NAME -> 1..5 = "…"`'
                if isinstance(value, nodes.TextNode)
                else ""
            )
            self.expressions.report_wrong_type(
                "RMG302",
                value,
                typed.type,
                "an aggregate is a number, a bool or a label",
                scope,
                help,
            )
        return self._register_scoring(ExpressionScoring(typed.term), typed.type, scope, passing)

    # ── graders ──

    def _check_grader(self, declared: nodes.GraderDecl, scope: Scope) -> ResolvedGrader | None:
        scale = None
        if declared.scale is not None:
            self.state.diagnostics += scale_problems(declared.scale, scope.file.source)
            # A reversed scale is reported above; go on with what its author surely means.
            scale = scale_of(declared.scale).low_to_high()
        if isinstance(declared.body, nodes.Block):
            return self._check_grader_block(declared, declared.body, scale, scope)
        return self._check_grader_value(declared.body, declared, scale, scope)

    def _check_grader_value(
        self, value: nodes.Expr, declared: nodes.GraderDecl, scale: Scale | None, scope: Scope
    ) -> ResolvedGrader | None:
        """A grader of one value: a prompt, another grader, Python, or an expression."""
        if isinstance(value, nodes.TextNode):
            return self._check_judge_grader(declared, {}, {"prompt": value}, None, scale, scope)
        called = self._find_grader_reference(value, scope)
        if called is not None:
            graded, _ = called
            return self._check_alias_scale(graded, value, scale, scope)
        if is_python_call(value):
            return self._check_python_grader(value, declared, scale, scope)
        typed = self.expressions.check(value, scope)
        return self._check_expression_grader(typed, value, declared, scale, scope)

    def _find_grader_reference(
        self, value: nodes.Expr, scope: Scope
    ) -> tuple[ResolvedGrader | None, QualifiedName] | None:
        """The grader that an expression consists of; None for any other expression."""
        target = value.function if isinstance(value, nodes.CallNode) else value
        qualified: QualifiedName | None = None
        if isinstance(target, nodes.NameNode) and target.id not in dict(scope.bindings):
            is_function = (
                isinstance(value, nodes.CallNode) and target.id in self.state.universe.functions
            )
            # A call of a name that is also a function means the function.
            qualified = None if is_function else scope.file.find(target.id)
        elif (
            isinstance(target, nodes.AttributeNode)
            and isinstance(target.base, nodes.NameNode)
            and target.base.id == "std"
        ):
            qualified = find_library_grader(target, scope)
            if qualified is None:
                # It names a standard grader that does not exist, which is reported: it is no
                # expression.
                return None, QualifiedName(scope.file, "")
        if qualified is None or not isinstance(qualified.declaration, ScoringDecl | nodes.Broken):
            return None
        if isinstance(target, nodes.NameNode):
            self.state.mark_used(scope.file, target.id)
        # Both names are used: the local one and, of an import, the original.
        self.state.mark_used(qualified.file, qualified.name)
        graded = (
            self._resolve_call(value, qualified, scope)
            if isinstance(value, nodes.CallNode)
            else self._resolve_grader_name(qualified, scope)
        )
        return graded, qualified

    def _check_alias_scale(
        self, graded: ResolvedGrader | None, value: nodes.Expr, scale: Scale | None, scope: Scope
    ) -> ResolvedGrader | None:
        if graded is None:
            return None
        if scale is not None and graded.type.scale is not None and scale != graded.type.scale:
            help = "leave the scale out: it comes with the grader"
            scope.report(
                "RMG310",
                f"`{scope.source_text(value)}` scores on {graded.type.scale}, not on {scale}",
                value.span,
                help=help,
            )
        return graded

    def _check_expression_grader(
        self,
        typed: TypedTerm,
        value: nodes.Expr,
        declared: nodes.GraderDecl,
        scale: Scale | None,
        scope: Scope,
        passing: nodes.SettingLine | None = None,
    ) -> ResolvedGrader:
        kind = typed.type
        if scale is None and kind.kind in ("text", "list", "none"):
            help = (
                'give it a scale of labels, `-> "a" | "b"`, or compare it'
                if kind.kind == "text"
                else ""
            )
            self.expressions.report_wrong_type(
                "RMG302", value, kind, "a grader scores by a number, a bool or a label", scope, help
            )
        if scale is not None:
            self._check_code_scale(kind, value, declared, scale, scope)
            kind = type_of_scale(scale)
        warn_lost_answers(self.expressions, typed.term, value, scope)
        return self._register_scoring(ExpressionScoring(typed.term, scale), kind, scope, passing)

    def _check_code_scale(
        self, kind: Type, value: nodes.Expr, declared: nodes.GraderDecl, scale: Scale, scope: Scope
    ) -> None:
        assert declared.scale is not None
        if scale.has_criteria:
            scope.report(
                "RMG310",
                "`points` are given by a judge, criterion by criterion",
                declared.scale.span,
                help="leave the scale out",
            )
        elif not scale.holds(kind.kind, kind.low, kind.high):
            scope.report(
                "RMG310",
                f"`{scope.source_text(value)}` is {kind}, which does not fit {scale}",
                value.span,
            )

    def _check_python_grader(
        self,
        value: nodes.CallNode,
        declared: nodes.GraderDecl,
        scale: Scale | None,
        scope: Scope,
        timeout: int | None = None,
    ) -> ResolvedGrader | None:
        first = (
            value.arguments[0].value
            if value.arguments and value.arguments[0].label is None
            else None
        )
        if not isinstance(first, nodes.TextNode) or ":" not in first.value:
            help = 'write `python("package.module:function", text = response)`'
            scope.report(
                "RMG312", "`python` wants the function's place first", value.span, help=help
            )
            return None
        arguments: list[tuple[str, expr.Term]] = []
        for argument in value.arguments[1:]:
            if not isinstance(argument.label, nodes.NameNode):
                help = "write `name = value`"
                scope.report("RMG312", "arguments of `python` have names", argument.span, help=help)
                return None
            arguments.append(
                (argument.label.id, self.expressions.check(argument.value, scope).term)
            )
        if scale is None:
            self._report_missing_scale(declared, scope, "a Python function")
            return None
        return self._register_scoring(
            PythonScoring(first.value, tuple(arguments), scale, timeout),
            type_of_scale(scale),
            scope,
        )

    @staticmethod
    def _report_missing_scale(declared: nodes.GraderDecl, scope: Scope, what: str) -> None:
        at = declared.name.span
        help = f"write `grader {declared.name.id} -> 1..5`, or bool, 0.0..1.0, labels"
        scope.report(
            "RMG309",
            f"{what} needs a scale",
            at,
            help=help,
            fixes=[Fix(Span(at.end, at.end), " -> 1..5", "score on 1..5")],
        )

    # ── blocks ──

    def _check_grader_block(
        self, declared: nodes.GraderDecl, block: nodes.Block, scale: Scale | None, scope: Scope
    ) -> ResolvedGrader | None:
        settings = check_settings(block, "grader", scope)
        for name, setting in settings.items():
            check_plain_value(setting, keys_of("grader")[name], scope)
        _check_timeout(settings, scope)
        if "score" in settings and "prompt" in settings:
            called = self._find_grader_reference(settings["score"].value, scope)
            if called is None:
                scope.report(
                    "RMG115",
                    "a grader has a prompt or a score, not both",
                    settings["score"].key.span,
                    help="code goes into a grader of its own; an aggregate puts them together",
                )
                return None
        if "score" in settings:
            return self._check_score_block(declared, block, settings, scale, scope)
        if "prompt" not in settings:
            if is_fully_read(block, "grader"):
                at = declared.name.span
                scope.report(
                    "RMG212",
                    f"{scope.owner} needs a `prompt` or a `score`",
                    at,
                    help="add the line to its block",
                )
            return None
        prompt = settings["prompt"].value
        if not isinstance(prompt, nodes.TextNode):
            report_unquoted_text(settings["prompt"], scope)
            return None
        return self._check_judge_grader(
            declared, settings, self._template_texts(settings, scope), block.rubric, scale, scope
        )

    def _template_texts(
        self, settings: Mapping[str, nodes.SettingLine], scope: Scope
    ) -> dict[str, nodes.TextNode]:
        texts: dict[str, nodes.TextNode] = {}
        for key in ("prompt", "system"):
            if key in settings:
                value = settings[key].value
                if isinstance(value, nodes.TextNode):
                    texts[key] = value
                else:
                    report_unquoted_text(settings[key], scope)
        return texts

    def _check_score_block(
        self,
        declared: nodes.GraderDecl,
        block: nodes.Block,
        settings: Mapping[str, nodes.SettingLine],
        scale: Scale | None,
        scope: Scope,
    ) -> ResolvedGrader | None:
        value = settings["score"].value
        called = self._find_grader_reference(value, scope)
        if called is not None:
            graded = self._check_alias_scale(called[0], value, scale, scope)
            return self._override_grader(graded, block, settings, scope) if graded else None
        judge_keys = (key.name for key in keys_of("grader").values() if key.asks_judge)
        judging = next((settings[name] for name in judge_keys if name in settings), None)
        if judging is not None:
            message = f"`{judging.key.id}` is for graders that ask a judge, and this score is code"
            scope.report(
                "RMG210", message, judging.key.span, help="remove the line, or write a prompt"
            )
        if block.rubric is not None:
            scope.report(
                "RMG210",
                "a rubric is for graders that ask a judge, and this score is code",
                block.rubric.span,
            )
        if isinstance(value, nodes.TextNode):
            scope.report(
                "RMG302", "a score is no text", value.span, help="a prompt stands after `prompt =`"
            )
            return None
        if is_python_call(value):
            seconds = integer_setting(settings.get("timeout"))
            return self._check_python_grader(value, declared, scale, scope, seconds)
        checked = self.expressions.check(value, scope)
        return self._check_expression_grader(
            checked, value, declared, scale, scope, settings.get("pass")
        )

    def _override_grader(
        self,
        graded: ResolvedGrader,
        block: nodes.Block,
        settings: Mapping[str, nodes.SettingLine],
        scope: Scope,
    ) -> ResolvedGrader | None:
        """Resolve `score = other(…)` in a block whose keys replace those of the other grader."""
        base = list(self.state.scorings)[graded.scoring]
        keys = [key for key in settings if key not in ("score", "pass")]
        if not keys and block.rubric is None:
            condition = (
                self._passing_condition(settings["pass"], graded.type, scope)
                if "pass" in settings
                else graded.passing
            )
            return replace(graded, passing=condition, names=graded.names | scope.rebindable_names)
        if not isinstance(base, JudgeScoring):
            key, at = (keys[0], settings[keys[0]].key.span) if keys else ("rubric", block.span)
            kind = "graders that ask a judge, and this one does not"
            if isinstance(base, PairwiseScoring | RankingScoring):
                kind = "a grader of its own question; that of a comparison stands in its own block"
            scope.report("RMG210", f"`{key}` is for {kind}", at)
            return graded
        return self._override_judge_keys(base, graded, block, settings, scope)

    def _override_judge_keys(
        self,
        base: JudgeScoring,
        graded: ResolvedGrader,
        block: nodes.Block,
        settings: Mapping[str, nodes.SettingLine],
        scope: Scope,
    ) -> ResolvedGrader:
        texts = self._template_texts(settings, scope)
        templates = {
            k: check_template(t, self.expressions, scope, f"the {k}") for k, t in texts.items()
        }
        check_system_prefix(texts, templates, scope)
        own = merge_templates(templates)
        inherited = {} if "prompt" in templates else dict(base.bindings)
        scoring = replace(
            base,
            prompt=templates["prompt"].text if "prompt" in templates else base.prompt,
            system=templates["system"].text if "system" in templates else base.system,
            bindings=tuple(sorted({**inherited, **dict(own.bindings)}.items())),
            constants=tuple(sorted({**dict(base.constants), **dict(own.constants)}.items())),
            needs=own.needs
            if "prompt" in templates
            else tuple(dict.fromkeys(base.needs + own.needs)),
            rubric=check_rubric(block.rubric, base.scale, self.expressions, scope)
            if block.rubric
            else base.rubric,
            criteria=check_rubric_source(block.rubric, base.scale, self.expressions, scope)
            if block.rubric
            else base.criteria,
            panel=self.models.resolve_setting(settings["model"], scope)
            if "model" in settings
            else base.panel,
        )
        return self._register_judge_scoring(
            scoring,
            settings,
            replace(scope, rebindable_names={*graded.names, *scope.rebindable_names}),
        )

    # ── judges ──

    def _check_judge_grader(
        self,
        declared: nodes.GraderDecl,
        settings: Mapping[str, nodes.SettingLine],
        texts: Mapping[str, nodes.TextNode],
        rubric: nodes.Rubric | None,
        scale: Scale | None,
        scope: Scope,
    ) -> ResolvedGrader | None:
        checked = {
            key: check_template(text, self.expressions, scope, f"the {key}")
            for key, text in texts.items()
        }
        check_system_prefix(texts, checked, scope)
        names = merge_templates(checked)
        if not names.bindings and not names.needs and not self._has_prompt_error(texts, scope):
            help = "put the row's values in: `{{ response }}`"
            scope.report(
                "RMG320",
                f"the prompt of {scope.owner} names no field: it would ask the same of every row",
                texts["prompt"].span,
                help=help,
            )
        if scale is None:
            self._report_missing_scale(declared, scope, "a prompt")
            return None
        whole = not isinstance(declared.body, nodes.Block) or is_fully_read(declared.body, "grader")
        if scale.has_criteria and rubric is None and whole:
            help = 'add `rubric:` with lines such as `+5: "…"`, or `rubric = FIELD`'
            scope.report(
                "RMG212", f"{scope.owner} on `points` needs a rubric", declared.name.span, help=help
            )
        scoring = self._build_judge_scoring(checked, names, rubric, scale, settings, scope)
        return self._register_judge_scoring(scoring, settings, scope)

    def _has_prompt_error(self, texts: Mapping[str, nodes.TextNode], scope: Scope) -> bool:
        """Has this prompt an error already? It may be the reason why no field was found in it."""
        span = texts["prompt"].span
        return any(
            d.source is scope.file.source
            and span.start <= d.span.start < span.end
            and d.severity == "error"
            for d in self.state.diagnostics
        )

    def _build_judge_scoring(
        self,
        checked: Mapping[str, CheckedTemplate],
        names: CheckedTemplate,
        rubric: nodes.Rubric | None,
        scale: Scale,
        settings: Mapping[str, nodes.SettingLine],
        scope: Scope,
    ) -> JudgeScoring:
        return JudgeScoring(
            checked["prompt"].text,
            checked["system"].text if "system" in checked else "",
            names.bindings,
            names.constants,
            names.needs,
            scale,
            check_rubric(rubric, scale, self.expressions, scope),
            self.models.resolve_setting(settings["model"], scope)
            if "model" in settings
            else self.models.default_model(scope),
            pool=default_pool(scale),
            criteria=check_rubric_source(rubric, scale, self.expressions, scope),
        )

    def _register_judge_scoring(
        self, scoring: JudgeScoring, settings: Mapping[str, nodes.SettingLine], scope: Scope
    ) -> ResolvedGrader:
        drawn = JudgingChecker(self.models, self.expressions).apply_settings(
            scoring, settings, scope
        )
        return self._register_scoring(drawn, pooled_type(drawn), scope, settings.get("pass"))


def report_depth(declared: ScoringDecl, state: CheckState, file: SpecFile) -> None:
    """Report a grader that stands on more than `MAX_DEPTH` others, one on the other."""
    Scope(state, file, "").report(
        "RMG125",
        f"`{declared.name.id}` stands on more than {MAX_DEPTH} graders, one on the other",
        declared.name.span,
        help="compute it from the first ones directly",
    )


def is_python_call(value: nodes.Expr) -> TypeGuard[nodes.CallNode]:
    """Whether an expression is `python("module:function", …)`."""
    if not isinstance(value, nodes.CallNode) or not isinstance(value.function, nodes.NameNode):
        return False
    return value.function.id == "python"


def _check_timeout(settings: Mapping[str, nodes.SettingLine], scope: Scope) -> None:
    """Report a `timeout` of a grader that calls no Python function."""
    timeout, score = settings.get("timeout"), settings.get("score")
    if timeout is None or (score is not None and is_python_call(score.value)):
        return
    scope.report(
        "RMG210",
        "`timeout` is for graders that call `python(…)`",
        timeout.key.span,
        help="the calls of a model have theirs in `llm(…, timeout=60)`",
    )
