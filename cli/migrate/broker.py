"""The topology over AMQP, logins and permissions over RabbitMQ's management interface."""

from collections.abc import Sequence

from cli.management import ManagementApi, open_management
from cli.migrate.settings import Settings
from shared.amqp.connection import connect
from shared.amqp.logins import MUNICIPAL, MUNICIPAL_KEYS, MUNICIPAL_LIMITS, SERVICES, Permission
from shared.amqp.topology import QUEUES, declare
from shared.municipal.configuration import Configuration
from shared.municipal.file import read_configuration


async def migrate_broker(settings: Settings) -> list[str]:
    """What was done, a line each. Raises DependencyAway or ConfigurationFileError."""
    county = read_configuration(settings.county, Configuration)
    systems = [system.name for system in county.systems]
    password = settings.broker_password
    async with connect(settings.broker_url, password=password.get_secret_value(), name="migrate") as connection:
        await declare(await connection.channel())
    async with open_management(str(settings.broker_api_url), settings.broker_url, password) as api:
        return [
            f"{len(QUEUES)} queues with their dead-letter queues",
            *await _let_log_in(api, settings, systems),
            *await _permit(api, systems),
            *await _forget(api, systems),
        ]


async def _let_log_in(api: ManagementApi, settings: Settings, systems: Sequence[str]) -> list[str]:
    """Those whose password is a secret of this installation: our services, and the programs that publish for us."""
    ours = [login for login in (*SERVICES, *systems) if login in settings.login_passwords]
    for login in ours:
        await api.set_login(login, settings.login_passwords[login].get_secret_value())
    return [f"login {login}: can log in" for login in ours]


async def _permit(api: ManagementApi, systems: Sequence[str]) -> list[str]:
    existing = {user.name for user in await api.users()}
    for login in (name for name in SERVICES if name in existing):
        await api.set_permission(login, SERVICES[login])
    registered = [name for name in systems if name in existing]
    for login in registered:
        await permit_system(api, login)
    return [f"system {login}: may publish" for login in registered]


async def permit_system(api: ManagementApi, login: str) -> None:
    """What a registered system may do."""
    await api.set_permission(login, MUNICIPAL)
    for permission in MUNICIPAL_KEYS:
        await api.set_key_permission(login, permission)
    for name, value in MUNICIPAL_LIMITS.items():
        await api.set_limit(login, name, value)


async def _forget(api: ManagementApi, systems: Sequence[str]) -> list[str]:
    """Of systems that are not registered any more: nobody else has rights like theirs."""
    has = {each.user: Permission(each.configure, each.write, each.read) for each in await api.rights()}
    gone = [login for login, permission in has.items() if permission == MUNICIPAL and login not in systems]
    for login in gone:
        await api.take_rights(login)
    return [f"system {login}: is not registered, and may do nothing any more" for login in gone]
