"""From an answer that is no reply to a `CallError` that says what may help."""

from __future__ import annotations

from rmg_dsl.errors import CallError
from rmg_dsl.models.http_response import ErrorDetails, HttpResponse, error_details_of

LONGEST_SENTENCE = 300

_RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
_PERMANENT_STATUSES = frozenset({501, 505})
_FATAL_STATUSES = frozenset({401, 402, 403, 404, 405})
_CONTENT_FILTER_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",
        "datainspectionfailed",
        "invalid_prompt",
        "responsibleaipolicyviolation",
    }
)
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_UNKNOWN_MODEL_CODES = frozenset({"model_not_found", "invalid_model"})
_BAD_KEY_PHRASES = (
    "api key not valid",
    "invalid api key",
    "incorrect api key",
    "api_key_invalid",
    "invalid_api_key",
)


def call_error_of(answer: HttpResponse, who: str, key_hint: str = "") -> CallError:
    """The error for an answer with a bad status: whether to try again, and whether anything else can still work.

    >>> fault = call_error_of(HttpResponse(429, {"error": {"message": "slow down"}}, retry_after=2.0), "groq/x")
    >>> str(fault), fault.retryable, fault.fatal, fault.retry_after
    ('groq/x answered HTTP 429: slow down', True, False, 2.0)
    """
    complaint = error_details_of(answer)
    refused = _is_filtered(answer.status, complaint)
    fatal = not refused and _is_fatal(answer.status, complaint)
    hint = f" ({key_hint})" if key_hint and answer.status in (401, 403) and fatal else ""
    return CallError(
        f"{who} answered HTTP {answer.status}: {truncate_sentence(complaint.message)}{hint}",
        status_code=answer.status,
        retryable=not fatal and not refused and _is_transient(answer.status),
        fatal=fatal,
        refused=refused,
        retry_after=answer.retry_after,
    )


def malformed_reply_error(answer: HttpResponse, who: str, what: str) -> CallError:
    """The error for a 200 that holds no reply: a proxy's page, half a body, an empty list."""
    seen = f": {truncate_sentence(answer.text, 80)}" if answer.body is None and answer.text else ""
    return CallError(f"{who} answered {what}{seen}", status_code=answer.status, retryable=True)


def truncate_sentence(sentence: str, most: int = LONGEST_SENTENCE) -> str:
    flat = " ".join(sentence.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def _is_transient(status: int) -> bool:
    return status in _RETRYABLE_STATUSES or (status >= 500 and status not in _PERMANENT_STATUSES)


def _is_filtered(status: int, complaint: ErrorDetails) -> bool:
    # OpenRouter moderates with a 403, which must not read as a wrong key: the next row may pass.
    moderated = status == 403 and complaint.mentions(("moderation", "flagged"))
    return moderated or (
        status in (400, 403, 422) and bool(complaint.codes & _CONTENT_FILTER_CODES)
    )


def _is_fatal(status: int, complaint: ErrorDetails) -> bool:
    if status == 429:
        return bool(complaint.codes & _QUOTA_CODES)
    bad_request = status == 400 and (
        bool(complaint.codes & _UNKNOWN_MODEL_CODES) or complaint.mentions(_BAD_KEY_PHRASES)
    )
    return status in _FATAL_STATUSES or bad_request
