"""A whole local stack to look at, and its environment as an operator would have it in one shell."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.environments import BUSINESS_ACCOUNT_ID
from deploy.local.stack import Stack


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
        own = {"KREISFUNK_SECRETS_DIR": str(self.secrets / service), "KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID}
        return {**self.stack.processes[service], **own}

    def list_secrets(self) -> set[str]:
        """What must never be printed."""
        files = [path for path in self.stack.folder.glob("secrets/*/*") if path.is_file()]
        return {path.read_text().strip() for path in files} - {""}


def build_operator(stack: Stack, folder: Path) -> StackOperator:
    """With the settings of all processes, whose ports for probes are not known to one shell."""
    secrets = folder / "secrets"
    shutil.copytree(stack.folder / "secrets", secrets)
    shared = {name: value for settings in stack.processes.values() for name, value in settings.items()}
    del shared["KREISFUNK_INTERNAL_PORT"]
    port = str(urlsplit(stack.ingress_url).port)
    own = {"KREISFUNK_SECRETS_DIR": str(secrets), "KREISFUNK_LISTEN_PORT": port}
    return StackOperator(stack=stack, secrets=secrets, environment={**shared, **own})
