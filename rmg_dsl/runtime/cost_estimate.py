"""The bill: calls, tokens and money, from the questions that a run will put and what the cache already answers."""

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

# A sentence or two and a verdict, as JSON. A model that thinks first writes more: the cache knows how much.
VERDICT_TOKENS = 60
_WORD_TOKENS = 2


@dataclass(frozen=True, slots=True)
class ModelQuote:
    """What is known of a model without asking it.

    `key` makes one of equal requests, and is None for what cannot be sent; without one each is asked for itself.
    `recall` gives the reply that a cache holds for a key. A model that is `free` is asked without a call.
    """

    cache_key: Callable[[Request], bytes | None] | None = None
    recall: Callable[[bytes], Reply | None] = lambda _: None
    price: Price | None = None
    max_tokens_out: int | None = None
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a run can cost: its questions, `least` to `most`; both are equal where no answer decides over another call.

    Of those that are sure to be asked `cached` are in the reply cache and `duplicates` ask what another row asks. The
    calls to make are from `make_least` to `make_most`, without second questions after a poor reply and what must be
    tried again. For the most calls `tokens_in`, `tokens_out` and `cost` (in USD; None where a model, one in
    `unpriced`, has no price) are estimates: four bytes of a prompt are one token, a verdict with its reason is 60; or,
    where the cache has `replies` of the same grader or model, both as the provider counted them.
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
        rows, missing = (
            _count_text(self.rows, self.rows, "row"),
            _count_text(self.missing, self.missing, "cell"),
        )
        lines = [f"{rows}, {_count_text(self.least, self.most, 'model call')}{self._savings_text}"]
        lines += [self._tokens_text] if self.make_most else []
        lines += [f"{missing} without input: no call"] if self.missing else []
        return "\n".join(lines)

    @property
    def _savings_text(self) -> str:
        parts = [
            _is_or_are(self.cached, "in the cache", "in the cache"),
            _is_or_are(self.duplicates, "a duplicate", "duplicates"),
        ]
        savings = " and ".join(part for part in parts if part)
        return (
            f", of which {savings}: {_range_text(self.make_least, self.make_most)} to make"
            if savings
            else ""
        )

    @property
    def _tokens_text(self) -> str:
        basis = (
            f"{self.replies:,} replies in the cache"
            if self.replies
            else f"{VERDICT_TOKENS} tokens a verdict"
        )
        about = "at most about" if self.make_least < self.make_most else "about"
        tokens = f"{about} {self.tokens_in:,} tokens in and {self.tokens_out:,} out (an estimate, from {basis})"
        if self.cost is not None:
            return f"{tokens}, {self.cost:.4g} USD"
        names = " and ".join(f"`{name}`" for name in self.unpriced)
        return (
            f'{tokens}; the money is known where {names} has a price: llm("…", price="0.10/0.40")'
        )


def _is_or_are(number: int, singular: str, plural: str) -> str:
    return "" if not number else f"1 is {singular}" if number == 1 else f"{number:,} are {plural}"


def _range_text(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _count_text(least: int, most: int, word: str) -> str:
    return f"{_range_text(least, most)} {word}{'' if most == 1 else 's'}"


# ── reckoning ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _StepUsage:
    """What one step asks of one model: the calls to make and what they may take; replies that the cache has of it."""

    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    cached_replies: int = 0
    estimated_tokens: int = 0
    measured_usage: Usage = field(default_factory=Usage)

    @property
    def typical_call(self) -> _StepUsage:
        """One call as large as those that are known."""
        call_count = max(1, self.calls + self.cached_replies)
        reply_tokens = self.reply_tokens // self.calls if self.calls else VERDICT_TOKENS
        return _StepUsage(
            1, (self.prompt_tokens + self.estimated_tokens) // call_count, reply_tokens
        )

    def add(self, request: Request, calls: int = 1) -> None:
        self.calls += calls
        self.prompt_tokens += calls * request.tokens
        self.reply_tokens += calls * _expected_reply_tokens(request.question)

    def learn(self, estimated_tokens: int, usage: Usage) -> None:
        """A reply with the provider's own count; one without a count teaches nothing."""
        if usage.tokens_in and usage.tokens_out and estimated_tokens:
            self.cached_replies += 1
            self.estimated_tokens += estimated_tokens
            self.measured_usage += usage


class CostEstimator:
    """Adds up what a run will ask, question by question: those that it is sure to put, and those it may come to."""

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
        """An enquiry that is sure to be made: what comes of it where the cache knows, else nothing."""
        request = Request(enquiry.question, enquiry.draw)
        while (reply := self._count_request(enquiry, request)) is not None:
            outcome = read_reply(reply, enquiry.question)
            follow_up_messages = (
                follow_up(reply, outcome, enquiry.question)
                if isinstance(outcome, Unscored)
                else None
            )
            if follow_up_messages is None or request.follow_up:
                return outcome
            request = replace(request, follow_up=follow_up_messages)
        return None

    def _count_request(self, enquiry: Enquiry, request: Request) -> Reply | None:
        """A request that is sure to be made: the reply where the cache has it."""
        quote = self._quotes[enquiry.model]
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
                # Another row may come to ask it, this one will: it is asked once.
                possible.add(request, -1)
        return reply

    def add_possible(self, enquiry: Enquiry) -> None:
        """An enquiry that may come to be made; where it would cost nothing, it is not counted as one to make."""
        quote = self._quotes[enquiry.model]
        request = Request(enquiry.question, enquiry.draw)
        key = quote.cache_key(request) if quote.cache_key else b""
        if quote.is_free or key is None:
            return
        self._possible_calls += 1
        if key and quote.recall(key) is not None:
            return
        prefix = _key_prefix(key) if key else object()
        if prefix not in self._certain_requests and prefix not in self._possible_requests:
            self._possible_requests[prefix] = self._step_usage(enquiry)
            self._possible_requests[prefix].add(request)

    def add_extra_calls(self, step: AskStep | RankStep | RefineStep, calls: int) -> None:
        """Calls that a step may come to make, of whichever of its models, beyond the enquiries that are known."""
        if calls > 0 and not all(self._quotes[use].is_free for use in step.models):
            self._extra_calls[step.number] += calls
            self._models[step.number] = step.models

    def _step_usage(self, enquiry: Enquiry) -> _StepUsage:
        return self._step_usages.setdefault((enquiry.step, enquiry.model), _StepUsage())

    def cost_estimate(self, rows: int, missing: int) -> CostEstimate:
        """What it all comes to."""
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
        """What so many calls of a line's size come to, by what its replies in the cache teach."""
        quote = self._quotes[use]
        measured = step_usage if step_usage.cached_replies else self._usage_of_model(use)
        tokens_in, tokens_out = float(step_usage.prompt_tokens), float(step_usage.reply_tokens)
        if measured.cached_replies:
            tokens_in *= measured.measured_usage.tokens_in / measured.estimated_tokens
            tokens_out = (
                step_usage.calls * measured.measured_usage.tokens_out / measured.cached_replies
            )
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
        """What the cache teaches of a model, by whichever step it was asked."""
        total = _StepUsage()
        for step_usage in (
            step_usage for (_, model), step_usage in self._step_usages.items() if model == use
        ):
            total.cached_replies += step_usage.cached_replies
            total.estimated_tokens += step_usage.estimated_tokens
            total.measured_usage += step_usage.measured_usage
        return total

    def _most_expensive_cost(self, number: int, calls: int) -> _CallCost:
        """Nobody knows yet which of a step's models these calls go to: the dearest of them, as large as any."""
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
    """What some calls come to, in tokens and in USD, and whose price is not known."""

    estimated_usage: Usage
    cost: float
    unpriced: tuple[str, ...] = ()


def _expected_reply_tokens(question: Question) -> int:
    """What a reply may take: one verdict, one for each criterion of points, or a word."""
    return (
        _WORD_TOKENS if question.answer_options else VERDICT_TOKENS * max(1, len(question.criteria))
    )


def _key_prefix(key: bytes) -> int:
    """A key in less memory; two that begin alike do not happen."""
    return int.from_bytes(key[:8], "big")
