"""What a run would pay: what is known of each model before anybody is asked. It needs no key and no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from rmg_dsl.api.options import Options
from rmg_dsl.api.run_models import choice_of, model_spec_of, price_of
from rmg_dsl.config import Settings
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.models import FILE_NAME, ModelSpec, ReplyCache, reply_lookup_of
from rmg_dsl.models.lexical import LEXICAL_NAME
from rmg_dsl.runtime import ModelQuote


@contextmanager
def open_price_quotes(
    uses: Iterable[ModelUse], options: Options
) -> Iterator[Mapping[ModelUse, ModelQuote]]:
    """A quote for each model, while its cache is open. Raises ModelError for a provider that nobody knows."""
    settings = Settings.of()
    path = settings.cache_dir / FILE_NAME
    # A look at the bill makes no files.
    cache = ReplyCache(path) if options.cache is True and path.exists() else None
    try:
        yield {use: _model_quote(use, options, settings, cache) for use in uses}
    finally:
        if cache is not None:
            cache.close()


def _model_quote(
    use: ModelUse, options: Options, settings: Settings, cache: ReplyCache | None
) -> ModelQuote:
    chosen, price = choice_of(use, options.model), price_of(use, options)
    if chosen is not None and not isinstance(chosen, str):
        return ModelQuote(price=price)
    name = chosen or use.name or settings.model
    if name == LEXICAL_NAME:
        return ModelQuote(is_free=True)
    # Where no model is named yet, equal questions are equal all the same.
    spec = (
        model_spec_of(use, chosen, settings)
        if name
        else ModelSpec("openai", "", dict(use.settings))
    )
    most_out = spec.settings.get("max_tokens")
    if not options.cache:
        return ModelQuote(price=price, max_tokens_out=most_out)
    memory = reply_lookup_of(spec, settings, cache if name else None)
    return ModelQuote(memory.cache_key, memory.cached_reply, price, most_out)
