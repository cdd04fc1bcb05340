"""A whole local stack to look at, and its environment as an operator would have it in one shell."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.environments import BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID
from deploy.local.stack import Stack

FIRST = {
    "ingress": "ingress-1",
    "notices": "notices-1",
    "subscriptions": "subscriptions-1",
    "dispatcher": "dispatcher-1",
}


@dataclass(frozen=True, kw_only=True)
class StackOperator:
    """`environment` has no secret; they are files in `secrets`, a copy that a test may change."""

    stack: Stack
    secrets: Path
    environment: Mapping[str, str] = field(repr=False)

    def write_secret(self, file: str, value: str) -> None:
        (self.secrets / file).write_text(value)

    def build_environment(self, service: str) -> dict[str, str]:
        """Of one process: with its own login, role, secrets and port."""
        port = urlsplit(self.stack.metrics_urls[FIRST[service]]).port
        return {
            **self.environment,
            "KREISFUNK_SECRETS_DIR": str(self.secrets / service),
            "KREISFUNK_BROKER_URL": f"amqp://{service}@{_strip_login(self.stack.broker_url)}/",
            "KREISFUNK_DATABASE_URL": f"postgresql://kreisfunk_{service}@{_strip_login(self.stack.database_url)}/kreisfunk",
            "KREISFUNK_INTERNAL_PORT": str(port),
        }

    def list_secrets(self) -> set[str]:
        """What must never be printed."""
        files = [path for path in self.stack.folder.glob("secrets/*/*") if path.is_file()]
        return {path.read_text().strip() for path in files} - {""}


def build_operator(stack: Stack, folder: Path) -> StackOperator:
    secrets = folder / "secrets"
    shutil.copytree(stack.folder / "secrets", secrets)
    return StackOperator(
        stack=stack,
        secrets=secrets,
        environment={
            "KREISFUNK_SECRETS_DIR": str(secrets),
            "KREISFUNK_BROKER_URL": f"amqp://anybody@{_strip_login(stack.broker_url)}/",
            "KREISFUNK_BROKER_API_URL": stack.broker_api_url,
            "KREISFUNK_DATABASE_URL": f"postgresql://anybody@{_strip_login(stack.database_url)}/kreisfunk",
            "KREISFUNK_GRAPH_URL": stack.simulator_url,
            "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
            "KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID,
            "KREISFUNK_LISTEN_PORT": str(urlsplit(stack.ingress_url).port),
        },
    )


def _strip_login(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"
