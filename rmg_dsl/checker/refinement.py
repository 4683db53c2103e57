"""Check `refine`, the loop that improves a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rmg_dsl.checker.expressions import UNKNOWN, ExpressionChecker
from rmg_dsl.checker.graders import GraderResolver
from rmg_dsl.checker.keys import (
    check_plain_value,
    check_settings,
    integer_setting,
    is_fully_read,
)
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.prompts import (
    CheckedTemplate,
    check_template,
    merge_templates,
    report_unquoted_text,
)
from rmg_dsl.checker.scope import CheckState, QualifiedName, Scope, SpecFile, TypedTerm
from rmg_dsl.diagnostics import Span
from rmg_dsl.ir import expr
from rmg_dsl.ir.columns import column_with_role
from rmg_dsl.ir.expr import LoopVariable, ScoreRef, Term
from rmg_dsl.ir.scoring import (
    LoopGrader,
    LoopOutputScoring,
    LoopPart,
    ModelUse,
    PairwiseScoring,
    RankingScoring,
    RefineScoring,
    WriterPrompt,
    reachable_from,
    scoring_dependencies,
)
from rmg_dsl.ir.suite import Output
from rmg_dsl.ir.types import ANY, TEXT, Type, number_type
from rmg_dsl.prompts.template import outline
from rmg_dsl.suggest import format_names
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.declarations import keys_of

DEFAULT_ROUNDS = 3
_WRITER_SYSTEM_PROMPT = (
    "You improve one text. Reply with the improved text and nothing else: no preface, no remark, "
    "no quotation marks "
    "around it."
)
_IMPROVE_INSTRUCTIONS = """Improve the text below by the feedback on it. Mend what the feedback \
criticises, keep what is right, and \
add nothing that you do not know to be true.
"""
# What a writer may see of the row beside the text: what it is about, never what it is compared
# with.
_WRITER_FIELDS = ("query", "context")
_LOOP_NAMES = {what: TypedTerm(LoopVariable(what), ANY) for what in ("feedback", "best")}


@dataclass(frozen=True, slots=True)
class RefineOutputs:
    """What a loop leaves behind: its outputs (the field with its rounds, scores before and after),
    and the words that
    a `require` may use for them.
    """

    outputs: tuple[Output, ...] = ()
    require_names: Mapping[str, TypedTerm] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefineChecker:
    """Checks the `refine` declarations of a spec, and lists their outputs."""

    state: CheckState
    models: ModelTable
    graders: GraderResolver

    @property
    def _expressions(self) -> ExpressionChecker:
        return self.graders.expressions

    def check(self, declared: nodes.RefineDecl, file: SpecFile) -> RefineOutputs:
        """The outputs of a loop; none if it has an error."""
        scope = Scope(self.state, file, f"refine `{declared.name.id}`")
        before = len(self.state.diagnostics)
        settings = check_settings(declared.body, "refine", scope)
        loop = self._check_loop(declared, settings, scope)
        # Half a loop could spend calls on drafts that nothing grades.
        if loop is None or any(d.severity == "error" for d in self.state.diagnostics[before:]):
            return RefineOutputs()
        return self._refine_outputs(loop, declared, scope)

    def _refine_outputs(
        self, loop: RefineScoring, declared: nodes.RefineDecl, scope: Scope
    ) -> RefineOutputs:
        number_of = self.state.scoring_number
        place = (declared.doc, scope.file.source, declared.name.span)
        number_of_loop = number_of(loop)
        outputs = [
            Output(
                loop.name, "refine", number_of_loop, number_type(0, loop.rounds), None, True, *place
            )
        ]
        words: dict[str, TypedTerm] = {}
        types: dict[LoopPart, Type] = {
            "refined": TEXT,
            "rounds": number_type(0, loop.rounds),
            "status": TEXT,
        }
        for part, kind in types.items():
            scoring = number_of(LoopOutputScoring(number_of_loop, part))
            name = column_with_role(part).name_for(loop.name)
            words[name] = TypedTerm(ScoreRef(scoring), kind)
        # A pairwise compares two drafts: one draft alone has no score before or after.
        scored = [] if loop.is_pairwise else [loop.by]
        if loop.holdout:
            scored.append(loop.holdout)
        for watched in scored:
            kind = watched.type
            for part in ("before", "after"):
                number_of_part = number_of(LoopOutputScoring(number_of_loop, part, watched))
                name = column_with_role(part).name_for(watched.name)
                outputs.append(Output(name, "refined", number_of_part, kind, None, True, *place))
                words[name] = TypedTerm(ScoreRef(number_of_part), kind)
        return RefineOutputs(tuple(outputs), words)

    def _check_loop(
        self, declared: nodes.RefineDecl, settings: Mapping[str, nodes.SettingLine], scope: Scope
    ) -> RefineScoring | None:
        name = declared.name.id
        current = self._expressions.check(
            declared.name, replace(scope, allows_missing="draft" in settings)
        ).term
        drafting = replace(
            scope, bindings=((name, TypedTerm(LoopVariable("draft"), ANY)),), rebindable_names=set()
        )
        # `feedback` takes a word or a list, and is checked on its own below.
        for key, setting in settings.items():
            if key != "feedback":
                check_plain_value(setting, keys_of("refine")[key], scope)
        until = None
        if "until" in settings:
            until = self._until_conditions(settings["until"], scope, drafting)
        by = self._check_by(declared, settings, scope, drafting)
        guards = self._check_grader_list(settings.get("guard"), "guard", scope, drafting)
        holdout = None
        if "holdout" in settings:
            value = settings["holdout"].value
            holdout = self._check_loop_grader(value, "holdout", scope, drafting)
        feedback = self._feedback_graders(settings.get("feedback"), scope, drafting)
        improve = self._improve_prompt(declared, settings, scope, drafting)
        draft = None
        if "draft" in settings:
            draft = self._writer_prompt({"prompt": settings["draft"]}, scope)
        writer = self._writer_model(settings.get("model"), scope)
        if by is None:
            return None
        duel = None
        if "by" in settings:
            duel = self._pairwise_by(settings["by"].value, by, scope, drafting)
        needed = self._component_graders(by, scope, drafting)
        return RefineScoring(
            name,
            current,
            writer,
            improve,
            draft,
            duel or by,
            duel is not None,
            until,
            guards,
            holdout,
            feedback or needed or (duel or by,),
            needed,
            integer_setting(settings.get("rounds")) or DEFAULT_ROUNDS,
            integer_setting(settings.get("patience")),
            _name_setting(settings.get("keep")) == "last",
        )

    def _writer_model(self, setting: nodes.SettingLine | None, scope: Scope) -> ModelUse:
        if setting:
            models = self.models.resolve_setting(setting, scope)
        else:
            models = self.models.default_model(scope)
        if len(models) > 1 and setting:
            help = "name one of its models: a text is written by one"
            message = "a panel judges, and writes nothing"
            scope.report("RMG322", message, setting.value.span, help=help)
        elif len(models) > 1:
            help = "say who writes: `model = NAME`"
            judge = scope.file.declarations.get("judge")
            span = judge.span if judge is not None else Span(0, 1)
            message = f"the default model is a panel, and {scope.owner} needs one writer"
            scope.report("RMG322", message, span, help=help)
        return models[0]

    # ── the graders of a loop ──

    def _check_by(
        self,
        declared: nodes.RefineDecl,
        settings: Mapping[str, nodes.SettingLine],
        scope: Scope,
        drafting: Scope,
    ) -> LoopGrader | None:
        """The score to improve: `by`, or the only score in `until`."""
        if "by" in settings:
            by = self._check_loop_grader(settings["by"].value, "by", scope, drafting)
            at = settings["by"].value
        elif "until" in settings:
            named = [
                n
                for n in nodes.walk_nodes(settings["until"].value)
                if isinstance(n, nodes.NameNode) and _names_a_score(n, scope)
            ]
            if len({node.id for node in named}) != 1:
                self._report_ambiguous_until(settings["until"].value, named, scope)
                return None
            by, at = self._check_loop_grader(named[0], "until", scope, drafting), named[0]
        else:
            if is_fully_read(declared.body, "refine"):
                help = "add `until = reward >= …` or `by = reward`"
                scope.report(
                    "RMG212",
                    f"{scope.owner} does not say what to improve",
                    declared.name.span,
                    help=help,
                )
            return None
        # The same score with and without the draft: it does not read the field.
        if by is not None and by.row_scoring == by.draft_scoring:
            message = (
                f"`{scope.source_text(at)}` does not look at `{declared.name.id}`: "
                "no draft could make it better"
            )
            help = f"name a grader or an aggregate that reads `{declared.name.id}`"
            scope.report("RMG322", message, at.span, help=help)
            return None
        return by

    def _pairwise_by(
        self, node: nodes.Expr, by: LoopGrader, scope: Scope, drafting: Scope
    ) -> LoopGrader | None:
        """A pairwise of `[response, best]`, in which each draft must beat the best one before it;
        else None.
        """
        compared = self.state.scoring(by.draft_scoring)
        if not isinstance(compared, PairwiseScoring):
            return None
        bound = tuple(
            sorted((*drafting.bindings, ("best", _LOOP_NAMES["best"])), key=lambda pair: pair[0])
        )
        later = self._expressions.check(node, replace(drafting, bindings=bound)).term
        if not isinstance(later, ScoreRef) or later.scoring == by.draft_scoring:
            return None
        against = self.state.scoring(later.scoring)
        assert isinstance(against, PairwiseScoring)
        if LoopVariable("best") in expr.walk_terms(against.sides[0]):
            help = f"write `compare = [{drafting.bindings[0][0]}, best]`"
            scope.report(
                "RMG322",
                "a draft is compared with the best one, and stands first",
                node.span,
                help=help,
            )
        return replace(by, draft_scoring=later.scoring)

    @staticmethod
    def _report_ambiguous_until(
        until: nodes.Expr, named: list[nodes.NameNode], scope: Scope
    ) -> None:
        if named:
            names = format_names(dict.fromkeys(node.id for node in named))
            help = f"say which one is to be improved: `by = {named[0].id}`"
            scope.report(
                "RMG212", f"`until` of {scope.owner} is about {names}", until.span, help=help
            )

    def _check_loop_grader(
        self, node: nodes.Expr, key: str, scope: Scope, drafting: Scope
    ) -> LoopGrader | None:
        """Resolve a score for the row and for a draft; reports anything that is no score and
        returns None.
        """
        if not self._expressions.check_score_name(node, scope, f"`{key}` of {scope.owner}"):
            return None
        first = self._expressions.check(node, scope)
        if not isinstance(first.term, expr.ScoreRef):
            if first != UNKNOWN:
                help = "declare it as an aggregate, and name that"
                scope.report(
                    "RMG322",
                    f"`{key}` is the name of a grader or an aggregate",
                    node.span,
                    help=help,
                )
            return None
        if not first.type.is_numeric:
            help = 'give the labels values: `("bad"=0 | "good"=1)`'
            scope.report(
                "RMG302",
                f"`{scope.source_text(node)}` is {first.type}, which has no better and worse",
                node.span,
                help=help,
            )
            return None
        if isinstance(self.state.scoring(first.term.scoring), RankingScoring):
            help = "name what the ranking goes by"
            scope.report(
                "RMG322",
                f"`{scope.source_text(node)}` ranks rows, and a draft is no row",
                node.span,
                help=help,
            )
            return None
        later = self._expressions.check(node, drafting).term
        assert isinstance(later, expr.ScoreRef)
        name = " ".join(scope.source_text(node).split())
        return LoopGrader(name, first.term.scoring, later.scoring, first.type)

    def _check_grader_list(
        self, setting: nodes.SettingLine | None, key: str, scope: Scope, drafting: Scope
    ) -> tuple[LoopGrader, ...]:
        if setting is None:
            return ()
        if not isinstance(setting.value, nodes.ListNode):
            help = f"write `{key} = [harmlessness]`"
            scope.report("RMG322", f"`{key}` is a list of graders", setting.value.span, help=help)
            return ()
        graders = (
            self._check_loop_grader(item, key, scope, drafting) for item in setting.value.items
        )
        return tuple(watched for watched in graders if watched)

    def _feedback_graders(
        self, setting: nodes.SettingLine | None, scope: Scope, drafting: Scope
    ) -> tuple[LoopGrader, ...]:
        """The graders of `feedback = [...]`; none for `reasons`, which means all graders that `by`
        needs.
        """
        if setting is None:
            return ()
        match setting.value:
            case nodes.NameNode("reasons"):
                return ()
            case nodes.ListNode(items):
                pass
            case single:
                items = (single,)
        graders = (self._check_loop_grader(item, "feedback", scope, drafting) for item in items)
        return tuple(watched for watched in graders if watched)

    def _component_graders(
        self, by: LoopGrader, scope: Scope, drafting: Scope
    ) -> tuple[LoopGrader, ...]:
        """The declared graders that `by` needs or is. Their reasons say what to improve."""
        scorings = list(self.state.scorings)
        read = reachable_from(
            [by.draft_scoring], lambda number: scoring_dependencies(scorings[number])
        )
        components: list[LoopGrader] = []
        for name, declared in scope.file.declarations.items():
            if not isinstance(declared, nodes.GraderDecl):
                continue
            first = self.graders.resolve(QualifiedName(scope.file, name))
            later = self.graders.resolve(QualifiedName(scope.file, name), drafting.bindings)
            if first and later and later.scoring in read:
                components.append(LoopGrader(name, first.scoring, later.scoring, first.type))
        return tuple(components)

    def _until_conditions(
        self, setting: nodes.SettingLine, scope: Scope, drafting: Scope
    ) -> tuple[Term, Term] | None:
        owner = f"`until` of {scope.owner}"
        sides = [
            side
            for node in nodes.walk_nodes(setting.value)
            if isinstance(node, nodes.ComparisonNode)
            for side in (node.first, *(operand for _, operand in node.rest))
        ]
        are_scores = [self._expressions.check_score_name(side, scope, owner) for side in sides]
        if not all(are_scores):
            return None
        typed = self._expressions.check_condition(setting.value, scope)
        unknown = any(term == UNKNOWN.term for term in expr.walk_terms(typed.term))
        if not any(True for _ in expr.scorings_in(typed.term)):
            if not unknown and not scope.file.is_incomplete:
                help = "name a grader or an aggregate: `until = reward >= 4`"
                scope.report("RMG215", f"{owner} names no score", setting.value.span, help=help)
            return None
        return typed.term, self._expressions.check_condition(setting.value, drafting).term

    # ── the prompts of the writer ──

    def _improve_prompt(
        self,
        declared: nodes.RefineDecl,
        settings: Mapping[str, nodes.SettingLine],
        scope: Scope,
        drafting: Scope,
    ) -> WriterPrompt:
        own = {key: settings[key] for key in ("prompt", "system") if key in settings}
        words = replace(drafting, local_names=_LOOP_NAMES)
        if "prompt" in settings:
            self._check_feedback(settings["prompt"], scope)
            return self._writer_prompt(own, words)
        read_names = drafting.rebindable_names - {drafting.bindings[0][0]}
        shown = [name for name in _WRITER_FIELDS if name in read_names]
        return self._default_improve_prompt(own, shown, words, declared.name.span)

    @staticmethod
    def _check_feedback(setting: nodes.SettingLine, scope: Scope) -> None:
        text = setting.value
        if isinstance(text, nodes.TextNode) and "feedback" not in {
            v.name for v in outline(text.value).variables
        }:
            help = "put in `{{ feedback }}`: what the graders say of the latest draft"
            message = f"the prompt of {scope.owner} does not show the feedback"
            scope.report("RMG320", message, text.span, help=help, severity="warning")

    def _default_improve_prompt(
        self, own: Mapping[str, nodes.SettingLine], shown: list[str], scope: Scope, at: Span
    ) -> WriterPrompt:
        """The default prompt: instructions, the fields that graders read, the text, the
        feedback.
        """
        name = scope.bindings[0][0]
        parts = [
            _IMPROVE_INSTRUCTIONS,
            *(f"{field_name}:\n{{{{ {field_name} }}}}\n" for field_name in shown),
        ]
        parts += [f"Text:\n{{{{ {name} }}}}\n", "Feedback:\n{{ feedback }}"]
        bound = {
            field_name: self._expressions.check(nodes.NameNode(field_name, at), scope).term
            for field_name in shown
        }
        bound |= {name: LoopVariable("draft"), "feedback": LoopVariable("feedback")}
        system = self._writer_prompt(own, scope) if own else None
        return WriterPrompt(
            "\n".join(parts),
            system.system if system else _WRITER_SYSTEM_PROMPT,
            tuple(sorted({**bound, **dict(system.bindings if system else ())}.items())),
            system.constants if system else (),
            (name, *(system.needs if system else ())),
        )

    def _writer_prompt(
        self, settings: Mapping[str, nodes.SettingLine], scope: Scope
    ) -> WriterPrompt:
        checked: dict[str, CheckedTemplate] = {}
        for key, setting in settings.items():
            if isinstance(setting.value, nodes.TextNode):
                checked[key] = check_template(
                    setting.value, self._expressions, scope, f"the {setting.key.id}"
                )
            else:
                report_unquoted_text(setting, scope)
        names = merge_templates(checked)
        prompt, system = (
            checked[key].text if key in checked else "" for key in ("prompt", "system")
        )
        return WriterPrompt(
            prompt, system or _WRITER_SYSTEM_PROMPT, names.bindings, names.constants, names.needs
        )


def _names_a_score(node: nodes.NameNode, scope: Scope) -> bool:
    target = scope.file.find(node.id)
    scores = nodes.GraderDecl | nodes.AggregateDecl | nodes.PairwiseDecl | nodes.RankingDecl
    return target is not None and isinstance(target.declaration, scores)


def _name_setting(setting: nodes.SettingLine | None) -> str:
    match setting:
        case nodes.SettingLine(value=nodes.NameNode(name)):
            return name
        case _:
            return ""
