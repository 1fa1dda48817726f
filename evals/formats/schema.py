"""The JSON of a definition and of its workloads: the schema family of FlashInfer-Trace and SOL-ExecBench.

A definition names axes, inputs, outputs and a reference in PyTorch; a workload gives the axes values and says where
each input comes from. SOL-ExecBench adds axes that are expressions, inputs that a function of the reference makes, and
a tolerance by workload. A field that is not known here is an error: nobody can say what it would change.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator


class FormatError(Exception):
    """A definition cannot be a problem; the message is one line that says why."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class ConstAxis(_Strict):
    """A size that is part of the definition."""

    type: Literal["const"]
    value: int = Field(ge=0)
    description: str | None = None


class VarAxis(_Strict):
    """A size that each workload gives."""

    type: Literal["var"]
    parent: str | None = None
    """Of older definitions: which axis it belongs to. It says nothing about values."""
    description: str | None = None


class ExprAxis(_Strict):
    """A size that follows from others."""

    type: Literal["expr"]
    expression: str = Field(min_length=1)
    description: str | None = None


Axis = Annotated[ConstAxis | VarAxis | ExprAxis, Field(discriminator="type")]


class Tensor(_Strict):
    """What an input or output is."""

    shape: list[str | int] | None
    """Names of axes, or sizes; None for a plain number."""
    dtype: str
    description: str | None = None

    @field_validator("dtype", mode="after")
    @classmethod
    def _usual(cls, value: str) -> str:
        return {"float8_e4m3": "float8_e4m3fn"}.get(value, value)


class Definition(_Strict):
    """A kernel that is wanted."""

    name: str = Field(min_length=1)
    op_type: str | None = Field(default=None, validation_alias=AliasChoices("op_type", "type"))
    description: str | None = None
    tags: list[str] | None = None
    hf_id: str | None = None
    """The model it was taken from."""
    axes: dict[str, Axis]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor] = Field(min_length=1)
    reference: str = Field(min_length=1)
    constraints: list[str] | None = None
    custom_inputs_entrypoint: str | None = None


class RandomInput(_Strict):
    """Drawn anew every time."""

    type: Literal["random"]


class ScalarInput(_Strict):
    """A number of the workload."""

    type: Literal["scalar"]
    value: bool | int | float


class StoredInput(_Strict):
    """A tensor in a file of the dataset."""

    type: Literal["safetensors"]
    path: str = Field(min_length=1)
    tensor_key: str = Field(min_length=1)


class CustomInput(_Strict):
    """Made by a function of the reference."""

    type: Literal["custom"]


Input = Annotated[RandomInput | ScalarInput | StoredInput | CustomInput, Field(discriminator="type")]


class Tolerance(_Strict):
    """How far an answer may be off there: ``|x - reference| <= max_atol + max_rtol * |reference|``."""

    max_atol: float | None = Field(default=None, ge=0)
    max_rtol: float | None = Field(default=None, ge=0)
    required_matched_ratio: float | None = Field(default=None, ge=0, le=1)
    """The share of elements for which that has to hold."""
    max_error_cap: float | None = None
    allow_negative_inf: bool = False
    sampling_validation_trials: int | None = None
    sampling_tvd_threshold: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_notes(cls, data: Any) -> Any:
        """Names that begin with an underscore are notes on where the numbers came from."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if not name.startswith("_")}


class Workload(_Strict):
    """One set of sizes and where its inputs come from."""

    uuid: str = Field(min_length=1)
    axes: dict[str, Annotated[int, Field(ge=0)]]
    inputs: dict[str, Input]
    tolerance: Tolerance | None = Field(default=None, validation_alias=AliasChoices("tolerance", "correctness"))


class _Trace(_Strict):
    """A line of FlashInfer-Trace: a workload and which definition it belongs to."""

    definition: str = Field(min_length=1)
    workload: Workload
    solution: None = None
    evaluation: None = None


Read = TypeVar("Read", bound=BaseModel)


def read_definition(raw: bytes) -> Definition:
    """Raises FormatError."""
    return _read(Definition, _parsed(raw))


def read_workload(line: bytes) -> tuple[str | None, Workload]:
    """A workload, and the definition that its line names, if it does. Raises FormatError."""
    data = _parsed(line)
    if not isinstance(data, dict) or "workload" not in data:
        return None, _read(Workload, data)
    for told in ("solution", "evaluation"):
        if data.get(told) is not None:
            raise FormatError(f"{told}: it is a result, and no workload")
    trace = _read(_Trace, data)
    return trace.definition, trace.workload


def named(line: bytes) -> str | None:
    """The definition that a line names, however wrong the rest of it is."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    found = data.get("definition") if isinstance(data, dict) else None
    return found if isinstance(found, str) else None


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8 text: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise FormatError(f"no JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise FormatError("no JSON of a definition: nested too deeply") from error


def _read(kind: type[Read], data: Any) -> Read:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        if first["type"] == "extra_forbidden":
            raise FormatError(f"{where}: a field that is not known here, so nobody can say what it changes") from error
        raise FormatError(f"{where}: {first['msg']}") from error
