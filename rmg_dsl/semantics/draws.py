"""Several draws of one judge: whether `samples`, `pool` and `generator` fit the scale and the model."""

from __future__ import annotations

from collections.abc import Mapping

from rmg_dsl.scales import Labels, Points, YesNo
from rmg_dsl.semantics.scope import Scope
from rmg_dsl.semantics.terms import Judged
from rmg_dsl.syntax import nodes


def check_draws(scoring: Judged, found: Mapping[str, nodes.Setting], scope: Scope) -> None:
    """Report what cannot go together, before anything is paid for it."""
    _check_samples(scoring, found.get("samples"), scope)
    _check_pool(scoring, found.get("pool"), scope)
    _check_generator(scoring, found.get("generator"), scope)


def _check_samples(scoring: Judged, setting: nodes.Setting | None, scope: Scope) -> None:
    if setting is None or not isinstance(setting.value, nodes.Number) or setting.value.value <= 1:
        return
    # Of an imported model the author of this file knows little, and `temperature` may be there for its other graders.
    own = isinstance(scope.file.declared.get(scoring.model.label), nodes.ModelDecl)
    if own and dict(scoring.model.settings).get("temperature") == 0:
        help = "leave `temperature` out of the model: several draws are then made at 1"
        scope.report(
            "RMG327", "several draws at temperature 0 are one draw paid several times", setting.span, help=help
        )


def _check_pool(scoring: Judged, setting: nodes.Setting | None, scope: Scope) -> None:
    if setting is None or not isinstance(setting.value, nodes.Name):
        return
    word, scale = setting.value.id, scoring.scale
    unordered = isinstance(scale, Labels) and scale.values is None
    if word != "majority" and unordered:
        scope.report(
            "RMG322", f"labels without values have no {word}", setting.value.span, help="write `pool = majority`"
        )
    elif word == "median" and isinstance(scale, YesNo | Points):
        scope.report("RMG322", f"{scale} has no median of its own", setting.value.span, help="write `pool = majority`")


def _check_generator(scoring: Judged, setting: nodes.Setting | None, scope: Scope) -> None:
    if setting is None or not isinstance(setting.value, nodes.Text) or not scoring.model.name:
        return
    family = setting.value.value.strip().lower()
    if family and family in scoring.model.name.lower():
        help = "judges favour their own family; ask a judge of another one"
        message = f"{scoring.model.name} would judge answers of its own family, {setting.value.value}"
        scope.report("RMG328", message, setting.span, help=help)
