"""Store of Meta's reports about our account, in the database that all replicas share.

Meta repeats webhooks and does not keep their order. For each subject only the newest report counts, and each report
once, so that a repetition does not undo an operator's resume.
"""

from dataclasses import dataclass
from datetime import datetime

from services.dispatcher.adapters.ledger import PAUSE_TEMPLATE, RESUME_TEMPLATE
from services.dispatcher.adapters.rate_limiter import PAUSE, RESUME
from services.dispatcher.domain.account import AccountReport, AccountUpdate
from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS
from shared.database.pool import Database

# A moment far ahead would hide what is said until then; one that is a little ahead stays the same when it is repeated.
_RECORD_IF_NEWER = """
insert into dispatcher.account_update as n (subject, said_at, word)
values ($1, case when $2 > clock_timestamp() + interval '1 hour' then clock_timestamp() else $2 end, $3)
on conflict (subject) do update set said_at = excluded.said_at, word = excluded.word
where n.said_at < excluded.said_at or n.said_at = excluded.said_at and n.word <> excluded.word
returning true
"""
_SET_LIMIT = "select dispatcher.limit_by_meta($1, $2)"


@dataclass(frozen=True)
class PostgresAccount:
    database: Database
    number: str

    async def apply(self, change: AccountReport, at: datetime) -> bool | None:
        """Apply a change; return whether it lowered a limit, or None if it or a newer one was already applied.

        Raises DependencyUnavailable.
        """
        async with self.database.transaction() as connection:
            if not await connection.fetchval(_RECORD_IF_NEWER, change.subject, at, change.word):
                return None
            match change.update:
                case AccountUpdate.TEMPLATE_PAUSED:
                    await connection.execute(PAUSE_TEMPLATE, change.template, change.word)
                case AccountUpdate.TEMPLATE_RESUMED:
                    await connection.execute(RESUME_TEMPLATE, change.template)
                case AccountUpdate.LIMIT:
                    return bool(await connection.fetchval(_SET_LIMIT, self.number, change.limit))
                case AccountUpdate.SENDING_PAUSED:
                    await connection.execute(PAUSE, self.number, change.word, PROBE_DELAY_SECONDS)
                case AccountUpdate.SENDING_RESUMED:
                    await connection.execute(RESUME, self.number)
                case _:
                    pass  # it is on record
        return False
