"""Every setting of the service, read once from SENSORIUM_* when the application is made."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.access import names
from service.access.keyring import Keyring
from service.access.rates import parse_rate


def split(value: str) -> tuple[str, ...]:
    """`"a, b,"` -> `("a", "b")`."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def decoding_threads() -> int:
    """More than there are cores would take the encoder's time, and one alone would wait behind a film."""
    return max(2, os.cpu_count() or 1)


class Settings(BaseSettings):
    """`SENSORIUM_PORT=9000` sets `port`, and so on; an empty value counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix="SENSORIUM_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        # Errors would print keys.
        hide_input_in_errors=True,
    )

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65_535, description="port to listen on (0 = any free one)")
    model: str = Field(
        default="sensorium-small",
        description="model to serve: sensorium-small, imagebind-huge, imagebind-nano or open_clip:ARCH/TAG",
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="comma list of models to serve together, NAME or NAME=WEIGHTS, the first the default",
    )
    weights: Path | None = Field(
        default=None, description="file with the model's weights, in place of the usual ones"
    )
    modalities: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None, description="comma list of the modalities to load (default: all that the model has)"
    )
    bound: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="comma list of folders with senses bound to the model (`sensorium bind`)"
    )
    device: str = Field(default="cpu", description="where the encoders run: cpu, cuda, cuda:1")
    precision: str = Field(
        default="fp32",
        description="number format of the encoders: fp32, bf16, int8 (CPU), fp16 (GPU) or auto",
    )
    compile: bool = Field(
        default=False, description="put the encoders through torch.compile; needs a C++ compiler at the start"
    )
    threads: int | None = Field(
        default=None, ge=1, le=512, description="processor threads of the encoders (default: all cores)"
    )
    data_dir: Path = Field(default=Path("data"), description="folder of the collections (made if absent)")
    gallery: bool = Field(
        default=True,
        description="hang sample media into a collection `gallery` at the very first start",
    )
    max_body_bytes: int = Field(default=50_000_000, ge=1, description="largest request body [bytes]")
    max_pending_bytes: int = Field(
        default=200_000_000,
        ge=1,
        description="most bytes of the bodies of all requests in progress; beyond it callers get 429",
    )
    max_batch_items: int = Field(default=256, ge=1, description="most inputs, items or parts in one request")
    max_pixels: int = Field(
        default=50_000_000, ge=1, description="most pixels of an image, depth map or frame"
    )
    max_audio_s: float = Field(default=3600.0, gt=0, description="longest sound [s]")
    max_video_s: float = Field(default=3600.0, gt=0, description="longest video [s]")
    segment_s: float = Field(
        default=10.0,
        ge=0,
        allow_inf_nan=False,
        description="least length of the segments that long recordings are stored with [s]; 0: with none",
    )
    max_segments: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="most segments of one recording, where more are longer (default: the model's)",
    )
    queue_limit: int = Field(
        default=512,
        ge=1,
        description="most accepted and unanswered inputs per modality; beyond it callers get 429",
    )
    max_wait_s: float = Field(
        default=30.0,
        gt=0,
        description="longest expected wait of an accepted input [s]; beyond it callers get 429",
    )
    max_connections: int = Field(
        default=1000, ge=1, description="most connections at the same time; beyond it callers get 503"
    )
    header_timeout_s: float = Field(
        default=20.0, gt=0, description="longest time that a request's head may take to arrive [s]"
    )
    body_timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="longest time that a body may take to arrive [s], and a second more per 100 kB of it",
    )
    grace_s: float = Field(
        default=25.0,
        gt=0,
        description="longest time that accepted requests have to be answered after SIGTERM [s]",
    )
    batch_views: int = Field(
        default=32, ge=1, description="most views (clips, crops) that go through an encoder together"
    )
    encode_lanes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="batches that are encoded at the same time (default: by the cores, at most 4; GPU: 1)",
    )
    decode_threads: int = Field(
        default_factory=decoding_threads,
        ge=1,
        le=256,
        description="threads that decode and prepare media (default: one for each core, two at least)",
    )
    index_threads: int = Field(
        default=4, ge=1, le=256, description="threads that search and write collections"
    )
    ingest_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="comma list of folders that jobs may read (`POST /v1/jobs`)"
    )
    ingest_processes: int = Field(
        default=0, ge=0, le=256, description="processes that decode for a job (0: cores less one, at most 8)"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="comma list of other origins whose pages may ask this server (`*`: any)",
    )
    api_keys: SecretStr | None = Field(
        default=None,
        description="who may ask: file of hashed keys (`sensorium keys new`) or comma list NAME:SCOPES:KEY",
    )
    rate_limit: Annotated[dict[str, float], NoDecode] = Field(
        default_factory=dict,
        description="most per minute of each key (or address): requests=600,seconds=3600,pixels=5e8",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="comma list of its names, for a server of this machine only that has no keys",
    )
    forwarded_allow_ips: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="comma list of proxies (addresses, networks) whose X-Forwarded-* are believed",
    )
    fetch: Literal["off", "public"] = Field(
        default="off", description="fetch files whose https addresses callers send: off, or from public hosts"
    )
    fetch_http: bool = Field(default=False, description="fetch from http addresses too")
    fetch_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="comma list of the only hosts to fetch from; `*.example.org`: all below"
    )
    fetch_timeout_s: float = Field(default=10.0, gt=0, description="longest fetch of one file [s]")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe log line"
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="log lines as JSON objects, or as text for people"
    )

    @field_validator("rate_limit", mode="before")
    @classmethod
    def _rate(cls, value: object) -> object:
        return parse_rate(value) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _readable_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            Keyring(value.get_secret_value())
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            try:
                ip_network(each)
            except ValueError as error:
                raise ValueError(f"{error}; accepted is a list such as 127.0.0.1,10.0.0.0/8,::1") from error
        return given

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(names.origin, given))

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(names.host, given))

    @field_validator("fetch_hosts")
    @classmethod
    def _hosts_below(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(names.hosts_below, given))

    @field_validator("modalities", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return split(value) or None

    @field_validator(
        "bound",
        "cors_origins",
        "models",
        "fetch_hosts",
        "allowed_hosts",
        "forwarded_allow_ips",
        "ingest_roots",
        mode="before",
    )
    @classmethod
    def _split_all(cls, value: object) -> object:
        return split(value) if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _default_model(cls, values: Any) -> Any:
        """The first of `models` is the default one, unless `model` names it."""
        given = values.get("models") or ()
        first = next(iter(split(given) if isinstance(given, str) else given), None)
        if first is None or values.get("model"):
            return values
        return {**values, "model": first.partition("=")[0]}

    @field_validator("models")
    @classmethod
    def _named_once(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = [each.partition("=")[0] for each in given]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None or not all(names):
            fault = f"{twice!r} is named twice" if twice else "a name is empty"
            raise ValueError(f"{fault}; accepted is a list such as sensorium-small,imagebind-huge=PATH")
        return given

    @property
    def served_models(self) -> tuple[str, ...]:
        """The names of all models to serve, the default one first."""
        others = (each.partition("=")[0] for each in self.models)
        return (self.model, *(name for name in others if name != self.model))

    def weights_of(self, model: str) -> Path | None:
        """The file given for this model's weights, None for the usual ones."""
        own = dict(each.partition("=")[::2] for each in self.models).get(model)
        if own:
            return Path(own)
        return self.weights if model == self.model else None
