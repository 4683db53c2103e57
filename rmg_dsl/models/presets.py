"""The providers that a model name may start with: a table of their URLs, keys and wire formats."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LOCAL_PROVIDER = "local"


@dataclass(frozen=True, slots=True)
class Preset:
    """One provider. A model of a provider that is not in the table needs `base_url=`.

    >>> PRESETS["ollama"].base_url, PRESETS["ollama"].key_variable
    ('http://localhost:11434/v1', None)

    `key_variable` names the variable of its key; None where it needs no key. `url_variable` names
    the variable that gives another base URL. `wire_format` is a module in `providers/`.
    `base_url_is_example` says that each customer has a base URL of their own.
    """

    base_url: str
    key_variable: str | None = None
    url_variable: str | None = None
    wire_format: str = "openai"
    base_url_is_example: bool = False


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "openai": Preset(
            "https://api.openai.com/v1", "OPENAI_API_KEY", url_variable="OPENAI_BASE_URL"
        ),
        "anthropic": Preset(
            "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", wire_format="anthropic"
        ),
        "azure": Preset(
            "https://RESOURCE.openai.azure.com",
            "AZURE_OPENAI_API_KEY",
            url_variable="AZURE_OPENAI_ENDPOINT",
            wire_format="azure",
            base_url_is_example=True,
        ),
        "cerebras": Preset("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
        "dashscope": Preset(
            "https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"
        ),
        "deepinfra": Preset("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
        "deepseek": Preset("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
        "fireworks": Preset("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
        "gemini": Preset(
            "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"
        ),
        "groq": Preset("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        "huggingface": Preset("https://router.huggingface.co/v1", "HF_TOKEN"),
        "mistral": Preset("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        "moonshot": Preset("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
        "nvidia": Preset("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
        "openrouter": Preset("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        "perplexity": Preset("https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
        "siliconflow": Preset("https://api.siliconflow.cn/v1", "SILICONFLOW_API_KEY"),
        "together": Preset("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
        "xai": Preset("https://api.x.ai/v1", "XAI_API_KEY"),
        "zai": Preset("https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
        "llamacpp": Preset("http://localhost:8080/v1"),
        "lmstudio": Preset("http://localhost:1234/v1"),
        "ollama": Preset("http://localhost:11434/v1"),
        "sglang": Preset("http://localhost:30000/v1"),
        "vllm": Preset("http://localhost:8000/v1"),
    }
)


def unknown_provider_message(provider: str) -> str:
    """The message for a provider that is not in the table, with the nearest name in it.

    >>> unknown_provider_message("olama").splitlines()[0]
    'unknown provider `olama`: did you mean `ollama`?'
    """
    names = sorted([*PRESETS, LOCAL_PROVIDER])
    near = difflib.get_close_matches(provider, names, n=1)
    guess = ""
    if near:
        guess = f": did you mean `{near[0]}`?"
    return (
        f"unknown provider `{provider}`{guess}\n"
        f"known are {', '.join(names)}; any other OpenAI-compatible endpoint needs base_url="
    )
