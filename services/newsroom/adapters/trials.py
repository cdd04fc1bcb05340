"""Trials of drafts, left with subscriptions by a function that is granted to our role (decision 0036)."""

from uuid import UUID

from services.newsroom.adapters.audit import record_act
from services.newsroom.domain.audit import Act
from services.newsroom.handlers.trials import MAX_TRIALS_PER_HOUR, DraftTrial
from shared.database.pool import Database

# Somebody may press the button in two windows at once.
_LOCK = "select pg_advisory_xact_lock(hashtextextended('trial ' || $1::uuid::text, 0))"
_COUNT = """
    select count(*) from newsroom.audit
    where at > now() - interval '1 hour' and account = $1 and action = 'draft.tried'
"""
_OFFER = "select subscriptions.offer_trial($1, $2, $3)"


class PostgresTrialDesk:
    """Implementation of handlers.trials.TrialDesk."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, draft: UUID, code: str, text: str, act: Act) -> DraftTrial | None:
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK, act.account)
            if await connection.fetchval(_COUNT, act.account) >= MAX_TRIALS_PER_HOUR:
                return None
            await record_act(connection, act)
            return DraftTrial(code=code, ends_at=await connection.fetchval(_OFFER, draft, code, text))
