"""Settings of `kreisfunk feeds`, read from the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.runtime.settings import PREFIX, ServiceSettings


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


class Settings(RuleSettings, FolderSettings, ServiceSettings):
    """All settings of the service; its login is the user in `broker_url`."""

    broker_url: str = Field(
        description="amqp://login@host:port/vhost; host:port,host:port for a cluster",
        pattern=r"^amqps?://[^@/:]+(:[^@/]*)?@",
    )
