"""`kreisfunk doctor` on a whole running system, well and with one thing wrong at a time."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aio_pika
import asyncpg
import pytest

from cli.doctor.installation import PROCESS_KINDS
from deploy.local.stack import Stack
from deploy.stack_file import BUSINESS_ACCOUNT_ID
from shared.amqp import topology
from tests.e2e.notices.harness import RATE, SteeringHarness
from tests.harness.commands import CommandResult, run_in_process, run_kreisfunk
from tests.own_ca import create_own_ca, run_tls_server
from tests.servers import Servers, build_database_url, run_as_superuser


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
        """Return what must never be printed."""
        files = [path for path in self.stack.folder.glob("secrets/*/*") if path.is_file()]
        return {path.read_text().strip() for path in files} - {""}


@pytest.fixture
def stack(system: SteeringHarness) -> Stack:
    return system.stack


@pytest.fixture
def operator(stack: Stack, tmp_path: Path) -> StackOperator:
    """The settings of all processes in one shell, which does not know their ports for probes."""
    secrets = tmp_path / "secrets"
    shutil.copytree(stack.folder / "secrets", secrets)
    shared = {name: value for settings in stack.processes.values() for name, value in settings.items()}
    del shared["KREISFUNK_INTERNAL_PORT"]
    port = str(urlsplit(stack.ingress_url).port)
    own = {"KREISFUNK_SECRETS_DIR": str(secrets), "KREISFUNK_LISTEN_PORT": port}
    return StackOperator(stack=stack, secrets=secrets, environment={**shared, **own})


async def look(operator: StackOperator, service: str, *arguments: str) -> CommandResult:
    """The doctor at one service, as JSON; nothing secret may be in what it says, whatever is wrong."""
    ended = await run_in_process("doctor", "--json", *arguments, environment=operator.build_environment(service))
    assert [secret for secret in operator.list_secrets() if secret in ended.everything] == []
    assert "Traceback" not in ended.errors
    return ended


def problems(ended: CommandResult) -> dict[str, str]:
    """Return what is wrong, by the name of the check; the exit status has to agree."""
    found = {check["name"]: check["problem"] for check in ended.json["checks"] if not check["ok"]}
    assert ended.status == (1 if found else 0)
    assert ended.json["ok"] is not bool(found)
    return found


async def test_all_is_well_in_a_stack(stack: Stack) -> None:
    ended = await run_kreisfunk("doctor", "--stack", str(stack.folder))
    assert (ended.status, ended.errors) == (0, "")
    lines = ended.output.splitlines()
    assert lines[-1] == f"{len(lines) - 1} checks, 0 problems"
    for name in PROCESS_KINDS.keys() - {"newsroom"}:  # this stack has none
        assert f"ok       settings of {name}" in lines
    dead_letters = ("dead-letter queues", "dead letters")
    for name in ("broker topology", *dead_letters, "rights of kreisfunk_dispatcher", "Graph API token"):
        assert f"ok       {name}" in lines


async def test_setup_finds_nothing_to_do_in_a_stack_that_is_faster_than_meta(
    stack: Stack, operator: StackOperator
) -> None:
    ended = await run_in_process("setup", "--check", "--stack", str(stack.folder), environment={})
    assert (ended.status, ended.errors) == (1, "")
    assert ended.output.splitlines()[-1].endswith(" ok, 0 open, 1 problems")
    assert f"PROBLEM  rate: we would send {RATE} a second, Meta permits 80" in ended.output
    assert f"callback: {stack.ingress_url}/webhook answers, and nothing else does" in ended.output
    assert [secret for secret in operator.list_secrets() if secret in ended.everything] == []


async def test_a_folder_with_everybodys_secrets_is_a_whole_installation(operator: StackOperator) -> None:
    ended = await run_in_process("doctor", "--json", environment=operator.environment)
    # All processes have the same port for their probes here, as they would on hosts of their own.
    assert set(problems(ended)) == {
        f"{name} is ready" for name in ("ingress", "notices", "subscriptions", "dispatcher", "newsroom")
    }
    names = {check["name"] for check in ended.json["checks"]}
    assert {f"broker login {kind.login}" for kind in PROCESS_KINDS.values()} <= names
    assert [secret for secret in operator.list_secrets() if secret in ended.everything] == []


@pytest.mark.parametrize("service", ["ingress", "notices", "subscriptions", "dispatcher"])
async def test_each_service_can_be_looked_at_alone(operator: StackOperator, service: str) -> None:
    assert problems(await look(operator, service)) == {}


async def test_wrong_secrets_are_found(operator: StackOperator) -> None:
    for secret in ("broker_password", "database_password", "graph_token"):
        operator.write_secret(f"dispatcher/kreisfunk_{secret}", "entirely-wrong")
    found = problems(await look(operator, "dispatcher"))
    assert {"broker login dispatcher", "broker topology", "dead-letter queues"} <= set(found)
    assert found["database role kreisfunk_dispatcher"] == "the database refuses this role"
    refused = "Meta does not accept the token: it is wrong, expired or was withdrawn (code 190)"
    assert found["Graph API token"] == refused


async def test_a_certificate_that_nobody_trusts_is_told_until_its_ca_is_named(
    operator: StackOperator, tmp_path: Path
) -> None:
    ca = create_own_ca(tmp_path)
    async with run_tls_server(ca) as url:
        untrusted = await look_at_meta(operator, url)
        trusted = await look_at_meta(operator, url, {"SSL_CERT_FILE": str(ca.authority)})
    assert untrusted == "its certificate is not trusted (unable to get local issuer certificate)"
    assert trusted == "Meta answers with another number"


async def test_a_ca_that_cannot_be_read_is_named(operator: StackOperator, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    environment = {**operator.build_environment("dispatcher"), "SSL_CERT_FILE": str(ca)}
    for what in ("No such file or directory", "it holds no certificate"):
        found = problems(await run_kreisfunk("doctor", "--json", environment=environment))
        assert found["certificates of SSL_CERT_FILE"] == f"{ca}: {what}"
        ca.write_text("")


async def look_at_meta(operator: StackOperator, url: str, more: Mapping[str, str] | None = None) -> str:
    """Return what the doctor says of the token, with something else in Meta's place."""
    environment = {**operator.build_environment("dispatcher"), "KREISFUNK_GRAPH_URL": url, **(more or {})}
    # A process of its own: whom a process trusts is read once.
    ended = await run_kreisfunk("doctor", "--json", environment=environment)
    return problems(ended)["Graph API token"]


def build_servers(stack: Stack) -> Servers:
    return Servers(database_url=stack.database_url, broker_url=stack.broker_url, broker_api_url=stack.broker_api_url)


async def test_a_superuser_is_told_all_that_it_can_do(operator: StackOperator, stack: Stack) -> None:
    environment = {**operator.build_environment("dispatcher"), "KREISFUNK_DATABASE_URL": stack.database_url}
    (operator.secrets / "dispatcher" / "kreisfunk_database_password").unlink()
    ended = await run_in_process("doctor", "--json", environment=environment)
    assert problems(ended)["rights of kreisfunk_dispatcher"] == (
        "this role is a superuser or administers roles or databases, may create schemas, may create tables,"
        " owns tables or functions, may use tables of another service"
    )


async def test_migrations_that_have_not_run_are_found(operator: StackOperator, stack: Stack) -> None:
    owner = build_servers(stack)
    await run_as_superuser(owner, "create database empty")
    address = urlsplit(stack.database_url)
    url = f"postgresql://kreisfunk_dispatcher@{address.hostname}:{address.port}/kreisfunk"
    environment = {
        **operator.build_environment("dispatcher"),
        "KREISFUNK_DATABASE_URL": build_database_url(url, "empty"),
    }
    try:
        ended = await run_in_process("doctor", "--json", environment=environment)
    finally:
        await run_as_superuser(owner, "drop database empty with (force)")
    assert problems(ended)["migrations of dispatcher"].endswith("migrations have not run")


ASYNCHRONOUS = "commits wait for no standby: synchronous_standby_names is empty"


async def test_a_database_that_has_standbys_but_does_not_wait_for_them_is_found(operator: StackOperator) -> None:
    found = problems(await look(operator, "dispatcher", "--standbys", "2"))
    assert found == {"standbys, seen by kreisfunk_dispatcher": ASYNCHRONOUS}


async def test_a_database_that_has_standbys_but_does_not_wait_for_them_is_not_migrated(operator: StackOperator) -> None:
    admin = operator.build_environment("admin")
    ended = await run_in_process("migrate", environment={**admin, "KREISFUNK_DATABASE_STANDBYS": "2"})
    assert ended.status == 1
    assert ASYNCHRONOUS in ended.errors
    assert (await run_in_process("migrate", environment=admin)).status == 0


async def test_dead_letters_and_a_missing_exchange_or_queue_are_found(operator: StackOperator, stack: Stack) -> None:
    dead = topology.SUBSCRIPTIONS_NOTICES.dead_letter_queue
    async with await aio_pika.connect(stack.broker_url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), dead)
        try:
            found = problems(await look(operator, "ingress"))
            await channel.queue_delete(dead)
            await channel.exchange_delete(topology.DEAD_LETTERS)
            without = problems(await look(operator, "ingress"))
        finally:
            await topology.declare(channel)
    assert found == {"dead-letter queues": f"1 in {dead}"}
    assert without == {"broker topology": f"missing: {topology.DEAD_LETTERS}, {dead}"}


@pytest.mark.parametrize("service", ["subscriptions", "dispatcher"])
async def test_a_broker_that_takes_no_messages_is_found(operator: StackOperator, stack: Stack, service: str) -> None:
    broker = stack.servers.rabbitmq
    await broker.run_rabbitmqctl("set_disk_free_limit", "100000GB")
    try:
        found = problems(await look(operator, service))
    finally:
        await broker.run_rabbitmqctl("set_disk_free_limit", "100MB")
    assert found == {"broker takes messages": "no confirm from the broker: TimeoutError"}


async def test_a_citizens_message_that_could_not_be_handled_is_found(operator: StackOperator, stack: Stack) -> None:
    owner = await asyncpg.connect(stack.database_url)
    letter = uuid4()
    await owner.execute("insert into subscriptions.dead_letter values ($1, 'bug', '', '{}')", letter)
    try:
        found = problems(await look(operator, "subscriptions"))
    finally:
        await owner.execute("delete from subscriptions.dead_letter where id = $1", letter)
        await owner.close()
    assert found == {"dead letters": "1 in `kreisfunk dead-letters list`"}


async def test_a_service_that_is_down_is_found_by_itself_or_if_its_probe_is_named(
    operator: StackOperator, stack: Stack
) -> None:
    probe = stack.metrics_urls["ingress-1"].replace("/metrics", "/readyz")
    assert problems(await look(operator, "dispatcher", "--ready-url", probe)) == {}
    await stack.supervisor.stop_one("ingress-1")
    try:
        own = problems(await look(operator, "ingress"))
        others = problems(await look(operator, "dispatcher", "--ready-url", probe))
    finally:
        await stack.supervisor.start_one("ingress-1")
    assert set(own) == {"webhook refuses unsigned", "ingress is ready"}
    assert set(others) == {f"{urlsplit(probe).netloc} is ready"}


async def test_another_server_on_the_webhooks_address_is_found(operator: StackOperator, stack: Stack) -> None:
    found = problems(await look(operator, "ingress", "--ingress-url", stack.simulator_url))
    assert found == {"webhook refuses unsigned": "an unsigned webhook got 404 instead of 401"}


async def test_a_strange_login_is_a_usage_error() -> None:
    strange = {"KREISFUNK_BROKER_URL": f"amqp://{quote('somebody else')}@127.0.0.1:1/"}
    ended = await run_in_process("doctor", environment=strange)
    assert ended.status == 2
    assert "ingress, notices, " in ended.errors
