"""Error responses about what the model wrote: it was no JSON this time."""

from __future__ import annotations

import re

from rmg_dsl.messages import Reply
from rmg_dsl.models.body_fields import fields_in
from rmg_dsl.models.http_response import HttpResponse, error_details_of

_CODES = frozenset(
    {
        "invalid_model_output",
        "json_generation_failed",
        "json_validate_failed",
        "model_output_parse_error",
        "output_parse_failed",
        "tool_use_failed",
    }
)
_VALID = r"(?:an? |any )?(?:valid |well-formed |parsable |structured )?"
# What the model wrote, and not what was sent: "invalid schema" is another matter.
_SENTENCES = re.compile(
    rf"\b(?:fail\w* to|did not|didn't|could not|couldn't|unable to) "
    rf"(?:generate|produce|return|validate|output) {_VALID}(?:json|output|response)\b(?! schema)|"
    r"\bgenerated (?:json|output|text|content)\b.{0,30}?\b(?:does not|doesn't|did not|could not|"
    r"cannot|is not|isn't|was not)\b|"
    r"\bmodel(?:'s)? (?:output|response|reply|generation)\b.{0,20}?\b(?:is not|isn't|was not|"
    r"could not|cannot|does not|did not|doesn't)\b|"
    r"\bmodel (?:has )?(?:produced|generated|returned|output) "
    r"(?:an? )?(?:invalid|malformed|unparsable)\b",
    re.I,
)
_CUT_OFF = re.compile(r"max[ _](?:completion[ _])?tokens|token limit|length limit|truncated", re.I)


def is_bad_draw(response: HttpResponse) -> bool:
    """Whether an error response is about what the model wrote: another draw may be fine.

    >>> message = "Failed to generate JSON. Please adjust your prompt."
    >>> is_bad_draw(HttpResponse(400, {"error": {"message": message}}))
    True
    >>> is_bad_draw(HttpResponse(400, {"error": {"message": "Invalid schema for response_format"}}))
    False
    """
    if response.is_success:
        body = response.body
        if not isinstance(body, dict) or body.get("choices") or not body.get("error"):
            return False
    if response.status in (401, 403, 404, 429):
        return False
    complaint = error_details_of(response)
    if complaint.codes & _CODES or _failed_generation(response) is not None:
        return True
    return _SENTENCES.search(complaint.message) is not None


def reply_of_bad_draw(response: HttpResponse) -> Reply | None:
    """What the model wrote, as its reply, where the response holds it; else None."""
    text = _failed_generation(response)
    if not text or not text.strip():
        return None
    is_cut_off = _CUT_OFF.search(error_details_of(response).message)
    raw = response.body if isinstance(response.body, dict) else None
    return Reply(text, finish="length" if is_cut_off else "stop", raw=raw)


def _failed_generation(response: HttpResponse) -> str | None:
    texts = (value for _, value in fields_in(response.body, {"failedgeneration"}))
    return next((text for text in texts if isinstance(text, str)), None)
