"""`refine`: the loop that improves a field, checked whole before its first draft is paid for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rmg_dsl.checker.expressions import UNKNOWN, Expressions
from rmg_dsl.checker.graders import Graders
from rmg_dsl.checker.keys import KEYS, check_plain, is_whole, settings_of
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.prompts import CheckedTemplate, check_template, merged, unquoted_text
from rmg_dsl.checker.scope import Book, File, Foreign, Scope, Typed
from rmg_dsl.diagnostics import Span
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import InLoop, ScoreOf, Term
from rmg_dsl.ir.scoring import (
    Compared,
    FromLoop,
    LoopPart,
    ModelUse,
    Ranked,
    Refining,
    Watched,
    Written,
    reached,
    read_by,
)
from rmg_dsl.ir.suite import Output
from rmg_dsl.ir.types import ANY, TEXT, Type, number
from rmg_dsl.prompts.template import outline
from rmg_dsl.suggest import listed
from rmg_dsl.syntax import nodes

DEFAULT_ROUNDS = 3
_SYSTEM = (
    "You improve one text. Reply with the improved text and nothing else: no preface, no remark, no quotation marks "
    "around it."
)
_IMPROVE = """Improve the text below by the feedback on it. Mend what the feedback criticises, keep what is right, and \
add nothing that you do not know to be true.
"""
# What a writer may see of the row beside the text: what it is about, never what it is compared with.
_SHOWN_TO_WRITERS = ("query", "context")
_WORDS = {what: Typed(InLoop(what), ANY) for what in ("feedback", "best")}


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a loop leaves behind: its outputs (the field with its rounds, scores before and after), and the words that
    a `require` may use for them.
    """

    outputs: tuple[Output, ...] = ()
    words: Mapping[str, Typed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refinements:
    """Checks the refine declarations of a spec, and says what each leaves behind."""

    book: Book
    models: ModelTable
    graders: Graders

    @property
    def _expressions(self) -> Expressions:
        return self.graders.expressions

    def check(self, declared: nodes.RefineDecl, file: File) -> Leftover:
        """What the loop leaves behind; nothing where something is wrong with it."""
        scope = Scope(self.book, file, f"refine `{declared.name.id}`")
        before = len(self.book.diagnostics)
        found = settings_of(declared.body, "refine", scope)
        loop = self._loop(declared, found, scope)
        if loop is None or any(d.severity == "error" for d in self.book.diagnostics[before:]):
            return Leftover()
        return self._leftover(loop, declared, scope)

    def _leftover(self, loop: Refining, declared: nodes.RefineDecl, scope: Scope) -> Leftover:
        number_of = self.book.number_of
        place = (declared.doc, scope.file.source, declared.name.span)
        number_of_loop = number_of(loop)
        outputs = [
            Output(loop.name, "refine", number_of_loop, number(0, loop.rounds), None, True, *place)
        ]
        words: dict[str, Typed] = {}
        parts: tuple[tuple[LoopPart, Type], ...] = (
            ("refined", TEXT),
            ("rounds", number(0, loop.rounds)),
            ("status", TEXT),
        )
        for part, kind in parts:
            words[f"{loop.name}_{part}"] = Typed(
                ScoreOf(number_of(FromLoop(number_of_loop, part))), kind
            )
        # A duel says how one draft compares with another, and nothing of one alone.
        scored = [] if loop.duel else [loop.by]
        for watched in (*scored, *([loop.holdout] if loop.holdout else [])):
            kind = watched.type
            for part in ("before", "after"):
                number_of_part = number_of(FromLoop(number_of_loop, part, watched))
                name = f"{watched.name}_{part}"
                outputs.append(Output(name, "refined", number_of_part, kind, None, True, *place))
                words[name] = Typed(ScoreOf(number_of_part), kind)
        return Leftover(tuple(outputs), words)

    def _loop(
        self, declared: nodes.RefineDecl, found: Mapping[str, nodes.SettingLine], scope: Scope
    ) -> Refining | None:
        name = declared.name.id
        current = self._expressions.check(
            declared.name, replace(scope, optional="draft" in found)
        ).term
        drafting = replace(scope, bound=((name, Typed(InLoop("draft"), ANY)),), touched=set())
        for key, setting in found.items():
            if key != "feedback":
                check_plain(setting, KEYS["refine"][key], scope)
        until = self._until(found["until"], scope, drafting) if "until" in found else None
        by = self._by(declared, found, scope, drafting)
        guards = self._several(found.get("guard"), "guard", scope, drafting)
        holdout = (
            self._watched(found["holdout"].value, "holdout", scope, drafting)
            if "holdout" in found
            else None
        )
        feedback = self._feedback(found.get("feedback"), scope, drafting)
        improve = self._improve(declared, found, scope, drafting)
        draft = self._written({"prompt": found["draft"]}, scope) if "draft" in found else None
        writer = self._writer(found.get("model"), scope)
        if by is None:
            return None
        duel = self._duel(found["by"].value, by, scope, drafting) if "by" in found else None
        needed = self._needed_by(by, scope, drafting)
        return Refining(
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
            _count(found.get("rounds")) or DEFAULT_ROUNDS,
            _count(found.get("patience")),
            _word(found.get("keep")) == "last",
        )

    def _writer(self, setting: nodes.SettingLine | None, scope: Scope) -> ModelUse:
        found = self.models.named(setting, scope) if setting else self.models.default(scope)
        if len(found) > 1 and setting:
            help = "name one of its models: a text is written by one"
            scope.report(
                "RMG322", "a panel judges, and writes nothing", setting.value.span, help=help
            )
        elif len(found) > 1:
            help = "say who writes: `model = NAME`"
            at = scope.file.declared.get("judge")
            span = at.span if at is not None else Span(0, 1)
            scope.report(
                "RMG322",
                f"the default model is a panel, and {scope.owner} needs one writer",
                span,
                help=help,
            )
        return found[0]

    # ── what is watched ──

    def _by(
        self,
        declared: nodes.RefineDecl,
        found: Mapping[str, nodes.SettingLine],
        scope: Scope,
        drafting: Scope,
    ) -> Watched | None:
        """What to improve: `by`, or the one score that `until` is about."""
        if "by" in found:
            by = self._watched(found["by"].value, "by", scope, drafting)
            at = found["by"].value
        elif "until" in found:
            named = [
                n
                for n in nodes.walk(found["until"].value)
                if isinstance(n, nodes.NameNode) and _is_score(n, scope)
            ]
            if len({node.id for node in named}) != 1:
                self._unclear(found["until"].value, named, scope)
                return None
            by, at = self._watched(named[0], "until", scope, drafting), named[0]
        else:
            if is_whole(declared.body, "refine"):
                help = "add `until = reward >= …` or `by = reward`"
                scope.report(
                    "RMG212",
                    f"{scope.owner} does not say what to improve",
                    declared.name.span,
                    help=help,
                )
            return None
        if by is not None and by.first == by.later:
            message = f"`{scope.text(at)}` does not look at `{declared.name.id}`: no draft could make it better"
            help = f"name a grader or an aggregate that reads `{declared.name.id}`"
            scope.report("RMG322", message, at.span, help=help)
            return None
        return by

    def _duel(self, node: nodes.Expr, by: Watched, scope: Scope, drafting: Scope) -> Watched | None:
        """A pairwise of `[response, best]`: each draft has to beat the best one before it."""
        compared = self.book.scoring(by.later)
        if not isinstance(compared, Compared):
            return None
        bound = tuple(sorted((*drafting.bound, ("best", _WORDS["best"])), key=lambda pair: pair[0]))
        later = self._expressions.check(node, replace(drafting, bound=bound)).term
        if not isinstance(later, ScoreOf) or later.scoring == by.later:
            return None
        against = self.book.scoring(later.scoring)
        assert isinstance(against, Compared)
        if InLoop("best") in expr.walk(against.sides[0]):
            help = f"write `compare = [{drafting.bound[0][0]}, best]`"
            scope.report(
                "RMG322",
                "a draft is compared with the best one, and stands first",
                node.span,
                help=help,
            )
        return replace(by, later=later.scoring)

    @staticmethod
    def _unclear(until: nodes.Expr, named: list[nodes.NameNode], scope: Scope) -> None:
        if named:
            names = listed(dict.fromkeys(node.id for node in named))
            help = f"say which one is to be improved: `by = {named[0].id}`"
            scope.report(
                "RMG212", f"`until` of {scope.owner} is about {names}", until.span, help=help
            )

    def _watched(self, node: nodes.Expr, key: str, scope: Scope, drafting: Scope) -> Watched | None:
        """A score of the row and of a draft in its place; none where it is none, which is reported."""
        if not self._expressions.wants_score(node, scope, f"`{key}` of {scope.owner}"):
            return None
        first = self._expressions.check(node, scope)
        if not isinstance(first.term, expr.ScoreOf):
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
                f"`{scope.text(node)}` is {first.type}, which has no better and worse",
                node.span,
                help=help,
            )
            return None
        if isinstance(self.book.scoring(first.term.scoring), Ranked):
            help = "name what the ranking goes by"
            scope.report(
                "RMG322",
                f"`{scope.text(node)}` ranks rows, and a draft is no row",
                node.span,
                help=help,
            )
            return None
        later = self._expressions.check(node, drafting).term
        assert isinstance(later, expr.ScoreOf)
        name = node.id if isinstance(node, nodes.NameNode) else " ".join(scope.text(node).split())
        return Watched(name, first.term.scoring, later.scoring, first.type)

    def _several(
        self, setting: nodes.SettingLine | None, key: str, scope: Scope, drafting: Scope
    ) -> tuple[Watched, ...]:
        if setting is None:
            return ()
        if not isinstance(setting.value, nodes.ListNode):
            help = f"write `{key} = [harmlessness]`"
            scope.report("RMG322", f"`{key}` is a list of graders", setting.value.span, help=help)
            return ()
        found = (self._watched(item, key, scope, drafting) for item in setting.value.items)
        return tuple(watched for watched in found if watched)

    def _feedback(
        self, setting: nodes.SettingLine | None, scope: Scope, drafting: Scope
    ) -> tuple[Watched, ...]:
        """The graders whose words the writer gets; none for `reasons`, which are those of all that `by` needs."""
        if setting is None or (
            isinstance(setting.value, nodes.NameNode) and setting.value.id == "reasons"
        ):
            return ()
        items = (
            setting.value.items if isinstance(setting.value, nodes.ListNode) else (setting.value,)
        )
        found = (self._watched(item, "feedback", scope, drafting) for item in items)
        return tuple(watched for watched in found if watched)

    def _needed_by(self, by: Watched, scope: Scope, drafting: Scope) -> tuple[Watched, ...]:
        """The declared graders that `by` needs, or is: their reasons say what to improve."""
        scorings = list(self.book.scorings)
        read = reached([by.later], lambda number: read_by(scorings[number]))
        found: list[Watched] = []
        for name, declared in scope.file.declared.items():
            if not isinstance(declared, nodes.GraderDecl):
                continue
            first = self.graders.resolve(Foreign(scope.file, name))
            later = self.graders.resolve(Foreign(scope.file, name), drafting.bound)
            if first and later and later.scoring in read:
                found.append(Watched(name, first.scoring, later.scoring, first.type))
        return tuple(found)

    def _until(
        self, setting: nodes.SettingLine, scope: Scope, drafting: Scope
    ) -> tuple[Term, Term] | None:
        owner = f"`until` of {scope.owner}"
        sides = [
            side
            for node in nodes.walk(setting.value)
            if isinstance(node, nodes.ComparisonNode)
            for side in (node.first, *(operand for _, operand in node.rest))
        ]
        known = [self._expressions.wants_score(side, scope, owner) for side in sides]
        if not all(known):
            return None
        found = self._expressions.condition(setting.value, scope)
        unknown = any(term == UNKNOWN.term for term in expr.walk(found.term))
        if not any(True for _ in expr.scorings_in(found.term)):
            if not unknown and not scope.file.incomplete:
                help = "name a grader or an aggregate: `until = reward >= 4`"
                scope.report("RMG215", f"{owner} names no score", setting.value.span, help=help)
            return None
        return found.term, self._expressions.condition(setting.value, drafting).term

    # ── what is written ──

    def _improve(
        self,
        declared: nodes.RefineDecl,
        found: Mapping[str, nodes.SettingLine],
        scope: Scope,
        drafting: Scope,
    ) -> Written:
        own = {key: found[key] for key in ("prompt", "system") if key in found}
        words = replace(drafting, words=_WORDS)
        if "prompt" in found:
            self._check_feedback(found["prompt"], scope)
            return self._written(own, words)
        seen = drafting.touched - {drafting.bound[0][0]}
        shown = [name for name in _SHOWN_TO_WRITERS if name in seen]
        return self._supplied(own, shown, words, declared.name.span)

    @staticmethod
    def _check_feedback(setting: nodes.SettingLine, scope: Scope) -> None:
        text = setting.value
        if isinstance(text, nodes.TextNode) and "feedback" not in {
            v.name for v in outline(text.value).variables
        }:
            help = "put in `{{ feedback }}`: what the graders say of the latest draft"
            message = f"the prompt of {scope.owner} does not show the feedback"
            scope.report("RMG320", message, text.span, help=help, severity="warning")

    def _supplied(
        self, own: Mapping[str, nodes.SettingLine], shown: list[str], scope: Scope, at: Span
    ) -> Written:
        """The prompt that is used where the author gives none: the constant part, what it is about, text, feedback."""
        name = scope.bound[0][0]
        parts = [_IMPROVE, *(f"{each}:\n{{{{ {each} }}}}\n" for each in shown)]
        parts += [f"Text:\n{{{{ {name} }}}}\n", "Feedback:\n{{ feedback }}"]
        bound = {
            each: self._expressions.check(nodes.NameNode(each, at), scope).term for each in shown
        }
        bound |= {name: InLoop("draft"), "feedback": InLoop("feedback")}
        system = self._written(own, scope) if own else None
        return Written(
            "\n".join(parts),
            system.system if system else _SYSTEM,
            tuple(sorted({**bound, **dict(system.bound if system else ())}.items())),
            system.constants if system else (),
            (name, *(system.needs if system else ())),
        )

    def _written(self, found: Mapping[str, nodes.SettingLine], scope: Scope) -> Written:
        checked: dict[str, CheckedTemplate] = {}
        for key, setting in found.items():
            if isinstance(setting.value, nodes.TextNode):
                checked[key] = check_template(
                    setting.value, self._expressions, scope, f"the {setting.key.id}"
                )
            else:
                unquoted_text(setting, scope)
        names = merged(checked)
        prompt, system = (
            checked[key].text if key in checked else "" for key in ("prompt", "system")
        )
        return Written(prompt, system or _SYSTEM, names.bound, names.constants, names.needs)


def _is_score(node: nodes.NameNode, scope: Scope) -> bool:
    found = scope.file.find(node.id)
    scores = nodes.GraderDecl | nodes.AggregateDecl | nodes.PairwiseDecl | nodes.RankingDecl
    return found is not None and isinstance(found.file.declared[found.name], scores)


def _count(setting: nodes.SettingLine | None) -> int | None:
    value = setting.value if setting else None
    return (
        value.value
        if isinstance(value, nodes.NumberNode) and isinstance(value.value, int)
        else None
    )


def _word(setting: nodes.SettingLine | None) -> str:
    return setting.value.id if setting and isinstance(setting.value, nodes.NameNode) else ""
