"""From an HTTP response that holds no reply to a `CallError` that says what may help."""

from __future__ import annotations

import re
import time
from dataclasses import replace

from rmg_dsl.errors import CallError
from rmg_dsl.models.http_response import ErrorDetails, HttpResponse, error_details_of
from rmg_dsl.models.retry_delay import retry_delay_in

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
# Quotas that are money: no wait fills them again.
_QUOTA_CODES = frozenset(
    {
        "billing_hard_limit_reached",
        "billing_not_active",
        "exceeded_current_quota_error",
        "insufficient_balance",
        "insufficient_credits",
        "insufficient_quota",
    }
)
_QUOTA_PHRASES = (
    "credit balance is too low",
    "insufficient balance",
    "insufficient credit",
    "insufficient fund",
    "out of credit",
    "spending limit",
    "please recharge",
)
# Some providers use another status than 429 for a rate limit.
_RATE_LIMIT_CODES = frozenset(
    {
        "rate_limit",
        "rate_limit_error",
        "rate_limit_exceeded",
        "rate_limit_reached",
        "rate_limited",
        "ratelimitexceeded",
        "ratelimitreached",
        "resource_exhausted",
        "throttling",
        "throttlingexception",
        "throttling.ratequota",
        "toomanyrequests",
        "too_many_requests",
        "userratelimitexceeded",
    }
)
_DAILY_QUOTA = re.compile(r"\bper[ _-]?day\b|\bdaily\b|\((?:RPD|TPD)\)|PerDay", re.I)
_MINUTE_QUOTA = re.compile(r"\bper[ _-]?(?:second|sec|minute|min)\b|\((?:RPM|TPM)\)", re.I)
_TOO_LARGE = re.compile(r"\brequest (?:is )?too large\b", re.I)
_LIMIT_AND_REQUESTED = re.compile(r"\blimit:?\s*([\d,]+).{0,80}?\brequested:?\s*([\d,]+)", re.I)
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
    retry_after = _retry_after(response)
    rate_limited = not refused and _is_rate_limit(status, complaint)
    fatal = not refused and _is_fatal(status, complaint)
    if rate_limited:
        # Google's 403 for a rate limit is no wrong key.
        is_money = status == 429 and fatal
        fatal = is_money or _is_used_up_for_today(response, complaint, retry_after)
    message = f"{caller} answered HTTP {status}: {truncate_sentence(complaint.message)}"
    if key_hint and fatal and status in (401, 403):
        message += f" ({key_hint})"
    is_transient = rate_limited or _is_transient(status)
    return CallError(
        message,
        status_code=status,
        retryable=is_transient and not (fatal or refused or _is_too_large(status, complaint)),
        fatal=fatal,
        refused=refused,
        retry_after=retry_after,
        rate_limited=rate_limited and not fatal,
    )


def _retry_after(response: HttpResponse) -> float | None:
    """The seconds to wait, from the headers, else from the body."""
    if response.retry_after is not None or not _is_transient(response.status):
        return response.retry_after
    now = response.sent_at or time.time()
    # A body that says 0 seconds says nothing.
    return retry_delay_in(response.body, response.text, now) or None


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


def _is_rate_limit(status: int, complaint: ErrorDetails) -> bool:
    is_refusal = status == 429 or bool(complaint.codes & _RATE_LIMIT_CODES)
    return is_refusal and not _is_too_large(status, complaint)


def _is_used_up_for_today(
    response: HttpResponse, complaint: ErrorDetails, retry_after: float | None
) -> bool:
    """Whether a quota of a day is used up, for which no run can wait.

    Google names the quota in the details, and asks to wait for seconds although it is one of a day.
    """
    if "PerDay" in str(_details_in(response.body)):
        return True
    if retry_after is not None:
        return False
    sentence = complaint.message
    return bool(_DAILY_QUOTA.search(sentence)) and not _MINUTE_QUOTA.search(sentence)


def _details_in(body: object) -> object:
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error.get("details") if isinstance(error, dict) else None


def _is_too_large(status: int, complaint: ErrorDetails) -> bool:
    """Whether one request is larger than the quota of a minute: no wait lets it through."""
    if status != 429:
        return False
    if _TOO_LARGE.search(complaint.message):
        return True
    numbers = _LIMIT_AND_REQUESTED.search(complaint.message)
    if numbers is None:
        return False
    limit, requested = (int(text.replace(",", "") or 0) for text in numbers.groups())
    return requested > limit


def _is_fatal(status: int, complaint: ErrorDetails) -> bool:
    """Whether every other call would fail in the same way."""
    if status == 429:
        return bool(complaint.codes & _QUOTA_CODES) or complaint.mentions(_QUOTA_PHRASES)
    if status == 400:
        is_unknown_model = bool(complaint.codes & _UNKNOWN_MODEL_CODES)
        return is_unknown_model or complaint.mentions(_FATAL_PHRASES)
    return status in _FATAL_STATUSES
