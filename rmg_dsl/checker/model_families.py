"""Families of models: judges tend to favour answers of their own."""

from __future__ import annotations

import re

# Makers and their models, as they stand in names; the first word of a line is the family's.
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
    """The family of a model by its name, or of what somebody calls one; empty where it is not known.

    The model's own name counts before its maker's, and its maker's before who serves it.

    >>> family_of("openai/gpt-6-luna"), family_of("groq/meta-llama/llama-4-70b"), family_of("Anthropic")
    ('gpt', 'llama', 'claude')
    >>> family_of("ollama/my-own-judge")
    ''
    """
    for part in reversed(name.lower().split("/")):
        words = [
            word for match in _WORD.findall(part) for word in (match, match.rstrip("0123456789"))
        ]
        family = next((_FAMILY_OF[word] for word in words if word in _FAMILY_OF), "")
        if family:
            return family
    return ""


def is_same_family(judge: str, generator: str) -> bool:
    """Is a judge of the family that the answers are of?

    >>> is_same_family("openai/gpt-6-luna", "OpenAI"), is_same_family("anthropic/claude", "gpt"), is_same_family("acme/acme-7b", "acme")
    (True, False, True)
    """
    wanted = generator.strip().lower()
    family = family_of(wanted)
    return bool(wanted) and (
        wanted in judge.lower() or (family != "" and family == family_of(judge))
    )
