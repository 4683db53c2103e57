"""From an answer that is no reply to a `CallError` that says what may help."""

from __future__ import annotations

from rmg_dsl.errors import CallError
from rmg_dsl.models.http_response import Answer, Complaint, complaint_of

LONGEST_SENTENCE = 300

_RETRYABLE = frozenset({408, 409, 425, 429})
_FOR_GOOD = frozenset({501, 505})
_FATAL = frozenset({401, 402, 403, 404, 405})
_FILTERED = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",
        "datainspectionfailed",
        "invalid_prompt",
        "responsibleaipolicyviolation",
    }
)
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NO_MODEL = frozenset({"model_not_found", "invalid_model"})
_BAD_KEY = (
    "api key not valid",
    "invalid api key",
    "incorrect api key",
    "api_key_invalid",
    "invalid_api_key",
)


def fault_of(answer: Answer, who: str, key_hint: str = "") -> CallError:
    """The error for an answer with a bad status: whether to try again, and whether anything else can still work.

    >>> fault = fault_of(Answer(429, {"error": {"message": "slow down"}}, retry_after=2.0), "groq/x")
    >>> str(fault), fault.retryable, fault.fatal, fault.retry_after
    ('groq/x answered HTTP 429: slow down', True, False, 2.0)
    """
    complaint = complaint_of(answer)
    refused = _is_filtered(answer.status, complaint)
    fatal = not refused and _is_fatal(answer.status, complaint)
    hint = f" ({key_hint})" if key_hint and answer.status in (401, 403) and fatal else ""
    return CallError(
        f"{who} answered HTTP {answer.status}: {capped(complaint.sentence)}{hint}",
        status_code=answer.status,
        retryable=not fatal and not refused and _is_passing(answer.status),
        fatal=fatal,
        refused=refused,
        retry_after=answer.retry_after,
    )


def malformed(answer: Answer, who: str, what: str) -> CallError:
    """The error for a 200 that holds no reply: a proxy's page, half a body, an empty list."""
    seen = f": {capped(answer.text, 80)}" if answer.body is None and answer.text else ""
    return CallError(f"{who} answered {what}{seen}", status_code=answer.status, retryable=True)


def capped(sentence: str, most: int = LONGEST_SENTENCE) -> str:
    flat = " ".join(sentence.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def _is_passing(status: int) -> bool:
    return status in _RETRYABLE or (status >= 500 and status not in _FOR_GOOD)


def _is_filtered(status: int, complaint: Complaint) -> bool:
    # OpenRouter moderates with a 403, which must not read as a wrong key: the next row may pass.
    moderated = status == 403 and complaint.speaks_of(("moderation", "flagged"))
    return moderated or (status in (400, 403, 422) and bool(complaint.codes & _FILTERED))


def _is_fatal(status: int, complaint: Complaint) -> bool:
    if status == 429:
        return bool(complaint.codes & _NO_MONEY)
    bad_request = status == 400 and (
        bool(complaint.codes & _NO_MODEL) or complaint.speaks_of(_BAD_KEY)
    )
    return status in _FATAL or bad_request
