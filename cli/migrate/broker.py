"""Migration of the broker: topology over AMQP, logins and permissions over RabbitMQ's management API."""

from collections.abc import Sequence

from cli.rabbitmq_management import ManagementApi, open_management
from cli.settings import MigrationSettings
from shared.amqp.connection import connect
from shared.amqp.permissions import MUNICIPAL, MUNICIPAL_LIMITS, MUNICIPAL_TOPIC_PERMISSIONS, SERVICES, Permission
from shared.amqp.topology import QUEUES, declare
from shared.notices.configuration import Configuration, read_configuration


async def migrate_broker(settings: MigrationSettings) -> list[str]:
    """Migrate the broker and return the steps, a line each. Raises DependencyUnavailable or ConfigurationError."""
    county = read_configuration(settings.county, Configuration)
    systems = [system.name for system in county.systems]
    async with connect(settings.broker_url, password=settings.broker_secret, name="migrate") as connection:
        await declare(await connection.channel())
    async with open_management(settings) as api:
        return [
            f"{len(QUEUES)} queues with their dead-letter queues",
            *await _enable_logins(api, settings, systems),
            *await _grant_permissions(api, systems),
            *await _revoke_unregistered(api, systems),
        ]


async def _enable_logins(api: ManagementApi, settings: MigrationSettings, systems: Sequence[str]) -> list[str]:
    """Set the passwords that are secrets of this installation: those of our services and publishing programs."""
    ours = [login for login in (*SERVICES, *systems) if login in settings.login_passwords]
    for login in ours:
        await api.set_login(login, settings.login_passwords[login].get_secret_value())
    return [f"login {login}: can log in" for login in ours]


async def _grant_permissions(api: ManagementApi, systems: Sequence[str]) -> list[str]:
    existing = {user.name for user in await api.list_users()}
    for login in (name for name in SERVICES if name in existing):
        await api.set_permission(login, SERVICES[login])
    registered = [name for name in systems if name in existing]
    for login in registered:
        await grant_system_permissions(api, login)
    return [f"system {login}: may publish" for login in registered]


async def grant_system_permissions(api: ManagementApi, login: str) -> None:
    await api.set_permission(login, MUNICIPAL)
    for permission in MUNICIPAL_TOPIC_PERMISSIONS:
        await api.set_key_permission(login, permission)
    for name, value in MUNICIPAL_LIMITS.items():
        await api.set_limit(login, name, value)


async def _revoke_unregistered(api: ManagementApi, systems: Sequence[str]) -> list[str]:
    """Revoke permissions of unregistered systems, recognised by permissions that no other login has."""
    permissions = {
        permission.user: Permission(configure=permission.configure, write=permission.write, read=permission.read)
        for permission in await api.list_permissions()
    }
    logins = [login for login, permission in permissions.items() if permission == MUNICIPAL and login not in systems]
    for login in logins:
        await api.revoke_permissions(login)
    return [f"system {login}: is not registered, and no longer has any rights" for login in logins]
