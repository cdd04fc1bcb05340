"""Settings of `kreisfunk feeds`, read from the environment."""

from pathlib import Path

from pydantic import Field

from shared.runtime.settings import EnvironmentSettings, ServiceSettings


class RuleSettings(EnvironmentSettings):
    """Paths of the rules, for commands that need no broker."""

    feeds_file: Path = Field(description="feeds and warnings to poll, in TOML")
    county_file: Path = Field(
        Path("deploy/config/county.toml"), description="topics, municipalities, prices, who may publish"
    )


class FolderSettings(EnvironmentSettings):
    """Path of drafts and refused events, for commands that need no broker."""

    feeds_folder: Path = Field(description="entries seen, drafts, rejected notices")


class Settings(RuleSettings, FolderSettings, ServiceSettings):
    """All settings of the service; its login is the user in `broker_url`."""

    broker_url: str = Field(
        description="amqp://login@host:port/vhost; host:port,host:port for a cluster",
        pattern=r"^amqps?://[^@/:]+(:[^@/]*)?@",
    )
