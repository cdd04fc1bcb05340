"""Rows of a county that has used the newsroom for years, and a session with access to all of them."""

import hashlib
import secrets
from uuid import UUID

import asyncpg

from benchmarks.expansion.subscribers import create_subscribers

_ACCOUNT = """
    insert into newsroom.account (id, login, name, person, roles)
    values (gen_random_uuid(), 'benchmark', 'Benchmark', gen_random_uuid(), '{editor,approver,operator,lead}')
    on conflict (login) do update set disabled_at = null returning id
"""
_SESSION = "insert into newsroom.session (token_hash, account, csrf, stage) values ($1, $2, 'benchmark', 'open')"
_DRAFTS = """
    insert into newsroom.draft (id, notice, kind, state, version, created_by)
    select md5('draft' || n)::uuid, 'benchmark-' || n, 'notice', 'published', 1, $2 from generate_series(1, $1) n
"""
_VERSIONS = """
    insert into newsroom.draft_version (draft, version, content, author)
    select md5('draft' || n)::uuid, 1, jsonb_build_object('topic', 'baustellen', 'headline', 'Baustelle ' || n,
        'text', repeat('Die Umleitung ist ausgeschildert. ', 10)), $2
    from generate_series(1, $1) n
"""
_PUBLICATIONS = """
    insert into newsroom.publication (id, draft, version, revision, body, state, answered_at, broadcast)
    select md5('publication' || n)::uuid, md5('draft' || n)::uuid, 1, 1, '{}', 'accepted', now(),
        md5('broadcast' || n)::uuid
    from generate_series(1, $1) n
"""
_BROADCASTS = """
    insert into newsroom.broadcast (id, source, notice, revision, topic, headline, lane, audience, states,
        accepted_at, started_at, progressed_at, reached_at, finished_at)
    select md5('broadcast' || n)::uuid, '/benchmark', 'benchmark-' || n, 1, 'baustellen', 'Baustelle ' || n, 'bulk',
        $2, jsonb_build_object('read', $2::int / 2, 'delivered', $2::int - $2::int / 2), moment, moment, moment,
        moment + interval '8 minutes', moment + interval '10 minutes'
    from generate_series(1, $1) n, lateral (select now() - n * interval '3 hours' as moment)
"""
_ACTS = """
    insert into newsroom.audit (at, account, action, object, detail)
    select now() - n * interval '1 minute', $2, 'draft.saved', 'benchmark-' || n, '{"version": "1"}'
    from generate_series($1::int, 1, -1) n
"""
_ENTRIES = """
    insert into newsroom.archive_entry (code, publication, notice, revision, topic, municipalities, headline, text,
        published_at, expires_at)
    select lpad(n::text, 8, '0'), md5('publication' || n)::uuid, 'benchmark-' || n, 1, 'baustellen',
        array['Worpswede'], 'Baustelle ' || n, repeat('Die Umleitung ist ausgeschildert. ', 10),
        now() - n * interval '3 hours', now() - n * interval '3 hours' + interval '1 day'
    from generate_series(1, $1) n
"""
_HOURS = """
    insert into newsroom.subscription_hour (hour, topic, started, ended)
    select date_trunc('hour', now()) - n * interval '3 hours', topic, n * 7 % 11, n % 4
    from generate_series(1, 720) n, unnest(array['', 'baustellen']) topic
"""
_AUDIENCES = """
    insert into newsroom.topic_audience (day, topic, people, counted_at)
    select (now() - n * interval '1 day')::date, topic, $1::int / place - $1::int * n / (500 * place), now()
    from generate_series(0, 365) n,
        unnest(array['veranstaltungen', 'stellen', 'baustellen', 'strassensperrungen']) with ordinality t(topic, place)
"""


async def fill(connection: asyncpg.Connection, *, broadcasts: int, subscribers: int) -> str:
    """Create subscribers and rows, and return the cookie of a session."""
    await create_subscribers(connection, subscribers)
    account = await create_rows(connection, broadcasts=broadcasts, audience=subscribers)
    token = secrets.token_urlsafe(32)
    await connection.execute(_SESSION, hashlib.sha256(token.encode()).digest(), account)
    return token


async def create_rows(connection: asyncpg.Connection, *, broadcasts: int, audience: int) -> UUID:
    """Create broadcasts with all related rows, and return the account that wrote them."""
    account: UUID = await connection.fetchval(_ACCOUNT)
    await connection.execute(_DRAFTS, broadcasts, account)
    await connection.execute(_VERSIONS, broadcasts, account)
    await connection.execute(_PUBLICATIONS, broadcasts)
    await connection.execute(_BROADCASTS, broadcasts, audience)
    await connection.execute(_ENTRIES, broadcasts)
    await connection.execute(_ACTS, 200 * broadcasts, account)
    await connection.execute(_HOURS)
    await connection.execute(_AUDIENCES, audience)
    await connection.execute("analyze")
    return account


async def count_transactions(connection: asyncpg.Connection) -> int:
    """Return the server's count of ended transactions of the newsroom's role."""
    await connection.execute("select pg_stat_clear_snapshot()")
    count: int = await connection.fetchval(
        "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
    )
    return count
