"""What is deleted when: one statement for each kind of data, small steps, by the database's clock."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from shared.database.pool import Database

# Meta repeats a webhook for up to seven days.
INBOX_KEPT = timedelta(days=9)
CONVERSATION_KEPT = timedelta(days=2)
ERASURE_ANSWER_KEPT = timedelta(days=1)
STEP = 1_000


class Kept(NamedTuple):
    """How long, and the statement that deletes at most $2 rows that are older than $1."""

    kept: timedelta
    statement: str


def rules(*, feedback_days: int, proof_days: int) -> Mapping[str, Kept]:
    """Every kind of data that is not kept for ever."""
    proof = timedelta(days=proof_days)
    return {
        "inbox": Kept(INBOX_KEPT, _delete("inbox", "message_key", "handled_at")),
        "erasure_answer": Kept(ERASURE_ANSWER_KEPT, _CLEAR_ANSWERS),
        "conversation": Kept(CONVERSATION_KEPT, _delete("conversation", "address_index", "counted_at")),
        "feedback": Kept(timedelta(days=feedback_days), _delete("feedback", "id", "at")),
        "erasure": Kept(proof, _delete("erasure", "address_index", "said_at")),
        "former_subscriber": Kept(proof, _FORMER),
        "consent": Kept(proof, "select subscriptions.forget_proofs($1, $2::integer)"),
    }


async def forget(database: Database, kept: Kept, *, step: int = STEP) -> int:
    """One step; how many rows it deleted. Raises DatabaseAway."""
    async with database.connection() as connection:
        count: int = await connection.fetchval(kept.statement, kept.kept, step)
    return count


def _delete(table: str, key: str, moment: str) -> str:
    return f"""
        with old as (
            select {key} from subscriptions.{table} where {moment} < now() - $1::interval limit $2),
        gone as (
            delete from subscriptions.{table} where {key} in (select {key} from old) returning true)
        select count(*) from gone
    """


# The answer to an erasure names the address it goes to; once Meta has it, it is not needed any more.
_CLEAR_ANSWERS = r"""
    with old as (
        select message_key from subscriptions.inbox
        where result = 'erased' and handled_at < now() - $1::interval and publications <> '\x90' limit $2),
    gone as (
        update subscriptions.inbox set publications = '\x90' where message_key in (select message_key from old)
        returning true)
    select count(*) from gone
"""
_FORMER = """
    with old as (
        select id from subscriptions.subscriber
        where state <> 'subscribed' and greatest(ended_at, started_at, created_at) < now() - $1::interval limit $2),
    gone as (
        delete from subscriptions.subscriber where id in (select id from old) returning true)
    select count(*) from gone
"""
