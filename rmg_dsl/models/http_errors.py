"""From an HTTP response that holds no reply to a `CallError` that says what may help."""

from __future__ import annotations

from dataclasses import replace

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
# Some providers answer 400 to a wrong key or an empty account, with no code that says so.
_FATAL_PHRASES = (
    "api key not valid",
    "invalid api key",
    "incorrect api key",
    "api_key_invalid",
    "invalid_api_key",
    "credit balance is too low",
)


def call_error_of(response: HttpResponse, caller: str, key_hint: str = "") -> CallError:
    """The error for a response with an error status: whether to retry, whether the run can go on.

    >>> body = {"error": {"message": "slow down"}}
    >>> error = call_error_of(HttpResponse(429, body, retry_after=2.0), "groq/x")
    >>> str(error), error.retryable, error.fatal, error.retry_after
    ('groq/x answered HTTP 429: slow down', True, False, 2.0)

    `caller` is the model's full name. `key_hint` is added where the key may be wrong.
    """
    status, complaint = response.status, error_details_of(response)
    refused = _is_filtered(status, complaint)
    fatal = not refused and _is_fatal(status, complaint)
    message = f"{caller} answered HTTP {status}: {truncate_sentence(complaint.message)}"
    if key_hint and fatal and status in (401, 403):
        message += f" ({key_hint})"
    return CallError(
        message,
        status_code=status,
        retryable=not fatal and not refused and _is_transient(status),
        fatal=fatal,
        refused=refused,
        retry_after=response.retry_after,
    )


def embedded_error(response: HttpResponse, error: object, caller: str) -> CallError:
    """The error for an `error` inside an HTTP 200, as gateways send it.

    >>> error = {"message": "busy", "code": 429}
    >>> embedded_error(HttpResponse(200), error, "openrouter/x").retryable
    True
    """
    status = _status_in(error)
    # Without a status of the server behind the gateway the fault is one that may pass.
    body = {"error": error}
    call_error = call_error_of(replace(response, status=status or 502, body=body), caller)
    call_error.status_code = status or response.status
    return call_error


def _status_in(error: object) -> int | None:
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return None


def malformed_reply_error(response: HttpResponse, caller: str, problem: str) -> CallError:
    """The error for a 200 without a reply: a proxy's page, half a body, an empty list."""
    message = f"{caller} answered {problem}"
    if response.body is None and response.text:
        message += f": {truncate_sentence(response.text, 80)}"
    return CallError(message, status_code=response.status, retryable=True)


def truncate_sentence(sentence: str, most: int = LONGEST_SENTENCE) -> str:
    flat = " ".join(sentence.split())
    if len(flat) <= most:
        return flat
    return f"{flat[: most - 1]}…"


def _is_transient(status: int) -> bool:
    if status >= 500:
        return status not in _PERMANENT_STATUSES
    return status in _RETRYABLE_STATUSES


def _is_filtered(status: int, complaint: ErrorDetails) -> bool:
    # OpenRouter moderates with a 403, which is no wrong key: the next row may pass.
    if status == 403 and complaint.mentions(("moderation", "flagged")):
        return True
    return status in (400, 403, 422) and bool(complaint.codes & _CONTENT_FILTER_CODES)


def _is_fatal(status: int, complaint: ErrorDetails) -> bool:
    """Whether every other call would fail in the same way."""
    if status == 429:
        return bool(complaint.codes & _QUOTA_CODES)
    if status == 400:
        is_unknown_model = bool(complaint.codes & _UNKNOWN_MODEL_CODES)
        return is_unknown_model or complaint.mentions(_FATAL_PHRASES)
    return status in _FATAL_STATUSES
