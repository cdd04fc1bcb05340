"""The environment of each process of a local stack. Secrets are files, named by their folder only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.names import ADMIN, DATABASE, OWNER
from deploy.local.ports import LOOPBACK
from deploy.local.secret_files import TOKENS

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "config"

PHONE_NUMBER_ID = "700800900100200"
BUSINESS_ACCOUNT_ID = "100200300400500"
DISPLAY_PHONE_NUMBER = "4947919300"
WEBHOOK_PATH = "/webhook"

Environment = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the processes have to know of one another. `inherited` is the part of our own environment.

    `detours` are what a process of that name has to take them for, so that its connections can be made to fail.
    """

    inherited: Mapping[str, str]
    secrets: Path
    broker_port: int
    broker_api_port: int
    database_port: int
    simulator_port: int
    ingress_port: int
    door_port: int
    messages_per_second: int
    county_file: Path = CONFIG / "county.toml"
    detours: Mapping[str, "Surroundings"] = field(default_factory=dict)

    def seen_by(self, process: str) -> "Surroundings":
        return self.detours.get(process, self)

    def broker_url(self, login: str) -> str:
        return f"amqp://{login}@{LOOPBACK}:{self.broker_port}/"

    def database_url(self, role: str) -> str:
        return f"postgresql://{role}@{LOOPBACK}:{self.database_port}/{DATABASE}"

    @property
    def door_url(self) -> str:
        return f"http://{LOOPBACK}:{self.door_port}"

    @property
    def simulator_url(self) -> str:
        return f"http://{LOOPBACK}:{self.simulator_port}"


def inherited_environment(environment: Mapping[str, str]) -> Environment:
    """Without settings of other installations, and with output that reaches the log at once."""
    ours = ("KREISFUNK_", "SIMULATOR_")
    kept = {name: value for name, value in environment.items() if not name.startswith(ours)}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def notices(around: Surroundings, *, door_port: int, internal_port: int) -> Environment:
    return {
        **_service(around, "notices", internal_port),
        **tokens(around),
        "KREISFUNK_DOOR_HOST": LOOPBACK,
        "KREISFUNK_DOOR_PORT": str(door_port),
    }


def ingress(around: Surroundings, *, listen_port: int, internal_port: int) -> Environment:
    return {
        **_service(around, "ingress", internal_port),
        "KREISFUNK_LISTEN_HOST": LOOPBACK,
        "KREISFUNK_LISTEN_PORT": str(listen_port),
        "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID,
    }


def subscriptions(around: Surroundings, *, internal_port: int) -> Environment:
    return {
        **_service(around, "subscriptions", internal_port),
        "KREISFUNK_DATABASE_URL": around.database_url("kreisfunk_subscriptions"),
        "KREISFUNK_COUNTY_FILE": str(around.county_file),
        "KREISFUNK_MESSAGES_PER_SECOND": str(around.messages_per_second),
    }


def dispatcher(around: Surroundings, *, internal_port: int) -> Environment:
    return {
        **_service(around, "dispatcher", internal_port),
        "KREISFUNK_DATABASE_URL": around.database_url("kreisfunk_dispatcher"),
        "KREISFUNK_GRAPH_URL": around.simulator_url,
        "KREISFUNK_GRAPH_VERSION": "v26.0",
        "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "KREISFUNK_MESSAGES_PER_SECOND": str(around.messages_per_second),
    }


def simulator(around: Surroundings) -> Environment:
    return {
        **around.inherited,
        "SIMULATOR_LISTEN_HOST": LOOPBACK,
        "SIMULATOR_LISTEN_PORT": str(around.simulator_port),
        "SIMULATOR_WEBHOOK_URL": f"http://{LOOPBACK}:{around.ingress_port}{WEBHOOK_PATH}",
        "SIMULATOR_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "SIMULATOR_WABA_ID": BUSINESS_ACCOUNT_ID,
        "SIMULATOR_DISPLAY_PHONE_NUMBER": DISPLAY_PHONE_NUMBER,
        "SIMULATOR_MESSAGES_PER_SECOND": str(around.messages_per_second),
        "SIMULATOR_TEMPLATES_FILE": str(CONFIG / "templates.json"),
        "SIMULATOR_SECRETS_DIR": str(around.secrets / "simulator"),
    }


def migrate(around: Surroundings) -> Environment:
    return {
        **_with_secrets(around, "admin"),
        "KREISFUNK_BROKER_URL": around.broker_url(ADMIN),
        "KREISFUNK_BROKER_API_URL": f"http://{LOOPBACK}:{around.broker_api_port}",
        "KREISFUNK_DATABASE_URL": around.database_url(OWNER),
        "KREISFUNK_COUNTY_FILE": str(around.county_file),
    }


def publisher(around: Surroundings) -> Environment:
    """Only what `kreisfunk publish` needs, to be set on top of somebody's own environment."""
    return {
        "KREISFUNK_BROKER_URL": around.broker_url("pressestelle"),
        "KREISFUNK_DOOR_URL": around.door_url,
        "KREISFUNK_COUNTY_FILE": str(around.county_file),
        "KREISFUNK_SECRETS_DIR": str(around.secrets / "pressestelle"),
    }


def feeds(around: Surroundings) -> Environment:
    """Only what `kreisfunk feeds` needs, to be set on top of somebody's own environment."""
    return {
        "KREISFUNK_BROKER_URL": around.broker_url("feeds"),
        "KREISFUNK_COUNTY_FILE": str(around.county_file),
        "KREISFUNK_SECRETS_DIR": str(around.secrets / "feeds"),
    }


def tokens(around: Surroundings) -> Environment:
    """Only what `kreisfunk tokens` needs, to be set on top of somebody's own environment."""
    return {
        "KREISFUNK_DOOR_TOKENS_FILE": str(around.secrets / TOKENS),
        "KREISFUNK_COUNTY_FILE": str(around.county_file),
    }


def systems(around: Surroundings) -> Environment:
    """Only what `kreisfunk systems` needs, to be set on top of somebody's own environment."""
    return {
        "KREISFUNK_BROKER_URL": around.broker_url(ADMIN),
        "KREISFUNK_BROKER_API_URL": f"http://{LOOPBACK}:{around.broker_api_port}",
        "KREISFUNK_COUNTY_FILE": str(around.county_file),
        "KREISFUNK_SECRETS_DIR": str(around.secrets / "systems"),
    }


def operator(around: Surroundings) -> Environment:
    """Only what an operator's commands need, to be set on top of somebody's own environment."""
    return {
        "KREISFUNK_DATABASE_URL": around.database_url("kreisfunk_operator"),
        "KREISFUNK_SECRETS_DIR": str(around.secrets / "operator"),
    }


def quarantine(around: Surroundings) -> Environment:
    """Only what `kreisfunk quarantine` needs, to be set on top of somebody's own environment."""
    return {
        "KREISFUNK_BROKER_URL": around.broker_url("quarantine"),
        "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID,
        "KREISFUNK_SECRETS_DIR": str(around.secrets / "quarantine"),
    }


def _service(around: Surroundings, name: str, internal_port: int) -> Environment:
    return {
        **_with_secrets(around, name),
        "KREISFUNK_BROKER_URL": around.broker_url(name),
        "KREISFUNK_INTERNAL_HOST": LOOPBACK,
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
    }


def _with_secrets(around: Surroundings, name: str) -> Environment:
    return {**around.inherited, "KREISFUNK_SECRETS_DIR": str(around.secrets / name)}
