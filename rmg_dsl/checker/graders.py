"""Graders and aggregates: which way of scoring a declaration means, under the bindings of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rmg_dsl.checker.calls import call_function
from rmg_dsl.checker.expressions import Expressions, library_grader
from rmg_dsl.checker.judging import DrawChecks, drawn_type, usual_pool
from rmg_dsl.checker.keys import KEYS, check_plain, is_whole, settings_of
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.pairwise import SHARE, Comparisons
from rmg_dsl.checker.prompts import (
    CheckedTemplate,
    check_template,
    merged,
    note_system_order,
    unquoted_text,
)
from rmg_dsl.checker.rubrics import check_rubric, check_source
from rmg_dsl.checker.scale_nodes import scale_of, scale_problems, upright
from rmg_dsl.checker.scope import Bindings, Book, File, Foreign, Graded, Scope, Typed
from rmg_dsl.diagnostics import Fix, Span
from rmg_dsl.ir import expr
from rmg_dsl.ir.scoring import Compared, Computed, FromPython, Judged, Ranked, Scoring
from rmg_dsl.ir.types import Type, of_scale
from rmg_dsl.scales import Labels, Points, Real, Scale, Whole, YesNo
from rmg_dsl.suggest import likely, listed
from rmg_dsl.syntax import nodes

_JUDGE_KEYS = ("prompt", "system", "model", "samples", "pool", "logprobs", "escalate", "generator")
Declared = nodes.GraderDecl | nodes.AggregateDecl | nodes.PairwiseDecl | nodes.RankingDecl


@dataclass(eq=False, slots=True)
class Graders:
    """Resolves graders by name, each once for each set of bindings; notices the ones that need themselves."""

    book: Book
    models: ModelTable
    expressions: Expressions = field(init=False)
    _memo: dict[tuple[int, str, Bindings, int], Graded | None] = field(default_factory=dict)
    _open: list[Foreign] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.expressions = Expressions(self._named, self._called, call_function)

    # ── by name ──

    def resolve(
        self, found: Foreign, bound: Bindings = (), home: File | None = None
    ) -> Graded | None:
        """A declared grader or aggregate under these bindings; none where it cannot be resolved.

        `home` is the file that uses a grader of the standard library: its default model is asked.
        """
        declared = found.file.declared[found.name]
        if not isinstance(
            declared,
            nodes.GraderDecl | nodes.AggregateDecl | nodes.PairwiseDecl | nodes.RankingDecl,
        ):
            return None
        home = home if found.file.is_library else None
        key = (id(found.file), found.name, bound, id(home))
        if key not in self._memo:
            if any(f.file is found.file and f.name == found.name for f in self._open):
                self._cycle(found)
                return None
            self._open.append(found)
            self._memo[key] = self._resolve(declared, found, bound, home)
            self._open.pop()
        return self._memo[key]

    def _cycle(self, found: Foreign) -> None:
        names = [f.name for f in self._open]
        loop = [*names[names.index(found.name) :], found.name]
        first = min(
            loop[:-1],
            key=lambda n: found.file.declared[n].span.start if n in found.file.declared else 0,
        )
        at = loop.index(first)
        shown = " → ".join(f"`{n}`" for n in [*loop[at:-1], *loop[:at], first])
        declared = found.file.declared.get(first) or found.file.declared[found.name]
        assert not isinstance(declared, nodes.Broken)
        scope = Scope(self.book, found.file, "")
        scope.report(
            "RMG203",
            f"a cycle: {shown}",
            declared.name.span,
            help="one of them must do without the next",
        )

    def _named(self, found: Foreign, scope: Scope) -> Graded | None:
        """A name in an expression: it sees what the caller has rebound."""
        graded = self.resolve(found, scope.bound, scope.judging)
        if graded:
            scope.touched.update(graded.names)
        return graded

    def _called(self, node: nodes.CallNode, found: Foreign, scope: Scope) -> Graded | None:
        """`relevance(response = baseline)`: the grader with fields or params rebound."""
        plain = self.resolve(found, (), scope.judging)
        if plain is None:
            return None
        rebound = dict(scope.bound)
        for argument in node.arguments:
            label = argument.label
            if not isinstance(label, nodes.NameNode):
                help = f"write `{found.name}(FIELD = {scope.text(argument.value)})`"
                scope.report(
                    "RMG312",
                    f"`{found.name}` is a grader: its fields are rebound by name",
                    argument.span,
                    help=help,
                )
            elif label.id not in plain.names:
                self._not_rebound(label, found.name, plain, scope)
            else:
                rebound[label.id] = self._rebinding(label, argument.value, scope)
        graded = self.resolve(
            found, tuple(sorted(rebound.items(), key=lambda pair: pair[0])), scope.judging
        )
        if graded:
            scope.touched.update(
                graded.names
                - {a.label.id for a in node.arguments if isinstance(a.label, nodes.NameNode)}
            )
        return graded

    def _rebinding(self, label: nodes.NameNode, value: nodes.Expr, scope: Scope) -> Typed:
        found = self.expressions.check(value, scope)
        if any(True for _ in expr.scorings_in(found.term)):
            help = "a prompt never sees scores; an aggregate puts them together"
            scope.report(
                "RMG405",
                f"`{scope.text(value)}` is a score, and `{label.id}` is a field",
                value.span,
                help=help,
            )
        return found

    def _not_rebound(self, label: nodes.NameNode, name: str, plain: Graded, scope: Scope) -> None:
        close = likely(label.id, plain.names)
        fixes = [Fix(label.span, close, f"write `{close}`")] if close else []
        help = (
            f"did you mean `{close}`?" if close else f"it reads {listed(plain.names) or 'no field'}"
        )
        scope.report(
            "RMG312", f"`{name}` reads no field `{label.id}`", label.span, help=help, fixes=fixes
        )

    # ── one declaration ──

    def _resolve(
        self, declared: Declared, found: Foreign, bound: Bindings, home: File | None
    ) -> Graded | None:
        kind = nodes.keyword_of(declared)
        scope = Scope(self.book, found.file, f"{kind} `{declared.name.id}`", bound=bound, home=home)
        match declared:
            case nodes.GraderDecl():
                return self._grader(declared, scope)
            case nodes.AggregateDecl():
                return self._aggregate(declared, scope)
            case nodes.PairwiseDecl():
                compared = self._comparisons().pairwise(declared, scope)
                return self._finish(compared, SHARE, scope) if compared else None
            case nodes.RankingDecl():
                ranked = self._comparisons().ranking(declared, scope)
                return self._finish(*ranked, scope) if ranked else None

    def _comparisons(self) -> Comparisons:
        return Comparisons(self.book, self.models, self.expressions, self._other_grader)

    def _finish(
        self, scoring: Scoring, kind: Type, scope: Scope, passing: nodes.SettingLine | None = None
    ) -> Graded:
        condition = self._passing(passing, kind, scope) if passing else None
        return Graded(self.book.number_of(scoring), kind, condition, frozenset(scope.touched))

    def _passing(self, setting: nodes.SettingLine, kind: Type, scope: Scope) -> expr.Term:
        inner = replace(scope, words={"score": Typed(expr.Own(), kind)})
        return self.expressions.condition(setting.value, inner).term

    def _aggregate(self, declared: nodes.AggregateDecl, scope: Scope) -> Graded | None:
        if not isinstance(declared.body, nodes.Block):
            return self._aggregated(declared.body, scope)
        found = settings_of(declared.body, "aggregate", scope)
        for key in ("missing",):
            if key in found:
                check_plain(found[key], KEYS["aggregate"][key], scope)
        if "score" not in found:
            return None
        missing = found["missing"].value if "missing" in found else None
        drop = isinstance(missing, nodes.NameNode) and missing.id == "drop"
        return self._aggregated(found["score"].value, replace(scope, drop=drop), found.get("pass"))

    def _aggregated(
        self, value: nodes.Expr, scope: Scope, passing: nodes.SettingLine | None = None
    ) -> Graded:
        if isinstance(value, nodes.NameNode):
            self.expressions.wants_score(value, scope, scope.owner)
        found = self.expressions.check(value, scope)
        if found.type.kind in ("text", "list", "none"):
            help = (
                'prompts belong to graders: `grader NAME -> 1..5 = "…"`'
                if isinstance(value, nodes.TextNode)
                else ""
            )
            self.expressions.wrong_kind(
                "RMG302",
                value,
                found.type,
                "an aggregate is a number, a bool or a label",
                scope,
                help,
            )
        return self._finish(Computed(found.term), found.type, scope, passing)

    # ── graders ──

    def _grader(self, declared: nodes.GraderDecl, scope: Scope) -> Graded | None:
        scale = None
        if declared.scale is not None:
            self.book.diagnostics += scale_problems(declared.scale, scope.file.source)
            scale = upright(scale_of(declared.scale))
        if isinstance(declared.body, nodes.Block):
            return self._grader_block(declared, declared.body, scale, scope)
        return self._scored(declared.body, declared, scale, scope)

    def _scored(
        self, value: nodes.Expr, declared: nodes.GraderDecl, scale: Scale | None, scope: Scope
    ) -> Graded | None:
        """A grader of one value: a prompt, another grader, Python, or an expression."""
        if isinstance(value, nodes.TextNode):
            return self._judged(declared, {}, {"prompt": value}, None, scale, scope)
        called = self._other_grader(value, scope)
        if called is not None:
            graded, _ = called
            return self._renamed(graded, value, scale, scope)
        if (
            isinstance(value, nodes.CallNode)
            and isinstance(value.function, nodes.NameNode)
            and value.function.id == "python"
        ):
            return self._python(value, declared, scale, scope)
        found = self.expressions.check(value, scope)
        return self._computed(found, value, declared, scale, scope)

    def _other_grader(
        self, value: nodes.Expr, scope: Scope
    ) -> tuple[Graded | None, Foreign] | None:
        """The grader that an expression is, where it is nothing but one."""
        target = value.function if isinstance(value, nodes.CallNode) else value
        found: Foreign | None = None
        if isinstance(target, nodes.NameNode) and target.id not in dict(scope.bound):
            is_function = (
                isinstance(value, nodes.CallNode) and target.id in self.book.universe.functions
            )
            found = None if is_function else scope.file.find(target.id)
        elif (
            isinstance(target, nodes.AttributeNode)
            and isinstance(target.base, nodes.NameNode)
            and target.base.id == "std"
        ):
            found = library_grader(target, scope)
            if found is None:
                return None, Foreign(scope.file, "")
        if found is None or not isinstance(
            found.file.declared[found.name], Declared | nodes.Broken
        ):
            return None
        if isinstance(target, nodes.NameNode):
            self.book.use(scope.file, target.id)
        self.book.use(found.file, found.name)
        graded = (
            self._called(value, found, scope)
            if isinstance(value, nodes.CallNode)
            else self._named(found, scope)
        )
        return graded, found

    def _renamed(
        self, graded: Graded | None, value: nodes.Expr, scale: Scale | None, scope: Scope
    ) -> Graded | None:
        if graded is None:
            return None
        if scale is not None and graded.type.scale is not None and scale != graded.type.scale:
            help = "leave the scale out: it comes with the grader"
            scope.report(
                "RMG310",
                f"`{scope.text(value)}` scores on {graded.type.scale}, not on {scale}",
                value.span,
                help=help,
            )
        return graded

    def _computed(
        self,
        found: Typed,
        value: nodes.Expr,
        declared: nodes.GraderDecl,
        scale: Scale | None,
        scope: Scope,
        passing: nodes.SettingLine | None = None,
    ) -> Graded:
        kind = found.type
        if scale is None and kind.kind in ("text", "list", "none"):
            help = (
                'give it a scale of labels, `-> "a" | "b"`, or compare it'
                if kind.kind == "text"
                else ""
            )
            self.expressions.wrong_kind(
                "RMG302", value, kind, "a grader scores by a number, a bool or a label", scope, help
            )
        if scale is not None:
            self._check_code_scale(kind, value, declared, scale, scope)
            kind = of_scale(scale)
        return self._finish(Computed(found.term, scale), kind, scope, passing)

    def _check_code_scale(
        self, kind: Type, value: nodes.Expr, declared: nodes.GraderDecl, scale: Scale, scope: Scope
    ) -> None:
        assert declared.scale is not None
        wanted = of_scale(scale)
        numeric = isinstance(scale, Whole | Real)
        inside = wanted.low <= kind.low and kind.high <= wanted.high
        outside = numeric and kind.bounded and kind.kind in ("number", "bool") and not inside
        other = (numeric and not kind.is_numeric) or (
            isinstance(scale, YesNo) and kind.kind not in ("bool", "any")
        )
        wrong_words = isinstance(scale, Labels) and kind.kind in ("number", "bool")
        if isinstance(scale, Points):
            scope.report(
                "RMG310",
                "`points` are given by a judge, criterion by criterion",
                declared.scale.span,
                help="leave the scale out",
            )
        elif outside or other or wrong_words:
            scope.report(
                "RMG310", f"`{scope.text(value)}` is {kind}, which does not fit {scale}", value.span
            )

    def _python(
        self, value: nodes.CallNode, declared: nodes.GraderDecl, scale: Scale | None, scope: Scope
    ) -> Graded | None:
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
            self._scale_missing(declared, scope, "a Python function")
            return None
        return self._finish(
            FromPython(first.value, tuple(arguments), scale), of_scale(scale), scope
        )

    @staticmethod
    def _scale_missing(declared: nodes.GraderDecl, scope: Scope, what: str) -> None:
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

    def _grader_block(
        self, declared: nodes.GraderDecl, block: nodes.Block, scale: Scale | None, scope: Scope
    ) -> Graded | None:
        found = settings_of(block, "grader", scope)
        for name, setting in found.items():
            check_plain(setting, KEYS["grader"][name], scope)
        if "score" in found and "prompt" in found:
            called = self._other_grader(found["score"].value, scope)
            if called is None:
                scope.report(
                    "RMG115",
                    "a grader has a prompt or a score, not both",
                    found["score"].key.span,
                    help="code goes into a grader of its own; an aggregate puts them together",
                )
                return None
        if "score" in found:
            return self._score_block(declared, block, found, scale, scope)
        if "prompt" not in found:
            if is_whole(block, "grader"):
                at = declared.name.span
                scope.report(
                    "RMG212",
                    f"{scope.owner} needs a `prompt` or a `score`",
                    at,
                    help="add the line to its block",
                )
            return None
        prompt = found["prompt"].value
        if not isinstance(prompt, nodes.TextNode):
            unquoted_text(found["prompt"], scope)
            return None
        return self._judged(
            declared, found, self._templates(found, scope), block.rubric, scale, scope
        )

    def _templates(
        self, found: Mapping[str, nodes.SettingLine], scope: Scope
    ) -> dict[str, nodes.TextNode]:
        texts: dict[str, nodes.TextNode] = {}
        for key in ("prompt", "system"):
            if key in found:
                value = found[key].value
                if isinstance(value, nodes.TextNode):
                    texts[key] = value
                else:
                    unquoted_text(found[key], scope)
        return texts

    def _score_block(
        self,
        declared: nodes.GraderDecl,
        block: nodes.Block,
        found: Mapping[str, nodes.SettingLine],
        scale: Scale | None,
        scope: Scope,
    ) -> Graded | None:
        value = found["score"].value
        called = self._other_grader(value, scope)
        if called is not None:
            graded = self._renamed(called[0], value, scale, scope)
            return self._overridden(graded, block, found, scope) if graded else None
        judging = next((found[key] for key in _JUDGE_KEYS if key in found), None)
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
        if (
            isinstance(value, nodes.CallNode)
            and isinstance(value.function, nodes.NameNode)
            and value.function.id == "python"
        ):
            return self._python(value, declared, scale, scope)
        checked = self.expressions.check(value, scope)
        return self._computed(checked, value, declared, scale, scope, found.get("pass"))

    def _overridden(
        self,
        graded: Graded,
        block: nodes.Block,
        found: Mapping[str, nodes.SettingLine],
        scope: Scope,
    ) -> Graded | None:
        """`score = other(…)` with keys that replace the other grader's."""
        base = list(self.book.scorings)[graded.scoring]
        keys = [key for key in found if key not in ("score", "pass")]
        if not keys and block.rubric is None:
            condition = (
                self._passing(found["pass"], graded.type, scope)
                if "pass" in found
                else graded.passing
            )
            return replace(graded, passing=condition, names=graded.names | scope.touched)
        if not isinstance(base, Judged):
            key, at = (keys[0], found[keys[0]].key.span) if keys else ("rubric", block.span)
            kind = "graders that ask a judge, and this one does not"
            if isinstance(base, Compared | Ranked):
                kind = "a grader of its own question; that of a comparison stands in its own block"
            scope.report("RMG210", f"`{key}` is for {kind}", at)
            return graded
        return self._replaced(base, graded, block, found, scope)

    def _replaced(
        self,
        base: Judged,
        graded: Graded,
        block: nodes.Block,
        found: Mapping[str, nodes.SettingLine],
        scope: Scope,
    ) -> Graded:
        texts = self._templates(found, scope)
        templates = {
            k: check_template(t, self.expressions, scope, f"the {k}") for k, t in texts.items()
        }
        note_system_order(texts, templates, scope)
        own = merged(templates)
        kept = {} if "prompt" in templates else dict(base.bound)
        scoring = replace(
            base,
            prompt=templates["prompt"].text if "prompt" in templates else base.prompt,
            system=templates["system"].text if "system" in templates else base.system,
            bound=tuple(sorted({**kept, **dict(own.bound)}.items())),
            constants=tuple(sorted({**dict(base.constants), **dict(own.constants)}.items())),
            needs=own.needs
            if "prompt" in templates
            else tuple(dict.fromkeys(base.needs + own.needs)),
            rubric=check_rubric(block.rubric, base.scale, self.expressions, scope)
            if block.rubric
            else base.rubric,
            criteria=check_source(block.rubric, base.scale, self.expressions, scope)
            if block.rubric
            else base.criteria,
            jurors=self.models.named(found["model"], scope) if "model" in found else base.jurors,
        )
        return self._asked(scoring, found, replace(scope, touched={*graded.names, *scope.touched}))

    # ── judges ──

    def _judged(
        self,
        declared: nodes.GraderDecl,
        found: Mapping[str, nodes.SettingLine],
        texts: Mapping[str, nodes.TextNode],
        rubric: nodes.Rubric | None,
        scale: Scale | None,
        scope: Scope,
    ) -> Graded | None:
        checked = {
            key: check_template(text, self.expressions, scope, f"the {key}")
            for key, text in texts.items()
        }
        note_system_order(texts, checked, scope)
        names = merged(checked)
        if not names.bound and not names.needs and not self._excused(texts, scope):
            help = "put the row's values in: `{{ response }}`"
            scope.report(
                "RMG320",
                f"the prompt of {scope.owner} names no field: it would ask the same of every row",
                texts["prompt"].span,
                help=help,
            )
        if scale is None:
            self._scale_missing(declared, scope, "a prompt")
            return None
        whole = not isinstance(declared.body, nodes.Block) or is_whole(declared.body, "grader")
        if isinstance(scale, Points) and rubric is None and whole:
            help = 'add `rubric:` with lines such as `+5: "…"`, or `rubric = FIELD`'
            scope.report(
                "RMG212", f"{scope.owner} on `points` needs a rubric", declared.name.span, help=help
            )
        scoring = self._judged_scoring(checked, names, rubric, scale, found, scope)
        return self._asked(scoring, found, scope)

    def _excused(self, texts: Mapping[str, nodes.TextNode], scope: Scope) -> bool:
        """Something is already said of this prompt, which may be why no field was found in it."""
        span = texts["prompt"].span
        return any(
            d.source is scope.file.source
            and span.start <= d.span.start < span.end
            and d.severity == "error"
            for d in self.book.diagnostics
        )

    def _judged_scoring(
        self,
        checked: Mapping[str, CheckedTemplate],
        names: CheckedTemplate,
        rubric: nodes.Rubric | None,
        scale: Scale,
        found: Mapping[str, nodes.SettingLine],
        scope: Scope,
    ) -> Judged:
        return Judged(
            checked["prompt"].text,
            checked["system"].text if "system" in checked else "",
            names.bound,
            names.constants,
            names.needs,
            scale,
            check_rubric(rubric, scale, self.expressions, scope),
            self.models.named(found["model"], scope)
            if "model" in found
            else self.models.default(scope),
            pool=usual_pool(scale),
            criteria=check_source(rubric, scale, self.expressions, scope),
        )

    def _asked(
        self, scoring: Judged, found: Mapping[str, nodes.SettingLine], scope: Scope
    ) -> Graded:
        drawn = DrawChecks(self.models, self.expressions).drawn(scoring, found, scope)
        return self._finish(drawn, drawn_type(drawn), scope, found.get("pass"))
