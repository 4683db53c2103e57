"""Open the models of a run, from declared names, the options and the environment.

Also their prices, the budget, and the log of their calls.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from typing import IO

from rmg_dsl.api.options import ModelChoice, Options
from rmg_dsl.config import Settings
from rmg_dsl.errors import CallError, DataError, ModelError, UsageError
from rmg_dsl.ir.scoring import ModelUse, draft_scorings_of
from rmg_dsl.ir.suite import Output
from rmg_dsl.judge import read_reply
from rmg_dsl.messages import Model, Reply, Request, Usage
from rmg_dsl.models import (
    FILE_NAME,
    CallCancelled,
    CallLimiter,
    ConcurrencyLimitedModel,
    Endpoints,
    InFlightRequests,
    ModelSpec,
    Price,
    ReplyCache,
    ReplyStore,
    RunReplies,
    open_model,
    parse_model_name,
    permissions_of,
)
from rmg_dsl.models.adaptive_limit import MAX_CONCURRENCY, START_CONCURRENCY
from rmg_dsl.models.lexical import LEXICAL_NAME
from rmg_dsl.models.wrapper import ModelWrapper
from rmg_dsl.plan import AskStep, Plan, RankStep, RefineStep, needed_by
from rmg_dsl.results import Score
from rmg_dsl.runtime import BudgetCheck, RunModel, Tally
from rmg_dsl.suggest import format_names, suggest_name

# Settings that belong to one endpoint or one model: a replacement does not inherit them.
_NOT_INHERITED = ("base_url", "api_key_env", "extra_body", "price")


@dataclass(frozen=True, slots=True)
class RunResources:
    """What the models of one run share: connections and the store of replies.

    Without the reply cache the replies of the run are kept in memory until its end: equal requests
    are sent once in any case.
    """

    endpoints: Endpoints
    replies: ReplyStore

    @classmethod
    def of(cls, options: Options, settings: Settings) -> RunResources:
        """Open the cache, unless the options turn it off. No connection is opened yet."""
        if options.cache:
            return cls(Endpoints(), ReplyCache(settings.cache_dir / FILE_NAME))
        return cls(Endpoints(), RunReplies())

    def share_calls_in_flight(self) -> None:
        """Let the runs on this event loop wait for the same call instead of sending it twice.

        Runs without the reply cache share nothing: whoever repeats one wants other replies.
        """
        if not isinstance(self.replies, RunReplies):
            self.endpoints.in_flight.share_with(InFlightRequests.of_running_loop())

    async def close(self) -> None:
        """Close the connections and the cache."""
        await self.endpoints.close()
        self.replies.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the result must know of the cache, such as a failure of it."""
        return (self.replies.note,) if self.replies.note else ()


def open_run_models(
    uses: Iterable[ModelUse],
    declared: Iterable[ModelUse],
    options: Options,
    settings: Settings,
    shared: RunResources,
) -> dict[ModelUse, RunModel]:
    """Open a model for each use, before the first call. Raises ModelError and UsageError.

    `declared` are the models of the whole spec: the caller may replace one that this run does not
    need.
    """
    unique = list(dict.fromkeys(uses))
    _check_names({use.label for use in [*unique, *declared]}, options.model)
    return {use: _open_run_model(use, options, settings, shared) for use in unique}


def _check_names(labels: set[str], choice: ModelChoice | Mapping[str, ModelChoice] | None) -> None:
    if not isinstance(choice, Mapping):
        return
    for name in choice:
        if name and name not in labels:
            advice = f"it asks {format_names(labels) or 'no model'}"
            if close := suggest_name(name, labels):
                advice = f"did you mean `{close}`?"
            raise UsageError(f"the spec asks no model named `{name}`: {advice}", code="RMG223")


def _open_run_model(
    use: ModelUse, options: Options, settings: Settings, shared: RunResources
) -> RunModel:
    """Open a model, with its limit of calls in flight; without one its limiter adapts."""
    chosen = choice_of(use, options.model)
    declared = dict(use.settings).get("concurrency")
    most = options.concurrency
    if most is None:
        most = declared if isinstance(declared, int) else settings.concurrency
    cancellation = shared.endpoints.cancellation
    if chosen is not None and not isinstance(chosen, str):
        # The caller's own model reports no rate limits, so its limit stays fixed.
        limit = most or START_CONCURRENCY
        limiter = CallLimiter(cancellation=cancellation)
        limited = ConcurrencyLimitedModel(chosen, limit, limiter, holds=False)
        return RunModel(limited, limit, cancellation.cancel)
    spec = model_spec_of(use, chosen, settings)
    if most is not None:
        spec = replace(spec, settings={**spec.settings, "concurrency": most})
    refresh = options.cache == "refresh"
    model = open_model(
        spec,
        settings,
        shared.endpoints,
        cache=shared.replies,
        refresh=refresh,
        is_usable=_gives_a_score if options.cache == "failed" else None,
        permissions=permissions_of(settings, options.allow_hosts, options.allow_env),
    )
    return RunModel(model, most or MAX_CONCURRENCY, cancellation.cancel)


def _gives_a_score(reply: Reply, request: Request) -> bool:
    return isinstance(read_reply(reply, request.question), Score)


def choice_of(
    use: ModelUse, choice: ModelChoice | Mapping[str, ModelChoice] | None
) -> ModelChoice | None:
    """The caller's replacement for a declared model, or None."""
    if not isinstance(choice, Mapping):
        return choice if use.is_default else None
    named = choice.get(use.label)
    if named is None and use.is_default:
        return choice.get("")
    return named


def price_of(use: ModelUse, options: Options) -> Price | None:
    """The price of a model's tokens. A replacement does not inherit the price of the declared
    one.
    """
    price = dict(use.settings).get("price")
    if not price or choice_of(use, options.model) is not None:
        return None
    return Price.of(str(price))


def cost_of(plan: Plan, options: Options, tally: Tally) -> float | None:
    """The cost so far, in USD; None where a model that was called has no price."""
    priced = {step.number: step_cost(step, options, tally) for step in plan.model_steps}
    costs = [cost for cost in priced.values() if cost is not None]
    is_incomplete = any(
        cost is None and tally.usage_of_step(number).calls for number, cost in priced.items()
    )
    if not costs or is_incomplete:
        return None
    # Sums of prices such as 0.1 would show their binary rounding.
    return round(sum(costs), 12)


def charged_steps(output: Output, plan: Plan) -> list[AskStep | RankStep | RefineStep]:
    """The steps that an output pays for: its own, and for `refine` those that grade its drafts."""
    own = next(step for step in plan.model_steps if step.number == output.scoring)
    if not isinstance(own, RefineStep):
        return [own]
    reached = needed_by(plan, *draft_scorings_of(own.scoring))
    # A grader that is an output itself pays for its own calls.
    inner = reached - {other.scoring for other in plan.outputs}
    return [own, *(step for step in plan.asks if step.number in inner)]


def steps_usage(steps: Iterable[AskStep | RankStep | RefineStep], tally: Tally) -> Usage:
    """The calls and tokens of several steps, added up."""
    return sum((tally.usage_of_step(step.number) for step in steps), Usage())


def total_cost(costs: Sequence[float | None]) -> float | None:
    """The sum of the costs; None where one of them is unknown."""
    total = 0.0
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def step_cost(
    step: AskStep | RankStep | RefineStep, options: Options, tally: Tally
) -> float | None:
    """The cost of one step, in USD; None where a model that it called has no price."""
    used = {use: tally.by_model.get((step.number, use), Usage()) for use in step.models}
    priced = {use: price for use in used if (price := price_of(use, options))}
    if not priced or any(usage.calls and use not in priced for use, usage in used.items()):
        return None
    return sum(price.cost(used[use]) for use, price in priced.items())


def budget_guard(
    uses: Iterable[ModelUse], options: Options, cost: Callable[[Tally], float | None]
) -> BudgetCheck:
    """The check that stops a run at its budget. Raises UsageError where a model has no price."""
    budget = options.budget
    if budget is None:
        return lambda _: ""
    for use in uses:
        name = choice_of(use, options.model) or use.name
        # The baseline is free.
        if price_of(use, options) is None and name != LEXICAL_NAME:
            raise UsageError(
                f"`budget` needs the price of every model, and `{use.label}` has none: "
                'write llm("…", price="0.10/0.40"), USD per million tokens in and out'
            )

    def check(tally: Tally) -> str:
        if (cost(tally) or 0.0) < budget:
            return ""
        return f"the budget of {budget:g} USD is spent"

    return check


def model_spec_of(use: ModelUse, chosen: str | None, settings: Settings) -> ModelSpec:
    """The model for a use. Raises ModelError where neither call, spec nor environment names one."""
    declared = dict(use.settings)
    name = chosen or use.name or settings.model
    if name is None:
        raise ModelError(
            "no model is named. Give one with --model or model= (openai/gpt-6-luna, "
            "ollama/qwen3 …), in RMG_MODEL, or in the spec: "
            '`model judge = llm("provider/name")`. '
            "`local/lexical` is a baseline that needs no key",
            code="RMG602",
        )
    if chosen is not None:
        declared = {key: value for key, value in declared.items() if key not in _NOT_INHERITED}
    provider, model = parse_model_name(name)
    return ModelSpec(provider, model, declared, use.label)


# ── the log ──


class CallLog:
    """The file of `--log`. A disk that is full ends the log, and not the run that is paid for."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.note = ""
        self._name = os.fspath(path)
        try:
            # UTF-8 cannot encode half of a surrogate pair; its escape is valid JSON.
            self._file: IO[str] | None = open(  # noqa: SIM115 - `close` closes it
                path, "w", encoding="utf-8", errors="backslashreplace"
            )
        except OSError as error:
            raise DataError(self._problem(error)) from None

    def write(self, entry: Mapping[str, object]) -> None:
        """Write a line; nothing once the log has ended."""
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")
            # After a crash the log must hold what was paid for.
            self._file.flush()
        except OSError as error:
            self.note = f"{self._problem(error)}; it ends early, the results are whole"
            self.close()

    def close(self) -> None:
        """End the log."""
        file, self._file = self._file, None
        # What could not be written is still in the buffer, and fails once more.
        with suppress(OSError):
            if file is not None:
                file.close()

    def _problem(self, error: OSError) -> str:
        return f"the log {self._name} cannot be written: {(error.strerror or str(error)).lower()}"


class LoggingModel(ModelWrapper):
    """A model whose requests and raw replies are logged. Neither contains a key."""

    def __init__(self, model: Model, log: CallLog) -> None:
        super().__init__(model)
        self._log = log
        self._write = log.write

    @property
    def note(self) -> str:
        """The note of the model, and that of the log."""
        return "; ".join(note for note in (super().note, self._log.note) if note)

    async def complete(self, request: Request) -> Reply:
        """Ask the model, and log the request with its reply or its error."""
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
            self._write({**entry, **_error_entry(str(error), error.status_code, error.attempts)})
            raise
        except CallCancelled as error:
            self._write({**entry, **_error_entry("cut off", None, error.attempts)})
            raise
        self._write({**entry, **_reply_entry(reply)})
        return reply


def _error_entry(message: str, status_code: int | None, attempts: int) -> dict[str, object]:
    return {"error": message, "status_code": status_code, "attempts": attempts}


def _reply_entry(reply: Reply) -> dict[str, object]:
    return {
        "reply": reply.text,
        "refusal": reply.refusal,
        "finish": reply.finish,
        "attempts": reply.usage.calls,
        "raw": reply.raw,
    }


def with_log(
    run_models: Mapping[ModelUse, RunModel], path: str | os.PathLike[str] | None, stack: ExitStack
) -> dict[ModelUse, RunModel]:
    """The models with a log of their calls, where there is a path; `stack` closes the file."""
    if path is None:
        return dict(run_models)
    log = CallLog(path)
    stack.callback(log.close)
    return {
        use: replace(run_model, model=LoggingModel(run_model.model, log))
        for use, run_model in run_models.items()
    }
