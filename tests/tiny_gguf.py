"""A very small llama model with random weights, in a GGUF file: it can be served, and its replies
mean nothing.

A vocabulary of single bytes lets any text in and any grammar be met. The weights come from a seed,
so the same file gives the same replies at temperature 0.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

WIDTH, HIDDEN, LAYERS, HEADS, KEY_HEADS, CONTEXT = 64, 128, 2, 4, 2, 8192
START, TURN, END = 256, 257, 258
# The tokenizer's loader refuses an empty list of merges.
MERGES = ("t h", "i n", "e r", "r e")
VOCABULARY = 259 + len(MERGES)
CHAT = (
    "{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)


def write_tiny_gguf(path: Path, seed: int = 0, favour: str = "") -> Path:
    """Writes the model, about 0.4 MB, and returns its path; the letters of `favour` are by far the
    likeliest.
    """
    writer = gguf.GGUFWriter(str(path), "llama")
    _shape(writer)
    _tokens(writer)
    _weights(writer, np.random.default_rng(seed), favour)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shape(writer: gguf.GGUFWriter) -> None:
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _tokens(writer: gguf.GGUFWriter) -> None:
    plain, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    special = ["<|start|>", "<|turn|>", "<|end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(
        [*map(_letter, range(256)), *special, *(merge.replace(" ", "") for merge in MERGES)]
    )
    writer.add_token_types([plain] * 256 + [control] * len(special) + [plain] * len(MERGES))
    writer.add_token_merges(list(MERGES))
    writer.add_bos_token_id(START)
    writer.add_eos_token_id(END)
    writer.add_eot_token_id(END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT)


def _letter(byte: int) -> str:
    """GPT-2's letter for a byte: itself where it prints, else one of the letters from U+0100 on, in
    order.
    """
    if _prints(byte):
        return chr(byte)
    return chr(256 + sum(not _prints(other) for other in range(byte)))


def _prints(byte: int) -> bool:
    return 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255


def _weights(writer: gguf.GGUFWriter, random: np.random.Generator, favour: str) -> None:
    def put(name: str, weights: np.ndarray) -> None:
        writer.add_tensor(f"{name}.weight", np.ascontiguousarray(weights, np.float32))

    # Channel 0 is the same for every token and read by the head alone: the bias over letters that
    # llama has not.
    tokens = random.standard_normal((VOCABULARY, WIDTH)) * 0.6
    tokens[:, 0] = 4.0
    put("token_embd", tokens)
    put("output_norm", np.ones(WIDTH))
    put("output", _head(random, favour))
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            put(f"blk.{layer}.{name}", np.ones(WIDTH))
        for name, weights in _block(random).items():
            put(f"blk.{layer}.{name}", weights)


def _head(random: np.random.Generator, favour: str) -> np.ndarray:
    """Printable letters are likely, a closing quote likelier, so that strings end; all else hardly
    ever comes.
    """
    head = random.standard_normal((VOCABULARY, WIDTH)) * 0.22
    head[:, 0] = -40.0
    for byte in range(32, 127):
        head[byte, 0] = 0.0 if chr(byte).isalnum() else -1.0
    for letter, bias in {'"': 1.6, "\\": -30.0, "{": 0.0, "}": 0.5, ":": 0.5, ",": 0.5}.items():
        head[ord(letter), 0] = bias
    for letter in favour:
        head[ord(letter), 0] = 9.0
    head[END, 0] = 0.5
    return head


def _block(random: np.random.Generator) -> dict[str, np.ndarray]:
    key_width = WIDTH // HEADS * KEY_HEADS
    readers = {
        "attn_q": random.standard_normal((WIDTH, WIDTH)) * 0.25,
        "attn_k": random.standard_normal((key_width, WIDTH)) * 0.25,
        "attn_v": random.standard_normal((key_width, WIDTH)) * 0.4,
        "ffn_gate": random.standard_normal((HIDDEN, WIDTH)) * 0.15,
        "ffn_up": random.standard_normal((HIDDEN, WIDTH)) * 0.15,
    }
    writers = {
        "attn_output": random.standard_normal((WIDTH, WIDTH)) * 0.35,
        "ffn_down": random.standard_normal((WIDTH, HIDDEN)) * 0.1,
    }
    for weights in readers.values():
        weights[:, 0] = 0
    for weights in writers.values():
        weights[0, :] = 0
    return readers | writers
