"""What a person fixed for a run. The only module of this room that reads the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from agent.deadlines import to_deadline
from agent.models.names import is_known_form, parse_remote, split_models
from agent.models.pricing import price_models
from agent.policies.sight import Sight
from sandbox.base import Isolation
from sandbox.errors import SandboxError
from sandbox.target import Target, support_of, usual_language
from tools.errors import RequestError
from tools.problem import CLOSE_CALL_S, MEMCHECK_S, PROFILE_S, JudgeSettings

ENV_PREFIX = "KERNELWRIGHT_"
SETTINGS_FILE = "kernelwright.toml"
DEFAULT_HOME = "~/.local/share/kernelwright"
# The names every OpenAI client uses: asked last, so that ours win.
_BORROWED = {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL"}


class AgentSettings(BaseModel):
    """Frozen settings of one run; ``load`` applies the precedence, the constructor takes them as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str = "builtin"
    """``builtin``, ``openai:NAME``, ``openai:NAME@URL`` or ``scripted:FILE``; several with commas between them."""
    base_url: str | None = None
    """Of an OpenAI-compatible server."""
    api_key: SecretStr | None = Field(default=None, exclude=True)
    """Never written anywhere."""
    host_keys: dict[str, SecretStr] = Field(default_factory=dict, exclude=True)
    """Of servers named with their model; from ``KERNELWRIGHT_API_KEY_HOST``, never written either."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    streaming: bool = True
    request_timeout_s: float = Field(default=120.0, gt=0)
    """Seconds of silence after which the model's server counts as hanging."""
    price_in: float | None = Field(default=None, ge=0)
    """Dollars a million prompt tokens."""
    price_out: float | None = Field(default=None, ge=0)
    """Dollars a million completion tokens."""
    price_cached: float | None = Field(default=None, ge=0)
    """Dollars a million prompt tokens that the server had cached; default like the others."""
    prices: Path | None = None
    """TOML file with prices of models, above the packaged table."""
    max_reply_tokens: int | None = Field(default=None, ge=1)
    """The longest reply that is asked for; default the server's, or 16,384 where a cap is set."""
    return_reasoning: Literal["auto", "always", "never"] = "auto"
    """Whether servers get back what a model thought before earlier tool calls."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Limits of a model's server; each model has them for itself."""
    max_outage_seconds: float | None = Field(default=None, ge=0)
    """How long to wait for a server that does not answer; default four hours, 0 before it first answered."""

    context_tokens: int | None = Field(default=None, ge=2_000)
    """The model's context window; default what is known of the model."""

    analysis: Literal["rule", "model"] = "rule"
    """Who says what limits a candidate and what to look up: a rule, or the language model where there is one."""
    analysis_tokens: int = Field(default=8_000, ge=2_000)
    """One such question and its answer."""

    target: str = "cpu"
    language: str = ""
    """Default: what is usual for the target."""
    policy: str = "greedy"
    slots: int = Field(default=2, ge=1, le=64)
    """Proposals made in parallel in each round."""
    max_candidates: int = Field(default=12, ge=1)
    """Candidates judged, recalled ones included."""
    max_seconds: float = Field(default=600.0, gt=0)
    """Active seconds, over all resumptions together."""
    deadline: datetime | None = None
    """No candidate begins after it: ``07:30`` (the next one), a date and time, or a duration such as ``8h``."""
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0)
    """Dollars."""
    stall: int = Field(default=8, ge=1)
    """Stop after this many candidates in a row without a better one."""
    target_speedup: float | None = Field(default=None, gt=0)
    """Stop once a candidate is this many times as fast as the best baseline."""
    target_roofline: float | None = Field(default=None, gt=0, le=1)
    """Stop once a candidate reaches this fraction of its floor (``tools/roofline.py``)."""
    stop_at_floor: bool = True
    """Stop where nothing is left to win: before the search if the best baseline is at its floor, else at a champion."""

    drafts: int = Field(default=0, ge=0)
    """Independent proposals that see nothing, before any policy builds upon what was judged."""
    restart_after: int | None = Field(default=None, ge=1)
    """Candidates in a row without a better one after which a slot starts anew and sees nothing."""
    sight: Sight = "policy"
    """What a proposal sees of the tree."""
    tune_trials: int = Field(default=16, ge=0)
    """Settings that are tried of one candidate that declares numbers; 0 for no tuning."""
    tune_seconds: float | None = Field(default=None, gt=0)
    """For all tuning of the run; default a quarter of ``max_seconds``, of which it is a part."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    max_steps: int = Field(default=16, ge=1)
    """Model calls one proposal may take."""
    asking: Literal["tools", "once"] = "tools"
    """How a proposal is asked for: a conversation with tools, or a single reply that holds the whole file."""
    enough_tokens: int | None = Field(default=None, ge=1)
    """Begin no further round once so many were spent; unlike ``max_tokens``, what is under way may go beyond."""
    profiler: bool = True
    """Whether the model may ask what a profiler says of its draft."""

    out: Path | None = None
    """Run folder; default a new one under ``home``."""
    home: Path = Field(default=Path(DEFAULT_HOME), validate_default=True)
    """Runs, memory and caches live here."""
    trace_endpoint: str | None = None
    """OTLP/HTTP URL to which the run's steps are sent as OpenTelemetry spans; needs ``kernelwright[otel]``."""
    memory: bool = True
    """Whether to recall and to remember."""
    knowledge: tuple[Path, ...] = ()
    """Folders of documents besides ours, overriding them by name; the last one wins."""

    isolation: Isolation | None = None
    """Default: the strongest this machine has."""
    allow_unsandboxed: bool = False
    """Let model-written code run in a plain child process."""
    precision: Literal["native", "tolerance"] = "native"
    atol: float | None = Field(default=None, ge=0)
    rtol: float | None = Field(default=None, ge=0)
    check_seeds: int = Field(default=3, ge=1, le=64)
    blocks: int = Field(default=12, ge=4, le=400)
    close_call_s: float | None = Field(default=None, ge=0)
    """Default: a quarter of ``max_seconds``, at most what the judge would take."""
    stage_timeout_s: float = Field(default=120.0, gt=0)
    memory_bytes: int = Field(default=12 << 30, ge=256 << 20)
    profile_s: float = Field(default=PROFILE_S, ge=0)
    """For one profile of one candidate; 0 for none at all."""
    memcheck_s: float = Field(default=MEMCHECK_S, ge=0)
    """For the check of a champion's accesses on a GPU; 0 for none."""
    threads: int | None = Field(default=None, ge=1)

    @field_validator("model", mode="before")
    @classmethod
    def _several_models(cls, value: Any) -> Any:
        joined = value
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            unknown = next((one for one in value if len(value) > 1 and not is_known_form(one)), None)
            if unknown is not None:
                raise ValueError(f"unknown model {unknown!r}")
            joined = ",".join(value)
        if isinstance(joined, str):
            names = split_models(joined)
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{twice} is given twice")
            return ",".join(names)
        return joined

    @field_validator("deadline", mode="before")
    @classmethod
    def _as_a_time(cls, value: Any) -> Any:
        return None if value is None else to_deadline(value, datetime.now().astimezone())

    @field_validator("home", "out", "prices", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("knowledge", mode="before")
    @classmethod
    def _paths(cls, value: Any) -> Any:
        return [item for item in value.split(os.pathsep) if item] if isinstance(value, str) else value

    @field_validator("knowledge", mode="after")
    @classmethod
    def _absolute_paths(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(path.expanduser().absolute() for path in value)

    @field_validator("target", mode="after")
    @classmethod
    def _known_target(cls, value: str) -> str:
        if value == "cuda":  # the GPU that is there
            from sandbox.devices import find_devices

            here = find_devices()
            value = f"cuda:{here[0].architecture}" if here else value
        try:
            return str(Target.parse(value))
        except SandboxError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _usual_language(self) -> Self:
        if not self.language:
            object.__setattr__(self, "language", usual_language(Target.parse(self.target)))
        return self

    def check(self) -> None:
        """Raise RequestError for what no single setting shows to be wrong."""
        target = Target.parse(self.target)
        row = support_of(target, self.language)
        if row is None or row.status != "available":
            rows = [row.language for row in target.support if row.status == "available"]
            able = f"use --language {' or '.join(rows)}" if rows else "use --target cpu"
            raise RequestError(f"no judge for {self.language} on {self.target} yet: {able}")
        price_models(self.models, self)

    @property
    def models(self) -> tuple[str, ...]:
        """The models of the run, in order."""
        return split_models(self.model)

    def key_of(self, model: str) -> SecretStr | None:
        """The key for a model's server. The run's own key goes only where the run's own server is."""
        remote = parse_remote(model, self.base_url)
        if remote is None or not remote.own_url:
            return self.api_key
        return self.host_keys.get(_as_variable(remote.host))

    @property
    def judging(self) -> JudgeSettings:
        """The part that the judge needs."""
        return JudgeSettings(
            precision=self.precision,
            atol=self.atol,
            rtol=self.rtol,
            check_seeds=self.check_seeds,
            blocks=self.blocks,
            close_call_s=min(CLOSE_CALL_S, self.max_seconds / 4) if self.close_call_s is None else self.close_call_s,
            stage_timeout_s=self.stage_timeout_s,
            memory_bytes=self.memory_bytes,
            profile_s=self.profile_s,
            memcheck_s=self.memcheck_s,
            threads=self.threads,
        )

    @property
    def memory_path(self) -> Path:
        """The experience store's file."""
        return self.home / "memory.db"

    @classmethod
    def load(
        cls,
        command_line: Mapping[str, Any] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        given_in: str = "command line",
    ) -> Self:
        """Merge command line > environment > ``kernelwright.toml`` in ``folder`` > defaults.

        ``command_line`` holds what was given explicitly; None means not given, any other value wins, the
        default's included; ``given_in`` says where, if it was not there. Raises RequestError, one line that names where
        a wrong value came from.
        """
        environ = os.environ if environ is None else environ
        given = {name: value for name, value in (command_line or {}).items() if value is not None}
        known = set(cls.model_fields) - {"host_keys"}
        layers = (
            (SETTINGS_FILE, _from_file((folder or Path.cwd()) / SETTINGS_FILE, known)),
            ("environment", _from_environment(environ, known)),
            (given_in, given),
        )
        merged: dict[str, Any] = {}
        origin: dict[str, str] = {}
        for where, values in layers:
            merged.update(values)
            origin.update(dict.fromkeys(values, where))
        merged["host_keys"] = _host_keys(environ)
        return cls._validated(merged, origin)

    @classmethod
    def restore(cls, stored: Mapping[str, Any], *, environ: Mapping[str, str] | None = None) -> Self:
        """Settings of a run being resumed: as stored; the key, which never is, from the environment.

        Raises RequestError if they no longer make sense.
        """
        environ = os.environ if environ is None else environ
        keys = {**_from_environment(environ, {"api_key"}), "host_keys": _host_keys(environ)}
        return cls._validated({**stored, **keys}, dict.fromkeys(stored, "run.json"))

    @classmethod
    def _validated(cls, values: Mapping[str, Any], origin: Mapping[str, str]) -> Self:
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            where = origin.get(name, "command line")
            flag = "--" + name.replace("_", "-")
            spelled = {"environment": f"{ENV_PREFIX}{name.upper()}", "command line": flag}
            message = first["msg"].removeprefix("Value error, ")
            raise RequestError(f"{spelled.get(where, f'{name} in {where}')}: {message}") from error


def default_home(environ: Mapping[str, str] | None = None) -> Path:
    """Where runs, memory and caches live when no settings say otherwise."""
    environ = os.environ if environ is None else environ
    return Path(environ.get(f"{ENV_PREFIX}HOME") or DEFAULT_HOME).expanduser().absolute()


def _from_environment(environ: Mapping[str, str], known: set[str]) -> dict[str, str]:
    found = {}
    for name in sorted(known):
        value = environ.get(f"{ENV_PREFIX}{name.upper()}") or environ.get(_BORROWED.get(name, ""), "")
        if value:
            found[name] = value
    return found


def _host_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """``KERNELWRIGHT_API_KEY_API_DEEPSEEK_COM`` is the key of api.deepseek.com."""
    prefix = f"{ENV_PREFIX}API_KEY_"
    return {name.removeprefix(prefix): value for name, value in environ.items() if name.startswith(prefix) and value}


def _as_variable(host: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", host.upper())


def _from_file(path: Path, known: set[str]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RequestError(f"cannot read {path.name}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{path.name} is not valid TOML: {error}") from error
    settings = {key.replace("-", "_"): value for key, value in values.items()}
    if "api_key" in settings:
        raise RequestError(f"{path.name}: a key does not belong in a file: set {ENV_PREFIX}API_KEY instead")
    unknown = sorted(set(settings) - known)
    if unknown:
        names = ", ".join(sorted(known - {"api_key"}))
        raise RequestError(f"{path.name}: unknown setting {unknown[0]!r}; the known ones are {names}")
    return settings
