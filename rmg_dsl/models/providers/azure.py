"""Azure OpenAI: chat completions by deployment, with the key in a header of its own."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

from rmg_dsl.errors import ModelError
from rmg_dsl.models.providers.openai import ChatCompletions
from rmg_dsl.models.providers.provider import ProviderTarget


class AzureChat(ChatCompletions):
    """The chat completions of one deployment; `azure/NAME` names the deployment.

    The base URL may end at the deployment, or at the resource. Both need a query `api-version`:

    >>> resource = "https://example.openai.azure.com"
    >>> target = ProviderTarget("judge", {}, f"{resource}?api-version=2024-10-21")
    >>> AzureChat(target).path
    '/openai/deployments/judge/chat/completions'

    Without a dated version the path is that of Azure's API v1, which takes the deployment as the
    name of the model:

    >>> AzureChat(ProviderTarget("judge", {}, resource)).path
    '/openai/v1/chat/completions'

    Raises ModelError for a base URL that ends at a deployment and has no `api-version`.
    """

    def __init__(self, target: ProviderTarget) -> None:
        super().__init__(target)
        self._path = _azure_path(target)

    @property
    def path(self) -> str:
        return self._path

    def headers(self, key: str | None) -> dict[str, str]:
        # Azure takes `Authorization` for a token of Entra ID, which a key is not.
        return {"api-key": key} if key else {}


PROVIDER = AzureChat


def _azure_path(target: ProviderTarget) -> str:
    url = urlsplit(target.base_url)
    version = parse_qs(url.query).get("api-version", [""])[0]
    if "/openai/deployments/" in url.path:
        if not version:
            raise ModelError(
                f"azure/{target.model}: the base URL of a deployment needs a version, such as "
                f'"{target.base_url}?api-version=2024-10-21"'
            )
        return "/chat/completions"
    # A resource's URL is often copied with the first parts of the path.
    if url.path.endswith("/openai/v1"):
        return "/chat/completions"
    prefix = "" if url.path.endswith("/openai") else "/openai"
    # API v1 takes a version too, but a word (`preview`) instead of a date.
    if version[:1].isdigit():
        return f"{prefix}/deployments/{quote(target.model, safe='')}/chat/completions"
    return f"{prefix}/v1/chat/completions"
