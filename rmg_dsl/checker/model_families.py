"""Families of models. A judge tends to prefer answers of its own family."""

from __future__ import annotations

import re

# Words in model names by family; the first word of a line is the name of the family.
_FAMILIES = """
gpt openai chatgpt o1 o3 o4 codex davinci
claude anthropic
gemini google gemma palm
llama meta
qwen qwq alibaba tongyi
mistral mixtral ministral magistral codestral
deepseek
grok xai
command cohere aya
kimi moonshot
glm zai zhipu chatglm
phi microsoft
nova amazon
granite ibm
nemotron nvidia
jamba
minimax
ernie baidu
doubao bytedance seed
hunyuan tencent
olmo allenai
"""
_FAMILY_OF = {
    word: words[0] for words in map(str.split, _FAMILIES.strip().splitlines()) for word in words
}
_WORD = re.compile(r"[a-z]+\d?")


def family_of(name: str) -> str:
    """The family of a model by its name or by the name of its maker; empty if it is unknown.

    The name of the model takes precedence over its maker, and the maker over the host.

    >>> family_of("openai/gpt-6-luna"), family_of("groq/meta-llama/llama-4-70b")
    ('gpt', 'llama')
    >>> family_of("Anthropic")
    'claude'
    >>> family_of("ollama/my-own-judge")
    ''
    """
    for part in reversed(name.lower().split("/")):
        for word in _WORD.findall(part):
            # `o3` is a family word itself; `qwen3` is one without its digit.
            family = _FAMILY_OF.get(word) or _FAMILY_OF.get(word.rstrip("0123456789"))
            if family:
                return family
    return ""


def is_same_family(judge: str, generator: str) -> bool:
    """Is the judge of the same family as the generator of the answers?

    >>> is_same_family("openai/gpt-6-luna", "OpenAI"), is_same_family("anthropic/claude", "gpt")
    (True, False)
    >>> is_same_family("acme/acme-7b", "acme")
    True
    """
    maker = generator.strip().lower()
    if not maker:
        return False
    family = family_of(maker)
    return maker in judge.lower() or (family != "" and family == family_of(judge))
