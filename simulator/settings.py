"""Settings of the simulator, read once at start."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, FilePath, HttpUrl, SecretStr, StringConstraints, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from simulator.limits import PAIR_INTERVAL_SECONDS

PREFIX = "SIMULATOR_"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
# This host, and the name of the simulator's service in docker compose.
SIMULATED_HOSTS = ("127.0.0.1", "localhost", "[::1]", "simulator")

Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,20}$")]
Secret = Annotated[SecretStr, Field(min_length=8)]


class SettingsError(Exception):
    """Raised when settings, or a file that they name, are unusable; the text names every problem but no value."""


class Settings(BaseSettings):
    """Addresses, limits, and the secrets shared with the business."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    webhook_url: HttpUrl = Field(description="where signed webhooks are posted to")
    app_secret: Secret = Field(description="key of the webhooks' signatures (secret)")
    verify_token: Secret = Field(description="token of the webhook handshake (secret)")
    graph_token: Secret = Field(description="bearer token of the Graph API (secret)")
    control_token: Secret = Field(description="bearer token of /simulator/ and of the page (secret)")
    phone_number_id: Digits = Field(description="id of the business number")
    waba_id: Digits = Field(description="id of the business account")
    display_phone_number: Digits = Field(description="the business number, digits only")
    templates_file: FilePath = Field(description="JSON list of create-template bodies")
    app_id: Digits = Field("600700800900100", description="id of the app")
    new_account: bool = Field(False, description="start as a new customer of Meta: no templates, no webhook")
    review_seconds: float = Field(1, ge=0, le=86_400, description="time until a new template is approved")
    phones: int = Field(0, ge=0, le=100_000, description="number of phones at the start")
    phones_file: Path | None = Field(None, description="JSON file that stores the phones for the next start")
    listen_host: str = Field("127.0.0.1", description="address to listen on")
    listen_port: int = Field(8090, ge=0, le=65535, description="port to listen on")
    messages_per_second: int = Field(80, ge=1, le=100_000, description="the number's throughput")
    pair_interval_seconds: float = Field(
        PAIR_INTERVAL_SECONDS, ge=0, le=60, description="seconds of a person's quota that a message uses; 0: no limit"
    )
    drain_seconds: float = Field(20, ge=0, le=600, description="time for the last webhooks when stopping")
    graph_url: HttpUrl | None = Field(None, description="where the dispatcher sends to; must be a simulator")

    @field_validator("graph_url")
    @classmethod
    def _require_simulated_host(cls, value: HttpUrl | None) -> HttpUrl | None:
        """Refuse to run alongside a dispatcher that sends to Meta: simulated webhooks must not mix with Meta's."""
        if value is not None and value.host not in SIMULATED_HOSTS:
            raise ValueError("the dispatcher does not send to a simulator, so none may run alongside it")
        return value


def load() -> Settings:
    """Read the environment and the files of the secrets folder; raise SettingsError if they are invalid."""
    folder = os.environ.get(SECRETS_DIR)
    if folder and not Path(folder).is_dir():
        raise SettingsError(f"{SECRETS_DIR}: is not a folder")
    try:
        return Settings(_secrets_dir=folder or None)  # type: ignore[call-arg] # BaseSettings takes it
    except ValidationError as error:
        lines = [
            f"{PREFIX}{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        # The original error contains the values.
        raise SettingsError("\n".join(lines)) from None


def describe() -> str:
    """Return the settings as a table for --help."""
    rows = [f"  {SECRETS_DIR:34} folder with a file per setting, named in lower case"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"default {field.default}"
        rows.append(f"  {PREFIX + name.upper():34} {field.description} ({default})")
    return "\n".join(rows)
