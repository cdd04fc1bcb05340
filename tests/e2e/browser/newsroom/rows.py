"""A newsroom in use: what its pages show when there is something."""

import asyncpg

from benchmarks.newsroom.rows import create_rows
from tests.harness.ledger_rows import TEMPLATE, add_sent_broadcast, set_up_number

BROADCASTS = 60
STATES = ("draft", "pending", "escalated", "returned", "approved", "discarded", "emergency", "published")

_COLLEAGUE = """
    insert into newsroom.account (id, login, name, person, roles)
    values (gen_random_uuid(), 'colleague', 'Kollegium', gen_random_uuid(), '{editor,approver}') returning id
"""
_DRAFTS = """
    insert into newsroom.draft (id, notice, kind, state, version, emergency, created_by)
    select md5(state)::uuid, 'state-' || state, 'notice',
        case state when 'emergency' then 'published' else state end, 1,
        case state when 'emergency' then 'Der Damm ist gebrochen.' end, $1
    from unnest($2::text[]) state
"""
_VERSIONS = """
    insert into newsroom.draft_version (draft, version, content, author)
    select md5(state)::uuid, 1, jsonb_build_object('topic', 'strassensperrungen', 'headline', 'K 9 gesperrt: ' || state,
        'text', 'Bitte folgen Sie der Umleitung über Worpswede.', 'urgent', true,
        'expires_at', to_char(now() + interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS+00:00')), $1
    from unnest($2::text[]) state
"""
_DECISIONS = """
    insert into newsroom.decision (id, draft, version, account, person, verdict, reason)
    select gen_random_uuid(), md5(state)::uuid, 1, a.id, a.person, verdict, reason from newsroom.account a, (values
        ('pending', 'submit', ''), ('approved', 'submit', ''), ('approved', 'approve', ''),
        ('escalated', 'submit', ''), ('escalated', 'approve', ''),
        ('returned', 'submit', ''), ('returned', 'return', 'Bitte die Umleitung nennen.')) v (state, verdict, reason)
    where a.id = case when verdict = 'submit' then $1::uuid else (
        select id from newsroom.account where login = 'benchmark') end
"""
_HANDOVER = """
    insert into newsroom.publication (id, draft, version, revision, body) values (gen_random_uuid(),
        md5('published')::uuid, 1, 1, '{"source": "/landkreis-osterholz/redaktion", "subject": "state-published"}')
"""
_FEEDBACK = """
    insert into newsroom.feedback (id, kind, value, text, topic, broadcast, at)
    select gen_random_uuid(), kind, value, text, 'baustellen', md5('broadcast1')::uuid, now() from (values
        ('rating', 'good', null), ('reaction', '👍', null), ('text', null, 'Danke, das hat mir den Weg gespart.'))
        v (kind, value, text)
"""
_REQUEST = """
    insert into newsroom.account_request (id, kind, login, payload, requested_by)
    select gen_random_uuid(), 'invite', 'newcomer', jsonb_build_object('name', 'Neu im Team', 'roles', array['editor'],
        'person', gen_random_uuid(), 'sealed', ''), $1
"""


async def fill_newsroom(database: asyncpg.Connection) -> None:
    """Broadcasts, drafts in all states, feedback, a colleague, and a request that waits for a second person."""
    await create_rows(database, broadcasts=BROADCASTS, audience=1_000)
    colleague = await database.fetchval(_COLLEAGUE)
    for statement in (_DRAFTS, _VERSIONS):
        await database.execute(statement, colleague, STATES)
    for statement in (_DECISIONS, _REQUEST):
        await database.execute(statement, colleague)
    await database.execute(_HANDOVER)
    await database.execute(_FEEDBACK)
    await stop_everything(database)


async def find_draft(database: asyncpg.Connection, state: str) -> str:
    """Return the path of the draft in this state."""
    return f"/entwuerfe/{await database.fetchval('select md5($1)::uuid', state)}"


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
    await database.execute("insert into dispatcher.template_pause values ($1, 'von Meta angehalten')", TEMPLATE)
    await database.executemany(
        "insert into dispatcher.account_update values ($1, now(), $2)",
        [(f"template {TEMPLATE}", "von Meta angehalten"), (f"quality {TEMPLATE}", "RED")],
    )
    await database.execute("select dispatcher.pause_sending('Falscher Text in einer Meldung', null)")
    await database.execute(
        "insert into subscriptions.dead_letter (id, reason, body_sealed, senders)"
        " values (gen_random_uuid(), 'x', '', '{}')"
    )
