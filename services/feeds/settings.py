"""Settings of `kreisfunk feeds`, read from the environment."""

from pathlib import Path

from pydantic import Field

from shared.runtime.settings import EnvironmentSettings, NoticesApiAccess, ServiceSettings


class RuleSettings(EnvironmentSettings):
    """Paths of the rules, for commands that publish nothing."""

    feeds_file: Path = Field(description="feeds and warnings to poll, in TOML")
    county_file: Path = Field(
        Path("deploy/config/county.toml"), description="topics, municipalities, prices, who may publish"
    )


class FolderSettings(EnvironmentSettings):
    """Path of drafts and refused events, for commands that publish nothing."""

    feeds_folder: Path = Field(description="entries seen, drafts, rejected notices")


class Settings(RuleSettings, FolderSettings, ServiceSettings, NoticesApiAccess):
    """All settings of the service."""
