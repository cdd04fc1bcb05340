"""Tables of access to data outside the database: broker logins, keys and passwords."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from deploy.container_secrets import SERVER_FILES
from deploy.secrets import FILES, TOKENS
from shared.amqp import topology
from shared.amqp.permissions import MUNICIPAL, SERVICES, Permission
from tools.docs.tables import format_code, render_table

PURPOSES = {
    "kreisfunk_encryption_keys": "Versiegelungsschlüssel: verschlüsseln und öffnen Adressen",
    "kreisfunk_index_key": "Schlüssel der Hashwerte: macht aus einer Adresse immer denselben Hashwert",
    "kreisfunk_feedback_key": "führt von einer Person zu ihren Rückmeldungen, und nur mit ihr",
    "kreisfunk_dead_letter_keys": "verschlüsselt und öffnet Nachrichten, die nicht verarbeitet werden konnten",
    "kreisfunk_newsroom_keys": (
        "Redaktion: verschlüsselt und öffnet Geheimnisse der Einmalcodes, Hälften erster Kennwörter und begonnene"
        " Anmeldungen"
    ),
    "kreisfunk_app_secrets": "prüft, ob eine Nachricht von Meta kommt",
    "kreisfunk_verify_token": "Kennwort für die Einrichtung bei Meta",
    "kreisfunk_graph_token": "Zugang zu Meta für den Versand",
    "kreisfunk_broker_password": "Zugang zu RabbitMQ, für jeden ein eigener",
    "kreisfunk_database_password": "Zugang zur Datenbank, für jeden ein eigener",
    "kreisfunk_backup_key": "verschlüsselt und öffnet Sicherungen der Datenbank",
    "kreisfunk_login_passwords": "alle Zugänge, um sie bei der Einrichtung anzulegen",
    "kreisfunk_notices_api_token": (
        "Zugang von Pressestelle, Redaktion und `kreisfunk feeds` für Meldungen über HTTP, je ein eigener"
    ),
    "tokens.json": "Hashwerte der Zugänge für Meldungen über HTTP, mit dem Namen des Fachverfahrens",
    "owner_password": "Besitzer der Datenbank",
    "replication_password": "Zugang einer zweiten Datenbank zur ersten, nur bei mehreren Knoten",
    "definitions.json": "Hashwerte der Passwörter von RabbitMQ",
    "erlang_cookie": "Erkennung der Knoten von RabbitMQ untereinander, nur bei mehreren Knoten",
    "admin_password": "Zugang zu den Schaubildern des Betriebs",
}
SIMULATED = "simulator"
LOGINS = {
    "ingress": "nimmt Nachrichten von Meta an",
    "notices": "nimmt Meldungen über HTTP an",
    "subscriptions": "Dialog, Einwilligungen, Empfänger",
    "dispatcher": "Versand",
    "newsroom": "Redaktion: hört, was aus Meldungen wird, An- und Abmeldungen, Rückmeldungen",
    "quarantine": "`kreisfunk quarantine`: liegen gebliebene Nachrichten ansehen, erneut zustellen, löschen",
    "pressestelle": "Pressestelle; ebenso jedes andere eingetragene Fachverfahren",
}
PERMISSIONS = {**SERVICES, "pressestelle": MUNICIPAL}
QUEUES = (
    *(queue.name for queue in topology.QUEUES),
    *topology.QUARANTINES,
    *(stream.name for stream in topology.STREAMS),
)


def render_logins_table() -> str:
    """Return the table of what each broker login reads and writes."""
    return render_table(
        ("Zugang", "Wozu", "liest", "schreibt"), (_build_login_row(*item) for item in PERMISSIONS.items())
    )


def _build_login_row(login: str, permission: Permission) -> tuple[str, str, str, str]:
    reads = [name for name in (*QUEUES, *topology.EXCHANGES) if re.match(permission.read, name)]
    writes = [name for name in topology.EXCHANGES if re.match(permission.write, name)]
    return f"`{login}`", LOGINS[login], format_code(reads) or "nichts", format_code(writes)


def render_keys_table() -> str:
    """Return the table of secrets and their folders, without those of the simulator."""
    return render_table(("Datei", "Wozu", "liegt bei"), _list_keys())


def _list_keys() -> Iterator[tuple[str, str, str]]:
    folders: dict[str, list[str]] = {}
    for file in (*FILES, TOKENS, *SERVER_FILES):
        path = PurePosixPath(file)
        if path.parts[0] != SIMULATED:
            folders.setdefault(path.name, []).append(path.parts[0])
    for name, names in sorted(folders.items(), key=lambda item: list(PURPOSES).index(item[0])):
        yield f"`{name}`", PURPOSES[name], format_code(dict.fromkeys(names))
