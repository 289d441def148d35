"""Typed params: `params/<client>.yaml` over `defaults.yaml`, checked before any kernel starts."""

from __future__ import annotations

import difflib
import importlib
import os
import re
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator

from helpers.data.contract import TABLES
from helpers.data.places import filled
from helpers.errors import ParamsError
from helpers.periods import Grain
from helpers.yaml_files import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
CLIENT_NAME = r"[a-z0-9][a-z0-9_-]*"
RESERVED = {"defaults", "playbook"}


class Section(BaseModel):
    """A part of the params: unknown keys are errors and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Brand(Section):
    """How the client's reports look."""

    colour: str = Field(default="#0b6e4f", pattern=r"^#[0-9a-fA-F]{6}$")
    logo: str | None = None


class Connection(Section):
    """Where the tables are, when not in files: a DuckDB file or the NAME of an environment variable with a URL."""

    url_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    path: str | None = None


class Demo(Section):
    """The simulated client, made on first use; in another language, with amounts and words of that place."""

    seed: int = 20240229
    customers: int = Field(default=6000, ge=200, le=1_000_000)
    language: Literal["en", "vi", "fa"] = "en"


class TableSource(Section):
    """Where one table comes from and how its columns are called there.

    `where` and `cancelled` are SQL conditions on the source's own columns. `generate` makes the order id of a log that has none, the
    unit ids of a test with one row a unit, and the one name of a file that holds one experiment.
    """

    source: str = Field(alias="from")
    format: Literal["csv", "tsv", "blanks", "parquet", "excel"] | None = None
    columns: dict[str, str] = {}
    header: tuple[str, ...] | None = None
    sheet: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] = "."
    formats: dict[str, str] = {}
    where: str | None = None
    cancelled: str | None = None
    duplicates: Literal["quarantine", "keep"] = "quarantine"
    generate: dict[Literal["order_id", "unit_id", "experiment"], str] = {}

    @field_validator("generate")
    @classmethod
    def _known_rules(cls, generate: dict[str, str]) -> dict[str, str]:
        known = {"order_id": ("row", "customer_day"), "unit_id": ("row",)}
        for column, rule in generate.items():
            if column in known and rule not in known[column]:
                raise ValueError(f"{column} == {rule!r}, must be {' or '.join(known[column])}")
        return generate


class Limits(Section):
    """How much may be wrong before a study stops."""

    quarantine_share: float = Field(default=0.30, ge=0, le=1)


class Data(Section):
    """The client's tables; `memory` limits the embedded engine, which without it takes half of what its process may hold."""

    backend: str = "duckdb"
    memory: str | None = Field(default=None, pattern=r"^[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B$")
    connection: Connection = Connection()
    demo: Demo | None = None
    tables: dict[str, TableSource] = {}
    limits: Limits = Limits()

    @field_validator("backend")
    @classmethod
    def _known_backend(cls, backend: str) -> str:
        if backend not in _backends():
            raise ValueError(f"{backend!r} is no backend of Ibis{_suggest(backend, _backends())}")
        return backend

    @field_validator("tables")
    @classmethod
    def _known_tables(cls, tables: dict[str, TableSource]) -> dict[str, TableSource]:
        for name, table in tables.items():
            if name not in TABLES:
                raise ValueError(f"unknown table {name!r}{_suggest(name, TABLES)}")
            spec = TABLES[name]
            for column in {*table.columns, *table.formats}:
                if column not in spec.columns and not spec.free:
                    raise ValueError(f"table {name} has no column {column!r}{_suggest(column, spec.columns)}")
        return tables

    @model_validator(mode="after")
    def _something_to_read(self) -> Self:
        if not (known := {"orders", "order_lines", "subscriptions", "experiments", "offers"}) & self.tables.keys():
            raise ValueError(f"tables needs one of {', '.join(sorted(known))}")
        if self.backend != "duckdb" and not self.connection.url_env:
            raise ValueError(f"backend {self.backend} needs connection.url_env, the name of an environment variable")
        return self


class Economics(Section):
    """What an order is worth to the client."""

    margin: float = Field(default=0.35, gt=-1, le=1)
    discount_rate_annual: float = Field(default=0.10, ge=0, lt=1)
    horizon_months: int = Field(default=24, ge=1, le=120)
    cac: float | None = Field(default=None, ge=0)


class Periods(Section):
    """The client's rhythm."""

    grain: Grain = "quarter"


class Run(Section):
    """What one notebook may take before it is stopped. Without `memory_gb`, notebooks that run side by side share the machine."""

    timeout_minutes: float = Field(default=30, gt=0, le=24 * 60)
    memory_gb: float | None = Field(default=None, gt=0)


class ClientParams(Section):
    """Everything a study needs to know about one client. Topics add a section each (`helpers/<topic>/topic.py`)."""

    client: str = Field(pattern=f"^{CLIENT_NAME}$")
    name: str = Field(min_length=1, max_length=200)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    locale: str = "en_GB"
    timezone: str = "UTC"
    seed: int = 1
    brand: Brand = Brand()
    data: Data
    economics: Economics = Economics()
    periods: Periods = Periods()
    run: Run = Run()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in _zones():
            raise ValueError(f"{zone!r} is no IANA time zone{_suggest(zone, _zones())}")
        return zone

    @field_validator("locale")
    @classmethod
    def _known_locale(cls, locale: str) -> str:
        try:
            Locale.parse(locale)
        except (UnknownLocaleError, ValueError) as error:
            raise ValueError(f"{locale!r} is no locale; write en_GB, vi_VN, fa_IR, ...") from error
        return locale


@cache
def _backends() -> set[str]:
    """Backends of Ibis: to look for them is to read about every installed package."""
    return entry_points(group="ibis.backends").names


@cache
def _zones() -> set[str]:
    return available_timezones()


@cache
def topics() -> dict[str, Any]:
    """Each topic's `topic` module, by name: a package of `helpers` with a `topic.py`."""
    names = sorted(path.parent.name for path in (ROOT / "helpers").glob("*/topic.py"))
    return {name: importlib.import_module(f"helpers.{name}.topic") for name in names}


@cache
def _model() -> type[ClientParams]:
    sections: dict[str, Any] = {name: (module.Params, module.Params()) for name, module in topics().items()}
    return create_model("ClientParams", __base__=ClientParams, **sections)


def params_folder() -> Path:
    """The folder of params files: `VALUEBOOK_PARAMS`, or the project's own."""
    return Path(os.environ.get("VALUEBOOK_PARAMS", ROOT / "params"))


def clients(folder: Path) -> list[str]:
    """Names of the clients that have a params file in a folder.

    Raises:
        ParamsError: The folder is not there.
    """
    if not folder.is_dir():
        raise ParamsError(f"{folder}: no such params folder")
    return sorted(path.stem for path in folder.glob("*.yaml") if path.stem not in RESERVED)


def load_params(client: str, *, folder: Path) -> Any:
    """One client's params, merged over the defaults.

    Returns:
        A frozen `ClientParams` with one more section a topic.

    Raises:
        ParamsError: Unknown client, or anything wrong in its file; the message names file and key.
    """
    if not re.fullmatch(CLIENT_NAME, client) or client in RESERVED:
        raise ParamsError(f"client == {client!r} must match {CLIENT_NAME} and not be one of {sorted(RESERVED)}")
    path = folder / f"{client}.yaml"
    if not path.is_file():
        raise ParamsError(f"{path}: no such client{_suggest(client, clients(folder))}")
    defaults = next(file for file in (folder / "defaults.yaml", ROOT / "params" / "defaults.yaml") if file.is_file())
    about = defaults.stat()
    content = read_yaml(path)
    if content.get("client") != client:
        raise ParamsError(f"{path}: client == {content.get('client')!r}, must be the file's name, {client!r}")
    try:
        return check_params(merge(_defaults(defaults, about.st_mtime_ns, about.st_size), content))
    except ValidationError as error:
        raise ParamsError("\n".join(f"{path}: {_explain(detail)}" for detail in error.errors())) from error


def check_params(content: dict[str, Any]) -> Any:
    """What a params file says, and its defaults, as typed params.

    Raises:
        ValidationError: Anything wrong in it.
    """
    return _model().model_validate(content)


@lru_cache(maxsize=1)
def _defaults(path: Path, _changed: int, _size: int) -> dict[str, Any]:
    """What all clients are merged over, read once for hundreds of them."""
    return read_yaml(path)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with what `over` says, mapping by mapping."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def expand(path: str, *, key: str) -> Path:
    """A path of the params with its `${VAR}` filled, relative to the project's folder.

    Raises:
        ParamsError: The environment variable is not set.
    """
    return ROOT / filled(path, key=key)


def _explain(detail: Any) -> str:
    """One line for one pydantic error: key, what is wrong, what was given."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key{_suggest(str(detail['loc'][-1]), _fields(detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"{key}: is missing"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" + ("" if isinstance(detail["input"], dict) else f" (got {detail['input']!r})")


def _fields(location: tuple[Any, ...]) -> list[str]:
    """Keys that are known where an unknown one stood."""
    model: Any = _model()
    for part in location:
        annotation = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else model
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), model)
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


def _suggest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known)[:12])}"
