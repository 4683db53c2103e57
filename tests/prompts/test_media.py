"""Images in a row are an error of the row, and never text for the judge."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import rmg_dsl as rmg
from rmg_dsl import ScriptedModel

PNG = bytes.fromhex("89504e470d0a1a0a") + bytes(range(256))
PNG_TEXT = base64.b64encode(PNG).decode()
MEDIA: dict[str, Any] = {
    "a data URL": f"data:image/png;base64,{PNG_TEXT}",
    "base64": PNG_TEXT,
    "bytes": PNG,
    "bytes of a dataset": {"bytes": PNG, "path": None},
    "a part": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_TEXT}"}},
    "a message": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}],
    "a sound": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    "a PDF": f"data:application/pdf;base64,{PNG_TEXT}",
}
TEXTS: dict[str, Any] = {
    "a URL": "https://example.com/cat.png",
    "words about an image": "data:image is the beginning of a data URL",
    "an object": {"type": "image", "caption": "a cat"},
    "a hash": "9j" * 40,
    "bytes of text": b"a text",
}


@pytest.mark.parametrize("template", ["{{ x }}", "{{ x | upper }} {{ x }}", "{{ [x] }}"])
@pytest.mark.parametrize("value", MEDIA.values(), ids=MEDIA)
def test_media_are_an_error_of_the_row(value: Any, template: str) -> None:
    model = ScriptedModel({})
    spec = f'grader g -> 1..5 = "How good is {template}?"'
    result = rmg.grade(spec, [{"x": value}], model=model)
    assert result.df["g_status"].tolist() == ["error"]
    assert "a prompt prints text" in result.failures["message"][0]


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS)
def test_other_values_are_printed(value: Any) -> None:
    spec = 'grader g -> 1..5 = "How good is {{ x }}?"'
    result = rmg.grade(spec, [{"x": value}], model=ScriptedModel({}))
    assert "prints text" not in str(result.failures["message"].tolist())
