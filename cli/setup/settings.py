"""Settings of `kreisfunk setup`: those with which the services will reach Meta."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, HttpUrl

from cli.doctor.installation import SECRETS_DIR, build_from_stack
from cli.output import EXIT_USAGE, fail
from cli.settings import CommandSettings
from cli.stacks import find_stack, read_settings_from
from deploy.atomic_write import write_secret
from services.dispatcher.settings import UNENCRYPTED_HOSTS, GraphUrl
from shared.runtime.settings import PREFIX

GRAPH_URL = f"{PREFIX}GRAPH_URL"
GRAPH_TOKEN = "dispatcher/kreisfunk_graph_token"  # noqa: S105 - the path of its file
APP_SECRETS = "ingress/kreisfunk_app_secrets"
VERIFY_TOKEN = "ingress/kreisfunk_verify_token"  # noqa: S105 - the path of its file


class MetaSettings(CommandSettings):
    """Address of Meta, and our identity there."""

    graph_url: GraphUrl = Field(HttpUrl("https://graph.facebook.com"), description="Meta or a solution provider")
    graph_version: str = Field("v26.0", pattern=r"^v\d+\.\d+$", description="version of Meta's interface")
    phone_number_id: str = Field(pattern=r"^\d{5,20}$", description="Meta's id of our number")
    waba_id: str = Field(pattern=r"^\d{5,30}$", description="Meta's id of our account")
    messages_per_second: float = Field(80, gt=0, le=10_000, description="Meta's limit for our number")
    people_per_day: int | None = Field(None, gt=0, description="Meta's tier: different people in any 24 hours")

    @property
    def base_url(self) -> str:
        return f"{str(self.graph_url).rstrip('/')}/{self.graph_version}"

    @property
    def simulated(self) -> bool:
        """Return whether a simulator stands in for Meta: only then an address of ours may be without TLS."""
        return self.graph_url.host in UNENCRYPTED_HOSTS


@dataclass(frozen=True)
class SecretFiles:
    """The files of secrets that Meta's words go into."""

    folder: Path

    def read(self, file: str) -> str:
        """Return the secret, empty if there is none yet."""
        path = self.folder / file
        return path.read_text().strip() if path.is_file() else ""

    def write(self, file: str, value: str) -> None:
        """Store the secret, readable for its owner only."""
        write_secret(self.folder / file, value)


@dataclass(frozen=True, kw_only=True)
class SetupTarget:
    """The installation to be set up; `callback_url` is known for a local stack only."""

    settings: MetaSettings
    secrets: SecretFiles
    callback_url: str | None = None


def find_target(stack: Path | None, environment: Mapping[str, str]) -> SetupTarget:
    """Return the local stack or the installation of the environment; ends the command with status 2 without one."""
    running = find_stack(stack, environment, GRAPH_URL)
    if running is not None:
        installation = build_from_stack(running)
        own = {**installation.processes["dispatcher"], f"{PREFIX}WABA_ID": installation.business_account or ""}
        return SetupTarget(
            settings=read_settings_from(own, MetaSettings),
            secrets=SecretFiles(running.folder / "secrets"),
            callback_url=f"{installation.ingress_url}/webhook",
        )
    folder = Path(environment.get(SECRETS_DIR) or ".")
    missing = [who for who in ("dispatcher", "ingress") if not (folder / who).is_dir()]
    if missing:
        advice = "`kreisfunk secrets FOLDER` creates it; with containers it is `docker compose run --rm setup`."
        fail(f"{SECRETS_DIR} has no folder {' and no folder '.join(missing)}.", advice, EXIT_USAGE)
    return SetupTarget(settings=read_settings_from(environment, MetaSettings), secrets=SecretFiles(folder))
