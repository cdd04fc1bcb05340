"""AMQP settings of a publishing municipal system."""

from contextlib import AbstractAsyncContextManager

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.feeds.publishing.publisher import NoticePublisher, OpenPublisher
from shared.runtime.hosts import get_login
from shared.runtime.settings import PREFIX


class PublisherSettings(BaseSettings):
    """AMQP access of a municipal system; the login is the user in `broker_url`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    broker_url: str = Field(
        description="amqp://login@host:port/vhost; host:port,host:port for a cluster",
        pattern=r"^amqps?://[^@/:]+(:[^@/]*)?@",
    )
    broker_password: SecretStr | None = Field(None, description="password of the broker login")

    @property
    def login(self) -> str:
        return get_login(self.broker_url)

    @property
    def broker_secret(self) -> str | None:
        return self.broker_password.get_secret_value() if self.broker_password else None

    def build_opener(self, name: str) -> OpenPublisher:
        """Return a function that opens a publisher; `name` is the connection's name at the broker."""

        # Imported here because the settings are also read by commands that publish nothing.
        from services.feeds.publishing.amqp_publisher import open_amqp_publisher

        def open_door() -> AbstractAsyncContextManager[NoticePublisher]:
            return open_amqp_publisher(self.broker_url, password=self.broker_secret, login=self.login, name=name)

        return open_door
