"""Logins of municipal systems at a real broker: what each may do, and what the migration makes of a registration."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import AMQPConnectionError, ChannelAccessRefused, InvalidFrameError

from cli.migrate.broker import migrate_broker
from cli.settings import MigrationSettings
from cli.stacks import read_settings_from
from deploy.paths import CONFIG
from shared.amqp import topology
from tests.harness.commands import CommandResult, build_admin_settings, run_in_process
from tests.servers import WAIT_TIMEOUT_SECONDS, Servers, build_login_url, call_broker_api, wait_for

SYSTEM = "systems-test"
ANOTHER = f'\n[[systems]]\nname = "{SYSTEM}"\nsources = ["/test"]\ntopics = ["stellen"]\n'


@dataclass(frozen=True, kw_only=True)
class BrokerAdministrator:
    """An administrator with a county's file."""

    vhost: str
    servers: Servers
    county: Path
    environment: Mapping[str, str] = field(repr=False)

    async def systems(self, *arguments: str) -> CommandResult:
        return await run_in_process("systems", *arguments, environment=self.environment)

    async def migrate(self, passwords: Mapping[str, str]) -> list[str]:
        environment = {**self.environment, "KREISFUNK_LOGIN_PASSWORDS": json.dumps(passwords)}
        return await migrate_broker(read_settings_from(environment, MigrationSettings))

    def register(self) -> None:
        self.county.write_text((CONFIG / "county.toml").read_text() + ANOTHER)

    def deregister(self) -> None:
        self.county.write_text((CONFIG / "county.toml").read_text())

    async def lets_in(self, password: str) -> bool:
        try:
            connection = await aiormq.connect(build_login_url(self.vhost, SYSTEM, password))
        except (AMQPConnectionError, InvalidFrameError):  # its password, or its rights
            return False
        await connection.close()
        return True

    @asynccontextmanager
    async def channel_of(self, password: str) -> AsyncIterator[AbstractChannel]:
        async with await aio_pika.connect(build_login_url(self.vhost, SYSTEM, password)) as connection:
            yield await connection.channel()


@pytest.fixture
async def admin(servers: Servers, vhost: str, tmp_path: Path) -> AsyncIterator[BrokerAdministrator]:
    county = tmp_path / "county.toml"
    admin = BrokerAdministrator(
        vhost=vhost,
        servers=servers,
        county=county,
        environment={**build_admin_settings(servers, vhost), "KREISFUNK_COUNTY_FILE": str(county)},
    )
    admin.register()
    yield admin
    await admin.systems("revoke", SYSTEM)


async def password_of(admin: BrokerAdministrator) -> str:
    ended = await admin.systems("login", SYSTEM)
    assert ended.status == 0, ended.everything
    return ended.output.strip()


def notice(key: str = "notice.published") -> tuple[aio_pika.Message, str]:
    return aio_pika.Message(b"{}", user_id=SYSTEM), key


@pytest.mark.foreign_messages("nobody reads it: it is about who may publish")
async def test_a_login_publishes_notices_and_hears_what_becomes_of_them(admin: BrokerAdministrator) -> None:
    async with admin.channel_of(await password_of(admin)) as channel, await aio_pika.connect(admin.vhost) as ours:
        await channel.set_qos(prefetch_count=10)
        answers = await channel.get_queue(topology.ANSWERS, ensure=False)
        async with answers.iterator(arguments={"x-stream-offset": "next"}, timeout=WAIT_TIMEOUT_SECONDS) as read:
            exchange = await channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
            await exchange.publish(*notice())
            events = await (await ours.channel()).get_exchange(topology.EVENTS, ensure=False)
            for key in ("subscription.started", "feedback.received", "notice.accepted"):
                await events.publish(aio_pika.Message(key.encode()), key, mandatory=False)
            assert (await anext(aiter(read))).body == b"notice.accepted"


async def test_it_binds_nothing_so_nothing_comes_back_as_a_notice(admin: BrokerAdministrator) -> None:
    password = await password_of(admin)
    for key in ("#", "notice.rejected", "feedback.received"):
        async with admin.channel_of(password) as channel:
            target = await channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await target.bind(topology.EVENTS, key)
        async with admin.channel_of(password) as channel:
            queue = await channel.get_queue(topology.ANSWERS, ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await queue.bind(topology.EVENTS, key)


ELSEWHERE = (
    (topology.EVENTS, "notice.accepted"),
    (topology.INBOUND, "messages"),
    (topology.DISPATCH, "bulk"),
    (topology.MUNICIPAL_EVENTS, "broadcast.started"),
    ("", topology.SUBSCRIPTIONS_NOTICES.name),
)


async def test_it_writes_nowhere_else_declares_nothing_and_reads_nothing_of_others(admin: BrokerAdministrator) -> None:
    password = await password_of(admin)
    for exchange, key in ELSEWHERE:
        async with admin.channel_of(password) as channel:
            target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            with pytest.raises(ChannelAccessRefused):
                await target.publish(*notice(key))
    for name in (topology.SUBSCRIPTIONS_NOTICES.name, topology.PROGRESS, f"municipal.{SYSTEM}.x"):
        async with admin.channel_of(password) as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.declare_queue(name, durable=True)
        async with admin.channel_of(password) as channel:
            queue = await channel.get_queue(name, ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await queue.get(fail=False)


@pytest.mark.foreign_messages("nobody reads them: it is about how many there are")
async def test_it_is_told_how_many_messages_wait_in_a_queue_that_it_names_and_nothing_of_them(
    admin: BrokerAdministrator,
) -> None:
    """RabbitMQ asks nobody before it answers a passive declaration. The guides of integration and privacy say so."""
    name = topology.SUBSCRIPTIONS_INBOUND.name
    async with await aio_pika.connect(admin.vhost) as ours:
        inbound = await (await ours.channel()).get_exchange(topology.INBOUND, ensure=False)
        for _ in range(3):
            await inbound.publish(aio_pika.Message(b"Stop"), topology.SUBSCRIPTIONS_INBOUND.keys[0])
        async with admin.channel_of(await password_of(admin)) as channel:
            queue = await channel.declare_queue(name, passive=True)
            told = queue.declaration_result
            assert (told.message_count, told.consumer_count) == (3, 0)
            with pytest.raises(ChannelAccessRefused):
                await queue.get(fail=False)


async def test_a_second_login_needs_to_be_asked_for_and_ends_the_first_password(admin: BrokerAdministrator) -> None:
    first = await password_of(admin)
    again = await admin.systems("login", SYSTEM)
    assert (again.status, again.output) == (3, "")
    second = await admin.systems("login", SYSTEM, "--replace", "--json")
    assert second.json["login"] == SYSTEM
    assert second.json["url"].endswith(urlsplit(admin.vhost).path)
    async with await aio_pika.connect(second.json["url"]):
        pass
    assert not await admin.lets_in(first)


async def test_a_login_that_is_revoked_loses_its_connection(admin: BrokerAdministrator) -> None:
    async with admin.channel_of(await password_of(admin)) as channel:
        assert (await admin.systems("revoke", SYSTEM)).status == 0
        await wait_for(lambda: channel.is_closed)
    assert (await admin.systems("revoke", SYSTEM)).status == 3


async def test_the_list_says_who_has_a_login(admin: BrokerAdministrator) -> None:
    await password_of(admin)
    systems = (await admin.systems("list", "--json")).json["systems"]
    logins = {system["name"]: system["login"] for system in systems}
    assert (list(logins), logins[SYSTEM]) == (["pressestelle", "redaktion", "feeds", SYSTEM], True)
    assert "/landkreis-osterholz/pressestelle" in (await admin.systems("list")).output


async def test_nobody_else_gets_or_loses_a_login(admin: BrokerAdministrator) -> None:
    for name in ("nobody", "subscriptions", "kreisfunk_admin"):
        for command in ("login", "revoke"):
            ended = await admin.systems(command, name)
            assert (ended.status, ended.output) == (2, ""), ended.everything


async def test_whoever_administers_the_broker_is_no_system(admin: BrokerAdministrator) -> None:
    await call_broker_api(admin.servers, "PUT", f"users/{SYSTEM}", {"password": "p", "tags": "administrator"})
    try:
        for arguments in (("login", SYSTEM, "--replace"), ("revoke", SYSTEM)):
            ended = await admin.systems(*arguments)
            assert (ended.status, "administers" in ended.errors) == (2, True)
    finally:
        await call_broker_api(admin.servers, "DELETE", f"users/{SYSTEM}")


async def test_the_migration_gives_rights_to_what_is_registered_and_takes_them_from_what_is_not(
    admin: BrokerAdministrator,
) -> None:
    password = await password_of(admin)
    assert f"system {SYSTEM}: may publish" in await admin.migrate({})
    admin.deregister()
    async with admin.channel_of(password) as channel:
        assert f"system {SYSTEM}: is not registered, and no longer has any rights" in await admin.migrate({})
        await wait_for(lambda: channel.is_closed)
    assert not await admin.lets_in(password)
    admin.register()
    assert f"system {SYSTEM}: may publish" in await admin.migrate({})
    assert await admin.lets_in(password)


async def test_the_migration_lets_our_own_programs_log_in_if_they_are_registered(admin: BrokerAdministrator) -> None:
    done = await admin.migrate({SYSTEM: "known", "nobody-registered-me": "unused"})
    assert {f"login {SYSTEM}: can log in", f"system {SYSTEM}: may publish"} <= set(done)
    assert not [line for line in done if "nobody" in line]
    assert await admin.lets_in("known")


@pytest.mark.parametrize(
    ("name", "value"), [("KREISFUNK_BROKER_PASSWORD", "wrong"), ("KREISFUNK_BROKER_API_URL", "http://127.0.0.1:1")]
)
async def test_a_broker_that_cannot_be_asked_is_4_and_says_what_to_look_at(
    admin: BrokerAdministrator, name: str, value: str
) -> None:
    ended = await run_in_process("systems", "login", SYSTEM, environment={**admin.environment, name: value})
    assert (ended.status, "KREISFUNK_BROKER_API_URL" in ended.errors) == (4, True)
