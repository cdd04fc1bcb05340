"""The environment of each process of a local stack. Secrets are files, given by their folder only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.names import ADMIN, DATABASE, OWNER
from deploy.local.ports import LOOPBACK
from deploy.paths import CONFIG, NEWSROOM_ASSETS
from deploy.secrets import TOKENS

PHONE_NUMBER_ID = "700800900100200"
BUSINESS_ACCOUNT_ID = "100200300400500"
DISPLAY_PHONE_NUMBER = "4947919300"
WEBHOOK_PATH = "/webhook"

Environment = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class StackEnvironment:
    """Addresses and settings that the processes of a stack share. `inherited` is taken from our own environment.

    `proxied` has a process's own view by its name: with ports of proxies, so that its connections can be made to fail.
    """

    inherited: Mapping[str, str]
    secrets: Path
    broker_port: int
    broker_api_port: int
    database_port: int
    simulator_port: int
    ingress_port: int
    notices_api_port: int
    messages_per_second: int
    other_broker_ports: tuple[int, ...] = ()
    other_database_ports: tuple[int, ...] = ()
    newsroom_port: int = 0
    archive_port: int = 0
    county_file: Path = CONFIG / "county.toml"
    proxied: Mapping[str, "StackEnvironment"] = field(default_factory=dict)

    def get_view(self, process: str) -> "StackEnvironment":
        return self.proxied.get(process, self)

    def build_broker_url(self, login: str) -> str:
        return f"amqp://{login}@{join_hosts(self.broker_port, *self.other_broker_ports)}/"

    def build_database_url(self, role: str) -> str:
        return f"postgresql://{role}@{join_hosts(self.database_port, *self.other_database_ports)}/{DATABASE}"

    @property
    def notices_api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.notices_api_port}"

    @property
    def newsroom_url(self) -> str:
        """Return the URL of the newsroom; empty if the stack has none."""
        return f"http://{LOOPBACK}:{self.newsroom_port}" if self.newsroom_port else ""

    @property
    def archive_url(self) -> str:
        """Return the URL of the public archive; empty if the stack has none."""
        return f"http://{LOOPBACK}:{self.archive_port}" if self.archive_port else ""

    @property
    def simulator_url(self) -> str:
        return f"http://{LOOPBACK}:{self.simulator_port}"


def join_hosts(*ports: int) -> str:
    """Return this machine with each of the ports, as URLs name several servers."""
    return ",".join(f"{LOOPBACK}:{port}" for port in ports)


def filter_inherited(environment: Mapping[str, str]) -> Environment:
    """Drop settings of other installations, and disable output buffering so that logs are complete."""
    ours = ("KREISFUNK_", "SIMULATOR_")
    kept = {name: value for name, value in environment.items() if not name.startswith(ours)}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def build_notices_environment(stack: StackEnvironment, *, notices_api_port: int, internal_port: int) -> Environment:
    return {
        **_build_service_environment(stack, "notices", internal_port),
        **build_tokens_environment(stack),
        "KREISFUNK_NOTICES_API_HOST": LOOPBACK,
        "KREISFUNK_NOTICES_API_PORT": str(notices_api_port),
    }


def build_ingress_environment(stack: StackEnvironment, *, listen_port: int, internal_port: int) -> Environment:
    return {
        **_build_service_environment(stack, "ingress", internal_port),
        "KREISFUNK_LISTEN_HOST": LOOPBACK,
        "KREISFUNK_LISTEN_PORT": str(listen_port),
        "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID,
    }


def build_subscriptions_environment(stack: StackEnvironment, *, internal_port: int) -> Environment:
    return {
        **_build_service_environment(stack, "subscriptions", internal_port),
        "KREISFUNK_DATABASE_URL": stack.build_database_url("kreisfunk_subscriptions"),
        "KREISFUNK_COUNTY_FILE": str(stack.county_file),
        "KREISFUNK_MESSAGES_PER_SECOND": str(stack.messages_per_second),
    }


def build_dispatcher_environment(stack: StackEnvironment, *, internal_port: int) -> Environment:
    return {
        **_build_service_environment(stack, "dispatcher", internal_port),
        "KREISFUNK_DATABASE_URL": stack.build_database_url("kreisfunk_dispatcher"),
        "KREISFUNK_GRAPH_URL": stack.simulator_url,
        "KREISFUNK_GRAPH_VERSION": "v26.0",
        "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "KREISFUNK_MESSAGES_PER_SECOND": str(stack.messages_per_second),
    }


def build_newsroom_environment(stack: StackEnvironment, *, internal_port: int) -> Environment:
    return {
        **_build_service_environment(stack, "newsroom", internal_port),
        "KREISFUNK_DATABASE_URL": stack.build_database_url("kreisfunk_newsroom"),
        "KREISFUNK_COUNTY_FILE": str(stack.county_file),
        "KREISFUNK_NOTICES_API_URL": stack.notices_api_url,
        "KREISFUNK_NEWSROOM_HOST": LOOPBACK,
        "KREISFUNK_NEWSROOM_PORT": str(stack.newsroom_port),
        "KREISFUNK_NEWSROOM_URL": stack.newsroom_url,
        "KREISFUNK_NEWSROOM_ASSETS": str(NEWSROOM_ASSETS),
        "KREISFUNK_NEWSROOM_RULES_FILE": str(CONFIG / "newsroom.toml"),
        "KREISFUNK_TEMPLATES_FILE": str(CONFIG / "templates.json"),
        "KREISFUNK_ARCHIVE_HOST": LOOPBACK,
        "KREISFUNK_ARCHIVE_PORT": str(stack.archive_port),
        "KREISFUNK_ARCHIVE_URL": stack.archive_url,
        "KREISFUNK_ARCHIVE_PHONE": f"+{DISPLAY_PHONE_NUMBER}",
    }


def build_simulator_environment(stack: StackEnvironment) -> Environment:
    return {
        **stack.inherited,
        "SIMULATOR_LISTEN_HOST": LOOPBACK,
        "SIMULATOR_LISTEN_PORT": str(stack.simulator_port),
        "SIMULATOR_WEBHOOK_URL": f"http://{LOOPBACK}:{stack.ingress_port}{WEBHOOK_PATH}",
        "SIMULATOR_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "SIMULATOR_WABA_ID": BUSINESS_ACCOUNT_ID,
        "SIMULATOR_DISPLAY_PHONE_NUMBER": DISPLAY_PHONE_NUMBER,
        "SIMULATOR_MESSAGES_PER_SECOND": str(stack.messages_per_second),
        "SIMULATOR_TEMPLATES_FILE": str(CONFIG / "templates.json"),
        "SIMULATOR_SECRETS_DIR": str(stack.secrets / "simulator"),
    }


def build_migrate_environment(stack: StackEnvironment) -> Environment:
    return {
        **_with_secrets(stack, "admin"),
        "KREISFUNK_BROKER_URL": stack.build_broker_url(ADMIN),
        "KREISFUNK_BROKER_API_URL": f"http://{LOOPBACK}:{stack.broker_api_port}",
        "KREISFUNK_DATABASE_URL": stack.build_database_url(OWNER),
        "KREISFUNK_COUNTY_FILE": str(stack.county_file),
    }


def build_publisher_environment(stack: StackEnvironment) -> Environment:
    """Return the variables that `kreisfunk publish` needs on top of the user's own environment."""
    return {
        "KREISFUNK_BROKER_URL": stack.build_broker_url("pressestelle"),
        "KREISFUNK_NOTICES_API_URL": stack.notices_api_url,
        "KREISFUNK_COUNTY_FILE": str(stack.county_file),
        "KREISFUNK_SECRETS_DIR": str(stack.secrets / "pressestelle"),
    }


def build_feeds_environment(stack: StackEnvironment) -> Environment:
    """Return the variables that `kreisfunk feeds` needs on top of the user's own environment."""
    return {
        "KREISFUNK_BROKER_URL": stack.build_broker_url("feeds"),
        "KREISFUNK_COUNTY_FILE": str(stack.county_file),
        "KREISFUNK_SECRETS_DIR": str(stack.secrets / "feeds"),
    }


def build_tokens_environment(stack: StackEnvironment) -> Environment:
    """Return the variables that `kreisfunk tokens` needs on top of the user's own environment."""
    return {
        "KREISFUNK_NOTICES_API_TOKENS_FILE": str(stack.secrets / TOKENS),
        "KREISFUNK_COUNTY_FILE": str(stack.county_file),
    }


def build_systems_environment(stack: StackEnvironment) -> Environment:
    """Return the variables that `kreisfunk systems` needs on top of the user's own environment."""
    return {
        "KREISFUNK_BROKER_URL": stack.build_broker_url(ADMIN),
        "KREISFUNK_BROKER_API_URL": f"http://{LOOPBACK}:{stack.broker_api_port}",
        "KREISFUNK_COUNTY_FILE": str(stack.county_file),
        "KREISFUNK_SECRETS_DIR": str(stack.secrets / "systems"),
    }


def build_operator_environment(stack: StackEnvironment) -> Environment:
    """Return the variables that an operator's commands need on top of the user's own environment."""
    return {
        "KREISFUNK_DATABASE_URL": stack.build_database_url("kreisfunk_operator"),
        "KREISFUNK_SECRETS_DIR": str(stack.secrets / "operator"),
    }


def build_users_environment(stack: StackEnvironment) -> Environment:
    """Return the variables that `kreisfunk newsroom users` needs on top of the user's own environment."""
    return {
        "KREISFUNK_DATABASE_URL": stack.build_database_url("kreisfunk_newsroom"),
        "KREISFUNK_SECRETS_DIR": str(stack.secrets / "users"),
    }


def build_quarantine_environment(stack: StackEnvironment) -> Environment:
    """Return the variables that `kreisfunk quarantine` needs on top of the user's own environment."""
    return {
        "KREISFUNK_BROKER_URL": stack.build_broker_url("quarantine"),
        "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID,
        "KREISFUNK_SECRETS_DIR": str(stack.secrets / "quarantine"),
    }


def _build_service_environment(stack: StackEnvironment, name: str, internal_port: int) -> Environment:
    return {
        **_with_secrets(stack, name),
        "KREISFUNK_BROKER_URL": stack.build_broker_url(name),
        "KREISFUNK_INTERNAL_HOST": LOOPBACK,
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
    }


def _with_secrets(stack: StackEnvironment, name: str) -> Environment:
    return {**stack.inherited, "KREISFUNK_SECRETS_DIR": str(stack.secrets / name)}
