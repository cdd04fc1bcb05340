"""Settings of the tokens file and the county's file."""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.output import EXIT_USAGE, fail
from cli.stacks import find_stack, use_environment
from shared.notices.config import ConfigurationError, read_configuration
from shared.notices.configuration import Configuration
from shared.runtime.settings import PREFIX, read_settings

TOKENS_FILE = f"{PREFIX}NOTICES_API_TOKENS_FILE"


class Settings(BaseSettings):
    """The settings that the notices API reads, too."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    notices_api_tokens_file: Path = Field(description="tokens of municipal systems, which the notices API reads")
    county_file: Path = Field(Path("deploy/config/county.toml"), description="topics and who may publish")


@dataclass(frozen=True, kw_only=True)
class TokenRegistry:
    """The tokens file, and the configuration with the registered systems."""

    file: Path
    configuration: Configuration


def find_token_registry(stack: Path | None) -> TokenRegistry:
    """Return the registry of the environment's installation, else of a running local stack.

    Ends the command if there is neither.
    """
    found = find_stack(stack, os.environ, TOKENS_FILE)
    with use_environment(found.addresses.tokens if found else os.environ):
        settings = read_settings(Settings)
    try:
        configuration = read_configuration(settings.county_file, Configuration)
    except ConfigurationError as error:
        fail(str(error), f"{PREFIX}COUNTY_FILE names the county's file.", EXIT_USAGE)
    return TokenRegistry(file=settings.notices_api_tokens_file, configuration=configuration)
