"""Files and environment of a private RabbitMQ node."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.atomic_write import write_secret
from deploy.container_secrets import build_definitions
from deploy.local.ports import LOOPBACK
from deploy.local.rabbitmq_install import RabbitPrograms

RABBITMQ = Path(__file__).parents[1] / "rabbitmq"
ENABLED_PLUGINS = RABBITMQ / "enabled_plugins"
NODE = "kreisfunk@localhost"

CONFIGURATION = """\
listeners.tcp.1 = {host}:{amqp}
tcp_listen_options.sndbuf = 65536
tcp_listen_options.recbuf = 16384
management.tcp.ip = {host}
management.tcp.port = {api}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {metrics}
auth_backends.1.authn = internal
auth_backends.1.authz = kreisfunk_bounds
definitions.import_backend = local_filesystem
definitions.local.path = {folder}/definitions.json
log.file = {folder}/rabbitmq.log
log.file.level = warning
log.file.rotation.size = 10485760
log.file.rotation.count = 5
log.console = false
vm_memory_high_watermark.absolute = 768MiB
disk_free_limit.absolute = 100MB
max_message_size = 8388608
frame_max = 16384
raft.wal_max_size_bytes = 33554432
management.rates_mode = basic
"""

# Credit of a channel: with RabbitMQ's default of 400, as many messages still arrive after a queue is full. And the wait
# of a retry that returns to a full queue, in ms: RabbitMQ's default of three minutes would block the others.
RABBIT_ARGUMENTS = "-rabbit credit_flow_default_credit {8,4} dead_letter_worker_publisher_confirm_timeout 10000"
ERLANG_ARGUMENTS = f"+S 1:1 +B i -noinput -kernel inet_dist_use_interface {{127,0,0,1}} {RABBIT_ARGUMENTS}"


@dataclass(frozen=True, kw_only=True)
class RabbitPorts:
    amqp: int
    api: int
    metrics: int
    distribution: int
    epmd: int


def write_files(
    folder: Path, password: str, ports: RabbitPorts, extra_configuration: str = "", cookie: str | None = None
) -> None:
    """Write the node's files over those of an earlier run with other ports; data and cookie stay."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = CONFIGURATION.format(host=LOOPBACK, folder=folder, **asdict(ports))
    write_secret(folder / "rabbitmq.conf", configuration + extra_configuration)
    write_secret(folder / "enabled_plugins", ENABLED_PLUGINS.read_text())
    write_secret(folder / "definitions.json", json.dumps(build_definitions(password, salt=secrets.token_bytes(4))))
    if not (folder / ".erlang.cookie").exists():
        write_secret(folder / ".erlang.cookie", cookie or secrets.token_hex(20))


def build_node_environment(
    folder: Path, ports: RabbitPorts, programs: RabbitPrograms, node: str = NODE
) -> dict[str, str]:
    """Return an environment in which the node uses no file of the system's own broker in /etc and /var."""
    erlang = os.pathsep.join((str(programs.epmd.parent), os.environ.get("PATH", os.defpath)))
    return {
        "PATH": erlang,
        "HOME": str(folder),  # Erlang looks for the cookie here
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script execs the node instead of remaining its parent
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PLUGINS_DIR": os.pathsep.join((str(programs.plugins), str(folder / "plugins"))),
        "RABBITMQ_MNESIA_BASE": str(folder),
        "RABBITMQ_MNESIA_DIR": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS,
    }
