"""The bill: calls, tokens and money, from the questions that a run will put and what the cache already answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.judge import Enquiry, follow_up, read
from rmg_dsl.messages import Question, Reply, Request, Usage
from rmg_dsl.models.prices import Price
from rmg_dsl.plan import Ask, Rank, Refine
from rmg_dsl.results import Outcome, Unscored

# A sentence or two and a verdict, as JSON. A model that thinks first writes more: the cache knows how much.
VERDICT_TOKENS = 60
_WORD_TOKENS = 2


@dataclass(frozen=True, slots=True)
class Quote:
    """What is known of a model without asking it.

    `key` makes one of equal requests, and is None for what cannot be sent; without one each is asked for itself.
    `recall` gives the reply that a cache holds for a key. A model that is `free` is asked without a call.
    """

    key: Callable[[Request], bytes | None] | None = None
    recall: Callable[[bytes], Reply | None] = lambda _: None
    price: Price | None = None
    most_out: int | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class Bill:
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
            _counted(self.rows, self.rows, "row"),
            _counted(self.missing, self.missing, "cell"),
        )
        lines = [f"{rows}, {_counted(self.least, self.most, 'model call')}{self._spared}"]
        lines += [self._estimated] if self.make_most else []
        lines += [f"{missing} without input: no call"] if self.missing else []
        return "\n".join(lines)

    @property
    def _spared(self) -> str:
        parts = [
            _are(self.cached, "in the cache", "in the cache"),
            _are(self.duplicates, "a duplicate", "duplicates"),
        ]
        said = " and ".join(part for part in parts if part)
        return (
            f", of which {said}: {_range(self.make_least, self.make_most)} to make" if said else ""
        )

    @property
    def _estimated(self) -> str:
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


def _are(number: int, one: str, many: str) -> str:
    return "" if not number else f"1 is {one}" if number == 1 else f"{number:,} are {many}"


def _range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _counted(least: int, most: int, word: str) -> str:
    return f"{_range(least, most)} {word}{'' if most == 1 else 's'}"


# ── reckoning ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Line:
    """What one step asks of one model: the calls to make and what they may take; replies that the cache has of it."""

    calls: int = 0
    tokens: int = 0
    answers: int = 0
    replies: int = 0
    guessed: int = 0
    counted: Usage = field(default_factory=Usage)

    @property
    def typical(self) -> _Line:
        """One call as large as those that are known."""
        known = max(1, self.calls + self.replies)
        answer = self.answers // self.calls if self.calls else VERDICT_TOKENS
        return _Line(1, (self.tokens + self.guessed) // known, answer)

    def add(self, request: Request, calls: int = 1) -> None:
        self.calls += calls
        self.tokens += calls * request.tokens
        self.answers += calls * _answer_tokens(request.question)

    def learn(self, guess: int, usage: Usage) -> None:
        """A reply with the provider's own count; one without a count teaches nothing."""
        if usage.tokens_in and usage.tokens_out and guess:
            self.replies += 1
            self.guessed += guess
            self.counted += usage


class Reckoning:
    """Adds up what a run will ask, question by question: those that it is sure to put, and those it may come to."""

    def __init__(self, quotes: Mapping[ModelUse, Quote]) -> None:
        self._quotes = quotes
        self._calls = self._cached = self._duplicates = self._made = self._maybe = 0
        self._asked: set[int] = set()
        self._possible: dict[object, _Line] = {}
        self._further: Counter[int] = Counter()
        self._lines: dict[tuple[int, ModelUse], _Line] = {}
        self._models: dict[int, tuple[ModelUse, ...]] = {}

    def answer(self, enquiry: Enquiry) -> Outcome | None:
        """An enquiry that is sure to be made: what comes of it where the cache knows, else nothing."""
        request = Request(enquiry.question, enquiry.draw)
        while (reply := self._put(enquiry, request)) is not None:
            outcome = read(reply, enquiry.question)
            again = (
                follow_up(reply, outcome, enquiry.question)
                if isinstance(outcome, Unscored)
                else None
            )
            if again is None or request.follow_up:
                return outcome
            request = replace(request, follow_up=again)
        return None

    def _put(self, enquiry: Enquiry, request: Request) -> Reply | None:
        """A request that is sure to be made: the reply where the cache has it."""
        quote = self._quotes[enquiry.model]
        key = quote.key(request) if quote.key else b""
        if quote.free or key is None:
            return None
        line = self._line(enquiry)
        reply = quote.recall(key) if key else None
        mark = _mark(key)
        self._calls += 1
        if reply is not None:
            self._cached += 1
            line.learn(request.tokens, reply.usage)
        elif key and mark in self._asked:
            self._duplicates += 1
        else:
            self._made += 1
            self._asked.add(mark)
            line.add(request)
            if (other := self._possible.pop(mark, None)) is not None:
                # Another row may come to ask it, this one will: it is asked once.
                other.add(request, -1)
        return reply

    def possible(self, enquiry: Enquiry) -> None:
        """An enquiry that may come to be made; where it would cost nothing, it is not counted as one to make."""
        quote = self._quotes[enquiry.model]
        request = Request(enquiry.question, enquiry.draw)
        key = quote.key(request) if quote.key else b""
        if quote.free or key is None:
            return
        self._maybe += 1
        if key and quote.recall(key) is not None:
            return
        mark = _mark(key) if key else object()
        if mark not in self._asked and mark not in self._possible:
            self._possible[mark] = self._line(enquiry)
            self._possible[mark].add(request)

    def further(self, step: Ask | Rank | Refine, calls: int) -> None:
        """Calls that a step may come to make, of whichever of its models, beyond the enquiries that are known."""
        if calls > 0 and not all(self._quotes[use].free for use in step.models):
            self._further[step.number] += calls
            self._models[step.number] = step.models

    def _line(self, enquiry: Enquiry) -> _Line:
        return self._lines.setdefault((enquiry.step, enquiry.model), _Line())

    def bill(self, rows: int, missing: int) -> Bill:
        """What it all comes to."""
        further = self._further.total()
        sums = [
            self._sum(use, line, line.calls) for (_, use), line in self._lines.items() if line.calls
        ]
        sums += [self._dearest(number, calls) for number, calls in self._further.items()]
        unpriced = tuple(dict.fromkeys(name for each in sums for name in each.unpriced))
        return Bill(
            rows,
            self._calls,
            self._calls + self._maybe + further,
            self._cached,
            self._duplicates,
            self._made,
            self._made + len(self._possible) + further,
            missing,
            sum(each.used.tokens_in for each in sums),
            sum(each.used.tokens_out for each in sums),
            None if unpriced else round(sum(each.cost for each in sums), 12),
            sum(line.replies for line in self._lines.values()),
            unpriced,
        )

    def _sum(self, use: ModelUse, line: _Line, calls: int) -> _Sum:
        """What so many calls of a line's size come to, by what its replies in the cache teach."""
        quote = self._quotes[use]
        known = line if line.replies else self._all_of(use)
        tokens_in, tokens_out = float(line.tokens), float(line.answers)
        if known.replies:
            tokens_in *= known.counted.tokens_in / known.guessed
            tokens_out = line.calls * known.counted.tokens_out / known.replies
        if quote.most_out:
            tokens_out = min(tokens_out, line.calls * quote.most_out)
        used = Usage(
            tokens_in=round(tokens_in * calls / line.calls),
            tokens_out=round(tokens_out * calls / line.calls),
        )
        price = quote.price
        return _Sum(
            used, price.cost(used) if price else 0.0, () if price else (use.label or "the model",)
        )

    def _all_of(self, use: ModelUse) -> _Line:
        """What the cache teaches of a model, by whichever step it was asked."""
        every = _Line()
        for line in (line for (_, each), line in self._lines.items() if each == use):
            every.replies += line.replies
            every.guessed += line.guessed
            every.counted += line.counted
        return every

    def _dearest(self, number: int, calls: int) -> _Sum:
        """Nobody knows yet which of a step's models these calls go to: the dearest of them, as large as any."""
        sizes = [line.typical for (step, _), line in self._lines.items() if step == number]
        largest = max(sizes, key=lambda line: line.tokens, default=_Line(1))
        sums = [
            self._sum(use, largest, calls)
            for use in self._models[number]
            if not self._quotes[use].free
        ]
        return max(sums, key=lambda each: (bool(each.unpriced), each.cost, each.used.tokens_in))


@dataclass(frozen=True, slots=True)
class _Sum:
    """What some calls come to, in tokens and in USD, and whose price is not known."""

    used: Usage
    cost: float
    unpriced: tuple[str, ...] = ()


def _answer_tokens(question: Question) -> int:
    """What a reply may take: one verdict, one for each criterion of points, or a word."""
    return _WORD_TOKENS if question.offers else VERDICT_TOKENS * max(1, len(question.marks))


def _mark(key: bytes) -> int:
    """A key in less memory; two that begin alike do not happen."""
    return int.from_bytes(key[:8], "big")
