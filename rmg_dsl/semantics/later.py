"""Declarations that this version checks and cannot run yet: pairwise, ranking, refine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rmg_dsl.semantics import terms
from rmg_dsl.semantics.expressions import Expressions
from rmg_dsl.semantics.keys import KEYS, check_plain, settings_of
from rmg_dsl.semantics.models import ModelTable
from rmg_dsl.semantics.prompts import check_template, unquoted_text
from rmg_dsl.semantics.scope import Book, Scope, Typed
from rmg_dsl.semantics.spec import Unready
from rmg_dsl.semantics.templates import outline
from rmg_dsl.semantics.types import ANY
from rmg_dsl.syntax import nodes


@dataclass(frozen=True, slots=True)
class LaterChecks:
    """Checks the blocks of what runs in a later version, so that its mistakes are known now."""

    book: Book
    models: ModelTable
    expressions: Expressions

    def check_comparison(self, declared: nodes.Pairwise | nodes.Ranking, scope: Scope) -> None:
        """`pairwise` and `ranking`: which answer is better."""
        kind = "pairwise" if isinstance(declared, nodes.Pairwise) else "ranking"
        found = settings_of(declared.body, kind, scope)
        words = self._sides(found, scope)
        for key, setting in found.items():
            self._check_key(kind, key, setting, replace(scope, words=words))
        self._check_whole(declared, found, scope)
        self.book.unready.append(Unready(f"`{kind}`", scope.file.source, declared.span))

    @staticmethod
    def _check_whole(
        declared: nodes.Pairwise | nodes.Ranking, found: Mapping[str, nodes.Setting], scope: Scope
    ) -> None:
        """Is the comparison all there: both sides in the prompt, one way to rank?"""
        at = declared.name.span
        if isinstance(declared, nodes.Pairwise):
            prompt = found["prompt"].value if "prompt" in found else None
            if isinstance(prompt, nodes.Text) and not {"a", "b"} <= {v.name for v in outline(prompt.value).variables}:
                scope.report(
                    "RMG320",
                    f"the prompt of {scope.owner} does not show both answers",
                    prompt.span,
                    help="put in `{{ a }}` and `{{ b }}`",
                )
        elif "by" in found and ("prompt" in found or "among" in found):
            scope.report(
                "RMG115",
                f"{scope.owner} ranks by a judge or by a score, not by both",
                found["by"].span,
                help="keep `by`, or `among` and `prompt`",
            )
        elif "by" not in found and "prompt" not in found and not declared.body.damaged:
            scope.report(
                "RMG212",
                f"{scope.owner} does not say how to rank",
                at,
                help="add `by = reward`, or `among = …` and `prompt = …`",
            )

    def _sides(self, found: Mapping[str, nodes.Setting], scope: Scope) -> dict[str, Typed]:
        """`{{ a }}` and `{{ b }}` of a comparison."""
        setting = found.get("compare")
        if setting is None:
            return {}
        value = setting.value
        if not isinstance(value, nodes.ListOf) or len(value.items) != 2:
            scope.report(
                "RMG322", "`compare` is a list of two fields", value.span, help="write `compare = [response, baseline]`"
            )
            return {name: Typed(terms.Constant(None, "unknown"), ANY) for name in ("a", "b")}
        return {name: self.expressions.check(item, scope) for name, item in zip("ab", value.items, strict=True)}

    def _check_key(self, kind: str, key: str, setting: nodes.Setting, scope: Scope) -> None:
        spec = KEYS[kind][key]
        check_plain(setting, spec, scope)
        if spec.shape == "prompt":
            if isinstance(setting.value, nodes.Text):
                check_template(setting.value, self.expressions, scope, f"the {key}")
            else:
                unquoted_text(setting, scope)
        elif spec.shape == "model":
            self.models.named(setting, scope)
        elif spec.shape in ("expr", "score"):
            if spec.shape == "score":
                self.expressions.wants_score(setting.value, scope, f"`{key}` of {scope.owner}")
            self.expressions.check(setting.value, scope)
