"""The pydantic models of `--json` outputs, `--log` lines and the settings of `llm(…)`.

`rmg schema NAME` publishes their JSON Schemas, and `validate` checks a record against one.

Importing pydantic takes longer than a whole `rmg check`, so no command but `rmg schema` imports
this module. The producers build plain dicts; tests validate what they print and write.
Where a table or a dataclass has the fields already, the schema reads them there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from rmg_dsl.api.results import RunUsage
from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.messages import Role
from rmg_dsl.models.settings import SETTINGS, SettingRule
from rmg_dsl.report import SUMMARY_KINDS, VALIDATION_KINDS
from rmg_dsl.results import Estimate
from rmg_dsl.runtime import CostEstimate
from rmg_dsl.suggest import format_names, suggest_name

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A cell of a summary is null where there is no value; a count always has one.
_SUMMARY_TYPES = {"text": str | None, "number": float | None, "integer": int}
_VALIDATION_TYPES = {"text": str | None, "number": float | None, "integer": int | None}


class Record(BaseModel):
    """A JSON object with exactly the fields of its model."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class ObjectSchema:
    """Annotates a dict whose fields another module defines: their names and Python types."""

    required: Mapping[str, object]
    optional: Mapping[str, object] = field(default_factory=dict)

    def __get_pydantic_core_schema__(
        self, _source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        entries = {
            name: core_schema.typed_dict_field(handler.generate_schema(kind), required=True)
            for name, kind in self.required.items()
        }
        for name, kind in self.optional.items():
            entries[name] = core_schema.typed_dict_field(
                handler.generate_schema(kind), required=False
            )
        return core_schema.typed_dict_schema(entries, extra_behavior="forbid")


@dataclass(frozen=True, slots=True)
class SettingSchema:
    """Annotates the value of a model setting with its row of `SETTINGS`."""

    allows: str
    rule: SettingRule

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**self.rule.json_schema, "description": self.allows}

    def _check(self, value: object) -> object:
        if not self.rule.accepts(value):
            # Never the value itself: it may be a key that was pasted into the wrong setting.
            raise ValueError(f"takes {self.allows}")
        return value


SummaryRow: TypeAlias = Annotated[
    dict[str, object],
    ObjectSchema({name: _SUMMARY_TYPES[kind] for name, kind in SUMMARY_KINDS.items()}),
]
ValidationRow: TypeAlias = Annotated[
    dict[str, object],
    ObjectSchema({name: _VALIDATION_TYPES[kind] for name, kind in VALIDATION_KINDS.items()}),
]
UsageRecord: TypeAlias = Annotated[dict[str, object], ObjectSchema(get_type_hints(RunUsage))]
EstimateRecord: TypeAlias = Annotated[dict[str, object], ObjectSchema(get_type_hints(Estimate))]


# ── rmg run --json ──


class RequirementRecord(Record):
    """The result of one `require`."""

    text: str = Field(description="the condition, as in the spec")
    holds: bool
    values: dict[str, float | None] = Field(description="each statistic of the condition")
    estimates: dict[str, EstimateRecord] = Field(
        description="the same with the number of rows and the bounds of the 95 % interval"
    )
    why: str = Field(description="why it does not hold, where the values do not show it")


class ValidationRecord(Record):
    """The result of one `validate`: agreement of a grader with people."""

    title: str
    rows: list[ValidationRow]
    notes: list[str]


class RunRecord(Record):
    """What `rmg run --json` prints: the summary, the usage and the requirements of a run."""

    summary: list[SummaryRow] = Field(description="one row for each grader and aggregate")
    usage: UsageRecord
    require: list[RequirementRecord]
    validate_: list[ValidationRecord] = Field(alias="validate")
    notes: list[str] = Field(description="warnings about the spec and notes of the models")
    stopped: str | None = Field(description="why the run ended early, or null")
    by: dict[str, list[SummaryRow]] = Field(
        default_factory=dict,
        description="with --by only: a summary for each value of the column",
    )


# ── rmg check --json ──


class FixRecord(Record):
    """An edit that mends a mistake: replace the place by `text`."""

    title: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class DiagnosticRecord(Record):
    """One mistake of a spec. Lines and columns count from 1; the end is exclusive."""

    code: str = Field(pattern=r"^RMG\d{3}$")
    severity: Literal["error", "warning", "note"]
    message: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    help: str | None
    fixes: list[FixRecord]


class CheckRecord(Record):
    """What `rmg check --json` prints: every diagnostic of the specs, in the order of their
    lines.
    """

    diagnostics: list[DiagnosticRecord]


# ── rmg plan --json, rmg render --json, rmg ast --json ──


class CallRangeRecord(Record):
    """The fewest and the most model calls."""

    least: int
    most: int


class DestinationRecord(Record):
    """Where the rows and the key of one model go."""

    label: str
    model: str
    server: str | None = Field(description="null where no row leaves the process")
    key_variable: str | None = Field(description="the variable whose key is sent")
    problem: str = Field(description="what the caller must allow before the model is called")


PlanRecord: TypeAlias = Annotated[
    dict[str, object],
    ObjectSchema(
        {"steps": int, "calls_per_row": CallRangeRecord, "models": list[DestinationRecord]},
        get_type_hints(CostEstimate),
    ),
]


class MessageRecord(Record):
    """One message of a chat."""

    role: Role
    content: str


class QuestionRecord(Record):
    """The messages that one grader would send about one row."""

    grader: str = Field(description="empty for a part of another grader")
    status: str = Field(description='"ok", or why the row sends nothing')
    message: str
    messages: list[MessageRecord]


class TreeRecord(BaseModel):
    """A node of the tree that `rmg ast --json` prints; the other fields depend on `node`."""

    model_config = ConfigDict(extra="allow")

    node: str


# ── rmg run --log ──


class LoggedRequest(Record):
    """The part of a log line that describes the request."""

    row: int | None = Field(description="place of the row in the data, from 0")
    grader: str
    model: str
    draw: int = Field(description="number of the repeat, from 0")
    again: bool = Field(description="whether this is a second request after a poor reply")
    messages: list[MessageRecord]
    attempts: int


class LoggedReply(LoggedRequest):
    """A log line of a request that got a reply."""

    reply: str
    refusal: str | None
    finish: str | None
    raw: dict[str, object] | None = Field(description="the body of the provider's reply")


class LoggedError(LoggedRequest):
    """A log line of a request that failed."""

    error: str
    status_code: int | None


# ── llm(…) ──

ModelSettings: TypeAlias = Annotated[
    dict[str, object],
    ObjectSchema(
        {},
        {
            name: Annotated[object, SettingSchema(setting.allows, setting.rule)]
            for name, setting in SETTINGS.items()
        },
    ),
]


# ── the published schemas ──


class Schema(NamedTuple):
    """A published schema: what it describes, and the pydantic type."""

    title: str
    adapter: TypeAdapter[Any]


SCHEMAS: Mapping[str, Schema] = {
    "run": Schema("the output of `rmg run --json`", TypeAdapter(RunRecord)),
    "check": Schema("the output of `rmg check --json`", TypeAdapter(CheckRecord)),
    "plan": Schema(
        "the output of `rmg plan --json` and `rmg run --dry-run --json`", TypeAdapter(PlanRecord)
    ),
    "render": Schema("the output of `rmg render --json`", TypeAdapter(list[QuestionRecord])),
    "ast": Schema("the output of `rmg ast --json`", TypeAdapter(TreeRecord)),
    "log": Schema("a line of the file of `rmg run --log`", TypeAdapter(LoggedReply | LoggedError)),
    "model_settings": Schema("the settings of a model in `llm(…)`", TypeAdapter(ModelSettings)),
}


def json_schema(name: str) -> JsonSchemaValue:
    """The JSON Schema (draft 2020-12) of that name. Raises UsageError for an unknown name.

    >>> json_schema("model_settings")["properties"]["temperature"]["maximum"]
    2
    """
    schema = _schema_of(name)
    body = schema.adapter.json_schema(by_alias=True)
    return {"$schema": _DIALECT, **body, "title": schema.title}


def validate(name: str, record: object) -> None:
    """Check a record, as `json.loads` gives it, against a schema.

    Raises DataError with the first difference, UsageError for an unknown name.

    >>> validate("model_settings", {"temperature": 0.2})
    >>> validate("model_settings", {"temperature": 3})
    Traceback (most recent call last):
    ...
    rmg_dsl.errors.DataError: model_settings: temperature: Value error, takes a number from 0 to 2
    """
    schema = _schema_of(name)
    try:
        # As JSON: the strict mode then accepts a list where the type is a tuple.
        schema.adapter.validate_json(json.dumps(record), strict=True)
    except ValidationError as error:
        # Leave the inputs out: a record may contain secrets.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{name}: {place}: {first['msg']}") from None


def _schema_of(name: str) -> Schema:
    if name in SCHEMAS:
        return SCHEMAS[name]
    close = suggest_name(name, SCHEMAS)
    advice = f"did you mean `{close}`?" if close else f"there are {format_names(SCHEMAS, 12)}"
    raise UsageError(f"there is no schema `{name}`: {advice}")
