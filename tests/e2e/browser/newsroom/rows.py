"""A newsroom in use: what its pages show when there is something."""

import asyncpg

from benchmarks.newsroom.rows import create_rows
from tests.integration.newsroom.ledger_rows import TEMPLATE, add_sent_broadcast, set_up_number

BROADCASTS = 60


async def fill_newsroom(database: asyncpg.Connection) -> None:
    """Broadcasts, drafts in all states, feedback, a colleague, and a request that waits for a second person."""
    await create_rows(database, broadcasts=BROADCASTS, audience=1_000)
    await stop_everything(database)


async def stop_everything(database: asyncpg.Connection) -> None:
    """A broadcast with failures, a paused template, and sending that an operator has paused."""
    await set_up_number(database)
    broadcast = await add_sent_broadcast(database, {"waiting": 120, "failed": 30, "delivered": 850})
    await database.execute(
        "update newsroom.broadcast set audience = 1000, states = $2, failures = $3 where id = $1",
        broadcast,
        '{"waiting": 120, "failed": 30, "delivered": 850}',
        '[{"reason": "nicht zustellbar: kein WhatsApp, oder eine alte Fassung", "recipients": 28, "code": 131026},'
        ' {"reason": "von Hand als fehlgeschlagen eingetragen", "recipients": 2}]',
    )
    await database.execute("insert into dispatcher.template_pause values ($1, 'template paused')", TEMPLATE)
    await database.executemany(
        "insert into dispatcher.account_update values ($1, now(), $2)",
        [(f"template {TEMPLATE}", "Meta: PAUSED"), (f"quality {TEMPLATE}", "RED")],
    )
    await database.execute("select dispatcher.pause_sending('Falscher Text in einer Meldung', null)")
    await database.execute(
        "insert into subscriptions.dead_letter (id, reason, body_sealed, senders)"
        " values (gen_random_uuid(), 'x', '', '{}')"
    )
