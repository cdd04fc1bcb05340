"""Settings of `kreisfunk feeds`, read from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.feeds.publishing.settings import PublisherSettings
from shared.runtime.settings import PREFIX, Port


class RuleSettings(BaseSettings):
    """Paths of the rules, for commands that need no broker."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    feeds_file: Path = Field(description="feeds and warnings that are read, in TOML")
    county_file: Path = Field(
        Path("deploy/config/county.toml"), description="the county, its topics and who may publish"
    )


class FolderSettings(BaseSettings):
    """Path of drafts and refused events, for commands that need no broker."""

    model_config = RuleSettings.model_config

    feeds_folder: Path = Field(description="what is known of them, drafts, and what was refused")


class Settings(PublisherSettings):
    """All settings: publisher access, feeds and county files, state folder, and the internal port."""

    feeds_file: Path = Field(description="feeds and warnings that are read, in TOML")
    feeds_folder: Path = Field(description="what is known of them, drafts, and what was refused")
    county_file: Path = Field(
        Path("deploy/config/county.toml"), description="the county, its topics and who may publish"
    )
    internal_host: str = Field("127.0.0.1", description="where /livez, /readyz and /metrics listen")
    internal_port: Port = Field(9090, description="port of /livez, /readyz and /metrics")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain_seconds: float = Field(20, gt=0, le=600, description="longest time from SIGTERM to the end")
