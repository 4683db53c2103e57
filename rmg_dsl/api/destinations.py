"""Where the rows and the keys of a run go: one line for each model, for plans and dry runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rmg_dsl.api.options import Options
from rmg_dsl.api.run_models import choice_of, model_spec_of
from rmg_dsl.config import Settings
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.models import LOCAL_PROVIDER, model_destination, permissions_of
from rmg_dsl.plan import Plan


@dataclass(frozen=True, slots=True)
class ModelDestination:
    """Where the calls of one model go.

    `server` is scheme, host and port, None where nothing leaves this process. `key_variable` names
    the environment variable whose key is sent. `problem` says what the caller must allow first.
    """

    label: str
    model: str
    server: str | None = None
    key_variable: str | None = None
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        if self.server is None:
            return f"model `{self.label}` is {self.model}: no row leaves this process"
        key = "without a key"
        if self.key_variable is not None:
            key = f"with the key in {self.key_variable}"
        return f"model `{self.label}` is {self.model}: rows go to {self.server}, {key}"


def model_destinations(plan: Plan, options: Options) -> tuple[ModelDestination, ...]:
    """The destination of each model that a step of the plan calls, once for each.

    It reads no key. A model that nobody names yet is left out. Raises ModelError for an unknown
    provider or a missing base URL.
    """
    settings = Settings.of()
    uses = dict.fromkeys(use for step in plan.model_steps for use in step.models)
    destinations = (_destination_of(use, options, settings) for use in uses)
    return tuple(dict.fromkeys(entry for entry in destinations if entry is not None))


def _destination_of(use: ModelUse, options: Options, settings: Settings) -> ModelDestination | None:
    chosen = choice_of(use, options.model)
    if chosen is not None and not isinstance(chosen, str):
        return ModelDestination(use.label, chosen.name)
    if not (chosen or use.name or settings.model):
        return None
    spec = model_spec_of(use, chosen, settings)
    if spec.provider == LOCAL_PROVIDER:
        return ModelDestination(use.label, spec.full_name)
    permissions = permissions_of(settings, options.allow_hosts, options.allow_env)
    place = model_destination(spec, settings, permissions)
    server = str(place.origin)
    return ModelDestination(use.label, spec.full_name, server, place.key_variable, place.problem)


def with_chosen_names(plan: Plan, options: Options) -> Plan:
    """The plan with the names of the models that the caller chose instead of the declared ones."""
    uses = {use for step in plan.model_steps for use in step.models}
    chosen = {use: _chosen_name(use, options) for use in uses}
    names: Mapping[ModelUse, str] = {use: name for use, name in chosen.items() if name is not None}
    return replace(plan, chosen_names=names)


def _chosen_name(use: ModelUse, options: Options) -> str | None:
    chosen = choice_of(use, options.model)
    if chosen is None or isinstance(chosen, str):
        return chosen
    return chosen.name
