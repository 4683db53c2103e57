"""Price quotes: what is known of each model before any call, without a key or a network."""

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
    """A quote for each model, while the cache is open.

    Raises ModelError for an unknown provider.
    """
    settings = Settings.of()
    path = settings.cache_dir / FILE_NAME
    cache: ReplyCache | None = None
    # An estimate makes no files.
    if options.cache is True and path.exists():
        cache = ReplyCache(path)
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
    if name:
        spec = model_spec_of(use, chosen, settings)
    else:
        # Without a named model nothing is cached, but duplicates can still be counted.
        spec = ModelSpec("openai", "", dict(use.settings))
    most_out = spec.settings.get("max_tokens")
    lookup = reply_lookup_of(spec, settings, cache if name else None)
    return ModelQuote(lookup.cache_key, lookup.cached_reply, price, most_out)
