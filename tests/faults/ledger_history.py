"""History of every change in the ledger, for debugging a run. Only for a local stack: it installs a trigger."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.faults.evidence import Evidence
from tests.servers import connect_to_database

_RECORD = """
create table public.delivery_history (
    delivery uuid not null, at timestamptz not null default clock_timestamp(), state text not null,
    attempt smallint not null, resends smallint not null, claimed_at timestamptz, due_at timestamptz,
    error_code integer, client integer
);
create index delivery_history_of on public.delivery_history (delivery, at);
create function public.keep_delivery() returns trigger language plpgsql security definer as $$
begin
    insert into public.delivery_history (delivery, state, attempt, resends, claimed_at, due_at, error_code, client)
    values (new.id, new.state::text, new.attempt, new.resends, new.claimed_at, new.due_at, new.error_code,
        inet_client_port());
    return null;
end $$;
create trigger keep_delivery after insert or update on dispatcher.delivery
    for each row execute function public.keep_delivery();
"""
_ALL = "select row_to_json(h)::text from public.delivery_history h order by delivery, at"
_STREAM = "select row_to_json(s)::text from dispatcher.status_stream s order by seen_at"


async def record_history(url: str) -> None:
    """Install a trigger that records every change from now on; `url` is the owner's."""
    async with connect_to_database(url) as connection:
        await connection.execute(_RECORD)


async def write_history(url: str, folder: Path, evidence: Evidence) -> None:
    """Write JSON Lines files for debugging into the folder.

    They contain changes of the ledger, the status stream, the requests and messages that reached Meta, the spans in
    which work was waiting, and the stalls of simulator and proxies.
    """
    async with connect_to_database(url) as connection:
        for name, statement in (("history", _ALL), ("stream", _STREAM)):
            rows = await connection.fetch(statement)
            (folder / f"{name}.jsonl").write_text("".join(f"{row[0]}\n" for row in rows))
    _write(folder / "outbound.jsonl", (vars(message) for message in evidence.outbound))
    _write(folder / "attempts.jsonl", ({"at": at} for at in evidence.attempts))
    _write(folder / "waiting.jsonl", ({"start": start, "end": end} for start, end in evidence.waiting))
    _write(folder / "stalls.jsonl", (stall._asdict() for stall in evidence.stalls))


def _write(path: Path, values: Iterable[Mapping[str, object]]) -> None:
    path.write_text("".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values))
