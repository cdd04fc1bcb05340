"""The environment of each process of a local stack. Secrets are files; the environment names only their folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.container_secrets import ADMIN
from deploy.local import DATABASE, OWNER
from deploy.local.ports import LOOPBACK
from deploy.paths import CONFIG, NEWSROOM_ASSETS
from deploy.secrets import TOKENS
from deploy.stack_file import BUSINESS_ACCOUNT_ID, Environment

PHONE_NUMBER_ID = "700800900100200"
DISPLAY_PHONE_NUMBER = "4947919300"
WEBHOOK_PATH = "/webhook"


@dataclass(frozen=True, kw_only=True)
class StackEnvironment:
    """Addresses and settings that the processes of a stack share. `inherited` is taken from our own environment.

    `proxied` has separate views of single processes, by name, with ports of proxies that can make connections fail.
    """

    inherited: Mapping[str, str]
    secrets: Path
    broker_ports: tuple[int, ...]
    broker_api_port: int
    database_ports: tuple[int, ...]
    simulator_port: int = 0
    ingress_port: int = 0
    notices_api_port: int = 0
    messages_per_second: int = 80
    newsroom_port: int = 0
    archive_port: int = 0
    county_file: Path = CONFIG / "county.toml"
    proxied: Mapping[str, "StackEnvironment"] = field(default_factory=dict)

    def get_view(self, process: str) -> "StackEnvironment":
        return self.proxied.get(process, self)

    def build_broker_url(self, login: str) -> str:
        return f"amqp://{login}@{join_hosts(*self.broker_ports)}/"

    def build_database_url(self, role: str) -> str:
        return f"postgresql://{role}@{join_hosts(*self.database_ports)}/{DATABASE}"

    @property
    def notices_api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.notices_api_port}"

    @property
    def newsroom_url(self) -> str:
        """URL of the newsroom; empty if the stack has none."""
        return f"http://{LOOPBACK}:{self.newsroom_port}" if self.newsroom_port else ""

    @property
    def archive_url(self) -> str:
        """URL of the public archive; empty if the stack has none."""
        return f"http://{LOOPBACK}:{self.archive_port}" if self.archive_port else ""

    @property
    def simulator_url(self) -> str:
        return f"http://{LOOPBACK}:{self.simulator_port}"


def join_hosts(*ports: int) -> str:
    """Return the hosts part of a URL for several servers: this machine with each of the ports."""
    return ",".join(f"{LOOPBACK}:{port}" for port in ports)


def filter_inherited(environment: Mapping[str, str]) -> Environment:
    """Drop settings of other installations, and disable output buffering so that logs are complete."""
    ours = ("KREISFUNK_", "SIMULATOR_")
    inherited = {name: value for name, value in environment.items() if not name.startswith(ours)}
    return {**inherited, "PYTHONUNBUFFERED": "1"}


def build_process_environment(
    kind: str, stack: StackEnvironment, *, internal_port: int, listen_port: int = 0
) -> Environment:
    """Return the environment of one of our services; ingress and notices API also have a `listen_port`."""
    return {
        **_with_secrets(stack, kind),
        "KREISFUNK_BROKER_URL": stack.build_broker_url(kind),
        "KREISFUNK_INTERNAL_HOST": LOOPBACK,
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
        **_build_own_settings(kind, stack, str(listen_port)),
    }


def _build_own_settings(kind: str, stack: StackEnvironment, listen_port: str) -> Environment:
    match kind:
        case "ingress":
            return {
                "KREISFUNK_LISTEN_HOST": LOOPBACK,
                "KREISFUNK_LISTEN_PORT": listen_port,
                "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
                "KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID,
            }
        case "notices":
            return {
                **_build_tokens_environment(stack),
                "KREISFUNK_NOTICES_API_HOST": LOOPBACK,
                "KREISFUNK_NOTICES_API_PORT": listen_port,
            }
        case "subscriptions":
            return {
                "KREISFUNK_DATABASE_URL": stack.build_database_url("kreisfunk_subscriptions"),
                "KREISFUNK_COUNTY_FILE": str(stack.county_file),
                "KREISFUNK_MESSAGES_PER_SECOND": str(stack.messages_per_second),
            }
        case "newsroom":
            return _build_newsroom_settings(stack)
        case _:
            return {
                "KREISFUNK_DATABASE_URL": stack.build_database_url("kreisfunk_dispatcher"),
                "KREISFUNK_GRAPH_URL": stack.simulator_url,
                "KREISFUNK_GRAPH_VERSION": "v26.0",
                "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
                "KREISFUNK_MESSAGES_PER_SECOND": str(stack.messages_per_second),
            }


def _build_newsroom_settings(stack: StackEnvironment) -> Environment:
    return {
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


def build_process_environments(stack: StackEnvironment, internal_ports: Mapping[str, int]) -> dict[str, Environment]:
    """Return the variables of the first process of each kind, and of the migrations, by the kind."""
    own = replace(stack, inherited={})
    listen_ports = {"ingress": stack.ingress_port, "notices": stack.notices_api_port}
    kinds = {name.removesuffix("-1"): port for name, port in internal_ports.items() if name.endswith("-1")}
    processes = {
        kind: build_process_environment(kind, own, internal_port=port, listen_port=listen_ports.get(kind, 0))
        for kind, port in kinds.items()
    }
    return {**processes, "admin": build_migrate_environment(own)}


def build_command_environments(stack: StackEnvironment) -> dict[str, Environment]:
    """Return the variables that each group of commands needs on top of the user's own environment."""
    broker_url, database_url = stack.build_broker_url, stack.build_database_url
    county = {"KREISFUNK_COUNTY_FILE": str(stack.county_file)}
    environments = {
        "publisher": {
            "KREISFUNK_BROKER_URL": broker_url("pressestelle"),
            "KREISFUNK_NOTICES_API_URL": stack.notices_api_url,
            **county,
        },
        "feeds": {"KREISFUNK_NOTICES_API_URL": stack.notices_api_url, **county},
        "systems": {
            "KREISFUNK_BROKER_URL": broker_url(ADMIN),
            "KREISFUNK_BROKER_API_URL": f"http://{LOOPBACK}:{stack.broker_api_port}",
            **county,
        },
        "operator": {"KREISFUNK_DATABASE_URL": database_url("kreisfunk_operator")},
        "rotation": {"KREISFUNK_DATABASE_URL": database_url("kreisfunk_rotation")},
        "users": {"KREISFUNK_DATABASE_URL": database_url("kreisfunk_newsroom")},
        "quarantine": {
            "KREISFUNK_BROKER_URL": broker_url("quarantine"),
            "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
            "KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID,
        },
    }
    folders = {name: stack.secrets / ("pressestelle" if name == "publisher" else name) for name in environments}
    with_secrets = {name: {**own, "KREISFUNK_SECRETS_DIR": str(folders[name])} for name, own in environments.items()}
    return {**with_secrets, "tokens": _build_tokens_environment(stack)}


def _build_tokens_environment(stack: StackEnvironment) -> Environment:
    return {
        "KREISFUNK_NOTICES_API_TOKENS_FILE": str(stack.secrets / TOKENS),
        "KREISFUNK_COUNTY_FILE": str(stack.county_file),
    }


def _with_secrets(stack: StackEnvironment, name: str) -> Environment:
    return {**stack.inherited, "KREISFUNK_SECRETS_DIR": str(stack.secrets / name)}
