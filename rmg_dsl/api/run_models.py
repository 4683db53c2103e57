"""Which model answers for which grader: from declared names, the caller's choice and the environment to open models."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

from rmg_dsl.api.options import ModelChoice, Options
from rmg_dsl.config import Settings
from rmg_dsl.errors import CallError, DataError, ModelError, UsageError
from rmg_dsl.ir.scoring import ModelUse, draft_scorings_of
from rmg_dsl.ir.suite import Output
from rmg_dsl.messages import Model, Reply, Request, Usage
from rmg_dsl.models import (
    FILE_NAME,
    CallCancelled,
    CallLimiter,
    ConcurrencyLimitedModel,
    Endpoints,
    ModelSpec,
    Price,
    ReplyCache,
    open_model,
    parse_model_name,
)
from rmg_dsl.models.adaptive_limit import MAX_CONCURRENCY, START_CONCURRENCY
from rmg_dsl.models.wrapper import ModelWrapper
from rmg_dsl.plan import AskStep, Plan, RankStep, RefineStep, needed_by
from rmg_dsl.runtime import BudgetCheck, RunModel, Tally
from rmg_dsl.suggest import format_names, suggest_name

_NOT_INHERITED = ("base_url", "api_key_env", "extra_body", "price")


@dataclass(frozen=True, slots=True)
class RunResources:
    """What the models of one run share: connections, and the cache of replies where there is one."""

    endpoints: Endpoints
    cache: ReplyCache | None

    @classmethod
    def of(cls, options: Options, settings: Settings) -> RunResources:
        return cls(
            Endpoints(), ReplyCache(settings.cache_dir / FILE_NAME) if options.cache else None
        )

    async def close(self) -> None:
        await self.endpoints.close()
        if self.cache is not None:
            self.cache.close()

    @property
    def notes(self) -> tuple[str, ...]:
        return (self.cache.note,) if self.cache is not None and self.cache.note else ()


def open_crews(
    uses: Iterable[ModelUse],
    declared: Iterable[ModelUse],
    options: Options,
    settings: Settings,
    shared: RunResources,
) -> dict[ModelUse, RunModel]:
    """A model for each use, every one known to be askable before the first call. Raises ModelError, UsageError.

    `declared` are the models of the whole spec: the caller may name one that this run does not need.
    """
    wanted = list(dict.fromkeys(uses))
    _check_names({use.label for use in [*wanted, *declared]}, options.model)
    return {use: _crew(use, options, settings, shared) for use in wanted}


def _check_names(labels: set[str], choice: ModelChoice | Mapping[str, ModelChoice] | None) -> None:
    if not isinstance(choice, Mapping):
        return
    for name in choice:
        if name and name not in labels:
            close = suggest_name(name, labels)
            advice = (
                f"did you mean `{close}`?"
                if close
                else f"it asks {format_names(labels) or 'no model'}"
            )
            raise UsageError(f"the spec asks no model named `{name}`: {advice}", code="RMG223")


def _crew(use: ModelUse, options: Options, settings: Settings, shared: RunResources) -> RunModel:
    """The model, and how many calls it may have in flight; where nobody says how many, its limiter finds out."""
    chosen = choice_of(use, options.model)
    declared = dict(use.settings).get("concurrency")
    most = options.concurrency or (declared if isinstance(declared, int) else settings.concurrency)
    cancellation = shared.endpoints.cancellation
    if chosen is not None and not isinstance(chosen, str):
        return RunModel(
            ConcurrencyLimitedModel(
                chosen, most or START_CONCURRENCY, CallLimiter(cancellation=cancellation)
            ),
            most or START_CONCURRENCY,
            cancellation.cancel,
        )
    spec = model_spec_of(use, chosen, settings)
    if most is not None:
        spec = replace(spec, settings={**spec.settings, "concurrency": most})
    refresh = options.cache == "refresh"
    model = open_model(spec, settings, shared.endpoints, cache=shared.cache, refresh=refresh)
    return RunModel(model, most or MAX_CONCURRENCY, cancellation.cancel)


def choice_of(
    use: ModelUse, choice: ModelChoice | Mapping[str, ModelChoice] | None
) -> ModelChoice | None:
    """What the caller wants in the place of a declared model."""
    if not isinstance(choice, Mapping):
        return choice if use.is_default else None
    named = choice.get(use.label)
    return choice.get("") if named is None and use.is_default else named


def price_of(use: ModelUse, options: Options) -> Price | None:
    """What the model's tokens cost: a price is of the declared model, and not of one that took its place."""
    price = dict(use.settings).get("price")
    return Price.of(str(price)) if price and choice_of(use, options.model) is None else None


def cost_of(plan: Plan, options: Options, tally: Tally) -> float | None:
    """What was spent so far, in USD; none where a model that was asked has no price."""
    priced = {step.number: step_cost(step, options, tally) for step in plan.model_steps}
    known = [cost for cost in priced.values() if cost is not None]
    unknown = any(
        cost is None and tally.usage_of_step(number).calls for number, cost in priced.items()
    )
    return round(sum(known), 12) if known and not unknown else None


def charged_steps(output: Output, plan: Plan) -> list[AskStep | RankStep | RefineStep]:
    """The steps whose calls an output is to be charged with: its own, and of a loop those that grade its drafts."""
    own = next(step for step in plan.model_steps if step.number == output.scoring)
    if not isinstance(own, RefineStep):
        return [own]
    reached = needed_by(plan, *draft_scorings_of(own.scoring))
    shown = {each.scoring for each in plan.outputs}
    return [own, *(step for step in plan.asks if step.number in reached - shown)]


def steps_usage(steps: Iterable[AskStep | RankStep | RefineStep], tally: Tally) -> Usage:
    return sum((tally.usage_of_step(step.number) for step in steps), Usage())


def total_cost(costs: Sequence[float | None]) -> float | None:
    """What these cost together; none where nobody knows of one that was asked."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def step_cost(
    step: AskStep | RankStep | RefineStep, options: Options, tally: Tally
) -> float | None:
    """What one grader's questions cost; none where a model that it asked has no price."""
    used = {use: tally.by_model.get((step.number, use), Usage()) for use in step.models}
    priced = {use: price for use in used if (price := price_of(use, options))}
    if not priced or any(usage.calls and use not in priced for use, usage in used.items()):
        return None
    return sum(price.cost(used[use]) for use, price in priced.items())


def budget_guard(
    uses: Iterable[ModelUse], options: Options, cost: Callable[[Tally], float | None]
) -> BudgetCheck:
    """What stops a run at its budget. Raises UsageError where a model has no price: nobody would know what is spent."""
    budget = options.budget
    if budget is None:
        return lambda _: ""
    for use in uses:
        if (
            price_of(use, options) is None
            and (choice_of(use, options.model) or use.name) != "local/lexical"
        ):
            raise UsageError(
                f"`budget` needs the price of every model, and `{use.label}` has none: "
                'write llm("…", price="0.10/0.40"), USD per million tokens in and out'
            )
    return lambda tally: (
        f"the budget of {budget:g} USD is spent" if (cost(tally) or 0.0) >= budget else ""
    )


def model_spec_of(use: ModelUse, chosen: str | None, settings: Settings) -> ModelSpec:
    """The model that a use comes to. Raises ModelError where nobody names one."""
    declared = dict(use.settings)
    name = chosen or use.name or settings.model
    if name is None:
        raise ModelError(
            "no model is named. Give one with --model or model= (openai/gpt-6-luna, ollama/qwen3 …), in RMG_MODEL, "
            'or in the spec: `model judge = llm("provider/name")`. `local/lexical` is a baseline that needs no key',
            code="RMG602",
        )
    if chosen is not None:
        declared = {key: value for key, value in declared.items() if key not in _NOT_INHERITED}
    provider, model = parse_model_name(name)
    return ModelSpec(provider, model, declared, use.label)


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────


class LoggingModel(ModelWrapper):
    """A model whose every request and reply is written down, as it was sent and as it came. A key is in neither."""

    def __init__(self, model: Model, write: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(model)
        self._write = write

    async def complete(self, request: Request) -> Reply:
        entry = {
            "row": request.row,
            "grader": request.question.grader,
            "model": self.name,
            "draw": request.draw,
            "again": bool(request.follow_up),
            "messages": [asdict(message) for message in request.messages],
        }
        try:
            reply = await self._model.complete(request)
        except CallError as error:
            failed = {
                "error": str(error),
                "status_code": error.status_code,
                "attempts": error.attempts,
            }
            self._write({**entry, **failed})
            raise
        except CallCancelled as error:
            self._write(
                {**entry, "error": "cut off", "status_code": None, "attempts": error.attempts}
            )
            raise
        self._write({**entry, **_reply_entry(reply)})
        return reply


def _reply_entry(reply: Reply) -> dict[str, Any]:
    return {
        "reply": reply.text,
        "refusal": reply.refusal,
        "finish": reply.finish,
        "attempts": reply.usage.calls,
        "raw": reply.raw,
    }


def logging_crews(
    crews: Mapping[ModelUse, RunModel], path: str | os.PathLike[str] | None, stack: ExitStack
) -> dict[ModelUse, RunModel]:
    """The crews, with a log of what they are asked and say where a path is given; the file is closed with `stack`."""
    if path is None:
        return dict(crews)
    try:
        # Half of a surrogate pair, which UTF-8 cannot hold, is written as its escape, which is one of JSON too.
        opened = open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - closed with `stack`
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DataError(f"the log {os.fspath(path)} cannot be written: {why}") from None

    file: IO[str] = stack.enter_context(opened)

    def write(entry: Mapping[str, Any]) -> None:
        file.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")
        file.flush()

    return {
        use: replace(crew, model=LoggingModel(crew.model, write)) for use, crew in crews.items()
    }
