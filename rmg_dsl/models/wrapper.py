"""The base class of the wrappers around a model: it passes on the name, the note and `close`."""

from __future__ import annotations

from rmg_dsl.messages import Model


class ModelWrapper:
    """A model around a model; each wrapper adds its own `complete`.

    >>> from rmg_dsl.models import LexicalModel
    >>> ModelWrapper(LexicalModel()).name
    'local/lexical'
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def note(self) -> str:
        return self._model.note

    async def close(self) -> None:
        await self._model.close()
