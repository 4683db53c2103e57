"""The cost estimate: calls, tokens and money, from the questions of a run and the reply cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.judge import Enquiry, follow_up, read_reply
from rmg_dsl.messages import Question, Reply, Request, Usage
from rmg_dsl.models.prices import Price
from rmg_dsl.plan import AskStep, RankStep, RefineStep
from rmg_dsl.results import Outcome, Unscored

# A sentence or two and a verdict, as JSON. A model that reasons first writes more: where the cache
# has replies, their token counts are used instead.
VERDICT_TOKENS = 60
_WORD_TOKENS = 2


@dataclass(frozen=True, slots=True)
class ModelQuote:
    """What the estimate needs to know of a model.

    `cache_key` gives equal requests one key, and None for a request that cannot be sent. Without a
    `cache_key` no request counts as a duplicate. `recall` gives the cached reply for a key. A model
    that `is_free` makes no calls.
    """

    cache_key: Callable[[Request], bytes | None] | None = None
    recall: Callable[[bytes], Reply | None] = lambda _: None
    price: Price | None = None
    max_tokens_out: int | None = None
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a run can cost: its questions, from `least` to `most`.

    Both are equal where no answer decides over another question. Of the questions that are certain
    `cached` are in the reply cache and `duplicates` are equal to that of another row. The calls to
    make are from `make_least` to `make_most`, without follow-up questions and retries.

    `tokens_in`, `tokens_out` and `cost` are estimates for the most calls. `cost` is in USD, and
    None where a model in `unpriced` has no price. Four bytes of a prompt count as one token, a
    verdict with its reason as 60. Where the cache has `replies` of the same grader or model,
    the token counts of the provider are used.
    """

    rows: int
    least: int
    most: int
    cached: int
    duplicates: int
    make_least: int
    make_most: int
    missing: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    replies: int = 0
    unpriced: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = _count_text(self.rows, self.rows, "row")
        calls = _count_text(self.least, self.most, "model call")
        lines = [f"{rows}, {calls}{self._savings_text}"]
        if self.make_most:
            lines.append(self._tokens_text)
        if self.missing:
            missing = _count_text(self.missing, self.missing, "cell")
            lines.append(f"{missing} without input: no call")
        return "\n".join(lines)

    @property
    def _savings_text(self) -> str:
        parts = [
            _is_or_are(self.cached, "in the cache", "in the cache"),
            _is_or_are(self.duplicates, "a duplicate", "duplicates"),
        ]
        savings = " and ".join(part for part in parts if part)
        if not savings:
            return ""
        return f", of which {savings}: {_range_text(self.make_least, self.make_most)} to make"

    @property
    def _tokens_text(self) -> str:
        basis = f"{VERDICT_TOKENS} tokens a verdict"
        if self.replies:
            basis = f"{self.replies:,} replies in the cache"
        about = "at most about" if self.make_least < self.make_most else "about"
        tokens = f"{about} {self.tokens_in:,} tokens in and {self.tokens_out:,} out"
        tokens += f" (an estimate, from {basis})"
        if self.cost is not None:
            return f"{tokens}, {self.cost:.4g} USD"
        names = " and ".join(f"`{name}`" for name in self.unpriced)
        price = 'llm("…", price="0.10/0.40")'
        return f"{tokens}; the money is known where {names} has a price: {price}"


def _is_or_are(number: int, singular: str, plural: str) -> str:
    if not number:
        return ""
    if number == 1:
        return f"1 is {singular}"
    return f"{number:,} are {plural}"


def _range_text(least: int, most: int) -> str:
    if least == most:
        return f"{least:,}"
    return f"{least:,} to {most:,}"


def _count_text(least: int, most: int, word: str) -> str:
    return f"{_range_text(least, most)} {word}{'' if most == 1 else 's'}"


# ── adding up ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _StepUsage:
    """The calls of one step to one model with their tokens, and the cached replies of both.

    `measured_usage` is what the provider counted for the cached replies, `estimated_tokens` what
    the estimate says for the same prompts.
    """

    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    cached_replies: int = 0
    estimated_tokens: int = 0
    measured_usage: Usage = field(default_factory=Usage)

    @property
    def typical_call(self) -> _StepUsage:
        """One call with the mean tokens of the known calls."""
        call_count = max(1, self.calls + self.cached_replies)
        reply_tokens = self.reply_tokens // self.calls if self.calls else VERDICT_TOKENS
        return _StepUsage(
            1, (self.prompt_tokens + self.estimated_tokens) // call_count, reply_tokens
        )

    def add(self, request: Request, calls: int = 1) -> None:
        """Count calls with this request; -1 takes one back."""
        self.calls += calls
        self.prompt_tokens += calls * request.tokens
        self.reply_tokens += calls * _expected_reply_tokens(request.question)

    def learn(self, estimated_tokens: int, usage: Usage) -> None:
        """Note a cached reply, if it has the token counts of the provider."""
        if usage.tokens_in and usage.tokens_out and estimated_tokens:
            self.cached_replies += 1
            self.estimated_tokens += estimated_tokens
            self.measured_usage += usage


class CostEstimator:
    """Adds up the questions of a run: those that are certain, and those that an answer decides."""

    def __init__(self, quotes: Mapping[ModelUse, ModelQuote]) -> None:
        self._quotes = quotes
        self._calls = self._cached_calls = self._duplicate_calls = self._calls_to_make = (
            self._possible_calls
        ) = 0
        self._certain_requests: set[int] = set()
        self._possible_requests: dict[object, _StepUsage] = {}
        self._extra_calls: Counter[int] = Counter()
        self._step_usages: dict[tuple[int, ModelUse], _StepUsage] = {}
        self._models: dict[int, tuple[ModelUse, ...]] = {}

    def add_certain(self, enquiry: Enquiry) -> Outcome | None:
        """Count an enquiry that is certain; returns its outcome where the cache has the reply."""
        request = Request(enquiry.question, enquiry.draw)
        while (reply := self._count_request(enquiry, request)) is not None:
            outcome = read_reply(reply, enquiry.question)
            if not isinstance(outcome, Unscored) or request.follow_up:
                return outcome
            follow_up_messages = follow_up(reply, outcome, enquiry.question)
            if follow_up_messages is None:
                return outcome
            request = replace(request, follow_up=follow_up_messages)
        return None

    def _count_request(self, enquiry: Enquiry, request: Request) -> Reply | None:
        """Count a request that is certain; returns the reply where the cache has it."""
        quote = self._quotes[enquiry.model]
        # An empty key stands for a model whose requests are never equal.
        key = quote.cache_key(request) if quote.cache_key else b""
        if quote.is_free or key is None:
            return None
        step_usage = self._step_usage(enquiry)
        reply = quote.recall(key) if key else None
        prefix = _key_prefix(key)
        self._calls += 1
        if reply is not None:
            self._cached_calls += 1
            step_usage.learn(request.tokens, reply.usage)
        elif key and prefix in self._certain_requests:
            self._duplicate_calls += 1
        else:
            self._calls_to_make += 1
            self._certain_requests.add(prefix)
            step_usage.add(request)
            if (possible := self._possible_requests.pop(prefix, None)) is not None:
                # It counted as possible for another row. It is sent once, so it counts once.
                possible.add(request, -1)
        return reply

    def add_possible(self, enquiry: Enquiry) -> None:
        """Count an enquiry that may be made; with a cached reply it is no call to make."""
        quote = self._quotes[enquiry.model]
        request = Request(enquiry.question, enquiry.draw)
        key = quote.cache_key(request) if quote.cache_key else b""
        if quote.is_free or key is None:
            return
        self._possible_calls += 1
        # A question that the cache answers costs nothing, even if it is asked.
        if key and quote.recall(key) is not None:
            return
        prefix = _key_prefix(key) if key else object()
        if prefix not in self._certain_requests and prefix not in self._possible_requests:
            self._possible_requests[prefix] = self._step_usage(enquiry)
            self._possible_requests[prefix].add(request)

    def add_extra_calls(self, step: AskStep | RankStep | RefineStep, calls: int) -> None:
        """Count calls that a step may make beyond its known enquiries, to any of its models."""
        if calls > 0 and not all(self._quotes[use].is_free for use in step.models):
            self._extra_calls[step.number] += calls
            self._models[step.number] = step.models

    def _step_usage(self, enquiry: Enquiry) -> _StepUsage:
        return self._step_usages.setdefault((enquiry.step, enquiry.model), _StepUsage())

    def cost_estimate(self, rows: int, missing: int) -> CostEstimate:
        """The estimate for all questions so far."""
        extra_calls = self._extra_calls.total()
        costs = [
            self._cost_of_calls(use, step_usage, step_usage.calls)
            for (_, use), step_usage in self._step_usages.items()
            if step_usage.calls
        ]
        costs += [
            self._most_expensive_cost(number, calls) for number, calls in self._extra_calls.items()
        ]
        unpriced = tuple(dict.fromkeys(name for cost in costs for name in cost.unpriced))
        return CostEstimate(
            rows,
            self._calls,
            self._calls + self._possible_calls + extra_calls,
            self._cached_calls,
            self._duplicate_calls,
            self._calls_to_make,
            self._calls_to_make + len(self._possible_requests) + extra_calls,
            missing,
            sum(cost.estimated_usage.tokens_in for cost in costs),
            sum(cost.estimated_usage.tokens_out for cost in costs),
            None if unpriced else round(sum(cost.cost for cost in costs), 12),
            sum(step_usage.cached_replies for step_usage in self._step_usages.values()),
            unpriced,
        )

    def _cost_of_calls(self, use: ModelUse, step_usage: _StepUsage, calls: int) -> _CallCost:
        """The cost of calls like those of a step, corrected by the cached replies."""
        quote = self._quotes[use]
        measured = step_usage if step_usage.cached_replies else self._usage_of_model(use)
        tokens_in, tokens_out = float(step_usage.prompt_tokens), float(step_usage.reply_tokens)
        if measured.cached_replies:
            tokens_in *= measured.measured_usage.tokens_in / measured.estimated_tokens
            tokens_out = (
                step_usage.calls * measured.measured_usage.tokens_out / measured.cached_replies
            )
        # The provider cuts longer replies off.
        if quote.max_tokens_out:
            tokens_out = min(tokens_out, step_usage.calls * quote.max_tokens_out)
        usage = Usage(
            tokens_in=round(tokens_in * calls / step_usage.calls),
            tokens_out=round(tokens_out * calls / step_usage.calls),
        )
        price = quote.price
        return _CallCost(
            usage, price.cost(usage) if price else 0.0, () if price else (use.label or "the model",)
        )

    def _usage_of_model(self, use: ModelUse) -> _StepUsage:
        """The cached replies of a model over all steps."""
        total = _StepUsage()
        for step_usage in (
            step_usage for (_, model), step_usage in self._step_usages.items() if model == use
        ):
            total.cached_replies += step_usage.cached_replies
            total.estimated_tokens += step_usage.estimated_tokens
            total.measured_usage += step_usage.measured_usage
        return total

    def _most_expensive_cost(self, number: int, calls: int) -> _CallCost:
        """The highest cost of calls to any model of a step, each as large as the largest."""
        sizes = [
            step_usage.typical_call
            for (step, _), step_usage in self._step_usages.items()
            if step == number
        ]
        largest = max(sizes, key=lambda step_usage: step_usage.prompt_tokens, default=_StepUsage(1))
        costs = [
            self._cost_of_calls(use, largest, calls)
            for use in self._models[number]
            if not self._quotes[use].is_free
        ]
        return max(
            costs, key=lambda cost: (bool(cost.unpriced), cost.cost, cost.estimated_usage.tokens_in)
        )


@dataclass(frozen=True, slots=True)
class _CallCost:
    """The cost of some calls: tokens, USD, and the models without a price."""

    estimated_usage: Usage
    cost: float
    unpriced: tuple[str, ...] = ()


def _expected_reply_tokens(question: Question) -> int:
    """The tokens of a reply: a word, a verdict, or a verdict for each criterion of points."""
    if question.answer_options:
        return _WORD_TOKENS
    return VERDICT_TOKENS * max(1, len(question.criteria))


def _key_prefix(key: bytes) -> int:
    """The first 8 bytes of a key, to save memory: a hash collision of 64 bits is improbable."""
    return int.from_bytes(key[:8], "big")
