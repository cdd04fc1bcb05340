"""`kreisfunk deliveries`, `templates` and `dead-letters`: cases that wait for an operator's decision.

Meta may have the message of a delivery with unknown outcome. A template is paused if Meta does not accept it; its
broadcasts wait. A dead letter is a citizen's message that could not be handled, encrypted.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer

from cli.operate.session import Yes, list_rows, refuse, run_on_ledger, warn_of_duplicates
from cli.options import All, DatabaseStack, Json, ListLimit, WhichOrAll, require_selection
from cli.options import Yes as YesForGood
from cli.output import Exit, confirm, fail, format_duration, format_list, format_time, print_result

_UNKNOWN = """
select d.id as delivery, case when d.subscriber is not null then d.source end as broadcast, d.lane::text, b.notice,
    d.unknown_at, d.expires_at, d.attempt, d.resends,
    extract(epoch from clock_timestamp() - d.unknown_at)::float8 as age_seconds,
    exists (select from dispatcher.restore r where r.lost_at > d.asked_at) as restored, count(*) over () as total
from dispatcher.delivery d left join dispatcher.broadcast b on b.id = d.source
where d.unknown_at is not null and ($1::uuid is null or d.source = $1)
order by d.subscriber is not null, d.unknown_at limit $2
"""
_LETTERS = """
select id, reason, failed_at, replay_at, count(*) over () as total from subscriptions.dead_letter
order by failed_at limit $1
"""
_FIND_LETTERS = "select id from subscriptions.dead_letter where starts_with(id::text, $1) limit 2"
UNKNOWN_LIMIT, LETTERS_LIMIT = 1000, 100
SHORT_ID_LENGTH = 8

deliveries = typer.Typer(no_args_is_help=True)
templates = typer.Typer(no_args_is_help=True)
dead_letters = typer.Typer(no_args_is_help=True)


class DeliveryOutcome(StrEnum):
    """An operator's decision on a delivery with unknown outcome."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    RESEND = "resend"


@deliveries.command("unknown")
def list_unknown(
    broadcast: Annotated[UUID | None, typer.Option(help="Only of this broadcast.")] = None,
    limit: ListLimit = UNKNOWN_LIMIT,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """List unknown outcomes: replies, then broadcasts, the oldest first.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    unknown, total = list_rows(stack, _UNKNOWN, broadcast, limit)
    head = ("delivery", "age", "broadcast", "notice", "reason")
    text = format_list(head, list(map(_format_delivery, unknown)), empty="nothing is unknown", total=total)
    print_result({"total": total, "unknown": unknown}, text, json=json)


@deliveries.command()
def settle(
    outcome: Annotated[DeliveryOutcome, typer.Option("--as", help="Its outcome.")],
    delivery: Annotated[UUID | None, typer.Argument(help="Id of one delivery.")] = None,
    broadcast: Annotated[UUID | None, typer.Option(help="All unknown outcomes of this broadcast instead.")] = None,
    yes: Yes = False,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Settle unknown outcomes: accepted, failed, or to be sent again.

    A later status from Meta still counts. Expired deliveries are not sent again.

    Exit status: 0 settled, 1 aborted, 2 wrong command line, 3 no matching unknown outcome,
    4 database unavailable or role refused.
    """
    if (delivery is None) == (broadcast is None):
        fail("Name one delivery, or --broadcast.", status=Exit.USAGE)
    if outcome is DeliveryOutcome.RESEND:
        warn_of_duplicates("One delivery" if delivery else "All unknown ones", yes=yes)

    statement, arguments = "select dispatcher.settle_unknown($1, $2, $3)", (delivery, broadcast, outcome.value)
    settled = run_on_ledger(stack, lambda ledger: ledger.fetchval(statement, *arguments))
    if not settled:
        refuse("No unknown outcome matches: it was settled meanwhile, has expired, or does not exist.")
    print_result({"result": outcome.value, "settled": settled}, f"{outcome.value}: {settled}", json=json)


def _format_delivery(row: Mapping[str, Any]) -> tuple[object, ...]:
    age, reason = format_duration(row["age_seconds"]), "lost in a restore" if row["restored"] else "no answer"
    return (row["delivery"], age, row["broadcast"] or "reply", row["notice"] or "-", reason)


@templates.command("list")
def list_templates(json: Json = False, stack: DatabaseStack = None) -> None:
    """List paused templates, and how many broadcasts wait for each.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    rows = run_on_ledger(stack, lambda ledger: ledger.fetch("select * from dispatcher.list_template_pauses()"))
    lines = [(row["template"], row["broadcasts"], row["reason"], format_time(row["paused_at"])) for row in rows]
    text = format_list(("template", "broadcasts", "reason", "paused since"), lines, empty="no template is paused")
    print_result({"paused": [dict(row) for row in rows]}, text, json=json)


@templates.command()
def resume(
    template: Annotated[str, typer.Argument(help="Its name and language at Meta, as listed: NAME/LANGUAGE.")],
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Resume a template, once Meta accepts it again.

    Exit status: 0 resumed, 2 wrong command line, 3 not paused, 4 database unavailable or role refused.
    """
    if not run_on_ledger(stack, lambda ledger: ledger.fetchval("select dispatcher.resume_template($1)", template)):
        refuse(
            f"Template {template} is not paused.", "`kreisfunk templates list` has those that are, with their language."
        )
    print_result({"result": "resumed", "template": template}, f"resumed: template {template}", json=json)


@dead_letters.command("list")
def list_letters(limit: ListLimit = LETTERS_LIMIT, json: Json = False, stack: DatabaseStack = None) -> None:
    """List dead letters with time and reason of the failure.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    letters, total = list_rows(stack, _LETTERS, limit)
    head = ("id", "since", "reason", "state")
    text = format_list(head, list(map(_format_letter, letters)), empty="no dead letters", total=total)
    print_result({"total": total, "letters": letters}, text, json=json)


@dead_letters.command()
def replay(which: WhichOrAll = None, everything: All = False, json: Json = False, stack: DatabaseStack = None) -> None:
    """Request another attempt within seconds; a message that fails again stays, with the new reason.

    Exit status: 0 requested, 2 wrong command line, 3 not found, 4 database unavailable or role refused.
    """
    _call_function("replay", which, everything=everything, json=json, stack=stack)


@dead_letters.command()
def drop(
    which: WhichOrAll = None,
    everything: All = False,
    yes: YesForGood = False,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Delete it for good.

    Exit status: 0 deleted, 1 aborted, 2 wrong command line, or no terminal and no --yes, 3 not found,
    4 database unavailable or role refused.
    """
    confirm("Delete it for good?", yes=yes, otherwise="Nothing was dropped.")
    _call_function("drop", which, everything=everything, json=json, stack=stack)


def _call_function(verb: str, which: str | None, *, everything: bool, json: bool, stack: Path | None) -> None:
    require_selection("dead-letters", which, everything=everything)

    async def act(ledger: asyncpg.Connection) -> int | None:
        letters = await ledger.fetch(_FIND_LETTERS, which) if which is not None else [{"id": None}]
        if len(letters) != 1:
            return None
        return int(await ledger.fetchval(f"select subscriptions.{verb}_dead_letters($1)", letters[0]["id"]))

    count = run_on_ledger(stack, act)
    if count is None:
        refuse(f"None or several have an id that begins with {which!r}.", "Nothing was changed.")
    print_result({"result": verb, "letters": count}, f"{verb}: {count}", json=json)


def _format_letter(row: Mapping[str, Any]) -> tuple[object, ...]:
    state = "is being handled again" if row["replay_at"] else "waits"
    return str(row["id"])[:SHORT_ID_LENGTH], format_time(row["failed_at"]), row["reason"], state
