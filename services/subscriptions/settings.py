"""Settings of this service."""

from pathlib import Path

from pydantic import Field, FilePath, SecretStr

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read by shared.runtime.settings.read_settings."""

    database_url: str = Field(description="postgresql://role@host:port/db", pattern=r"^postgres(ql)?://")
    database_password: SecretStr | None = Field(None, description="password of the database role")
    county_file: FilePath = Field(
        Path("deploy/config/county.toml"),
        validate_default=True,
        description="the county, its topics and who may publish",
    )
    messages_per_second: float = Field(80, gt=0, le=10_000, description="Meta's limit for our number, for estimates")

    @property
    def database_secret(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None
