"""`kreisfunk deliveries`: deliveries with unknown outcome, which Meta may or may not have accepted."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.operate.session import Yes, list_rows, refuse, run_on_ledger, warn_of_duplicates
from cli.options import DatabaseStack, Json, ListLimit
from cli.output import Exit, fail, format_duration, format_list, print_result

_UNKNOWN = """
select d.id as delivery, case when d.subscriber is not null then d.source end as broadcast, d.lane::text, b.notice,
    d.unknown_at, d.expires_at, d.attempt, d.resends,
    extract(epoch from clock_timestamp() - d.unknown_at)::float8 as age_seconds,
    exists (select from dispatcher.restore r where r.lost_at > d.asked_at) as restored, count(*) over () as total
from dispatcher.delivery d left join dispatcher.broadcast b on b.id = d.source
where d.unknown_at is not null and ($1::uuid is null or d.source = $1)
order by d.subscriber is not null, d.unknown_at limit $2
"""
DEFAULT_LIMIT = 1000

app = typer.Typer(no_args_is_help=True)


class DeliveryOutcome(StrEnum):
    """An operator's decision on a delivery with unknown outcome."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    RESEND = "resend"


@app.command("unknown")
def list_unknown(
    broadcast: Annotated[UUID | None, typer.Option(help="Only of this broadcast.")] = None,
    limit: ListLimit = DEFAULT_LIMIT,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """List unknown outcomes: replies, then broadcasts, the oldest first.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    unknown, total = list_rows(stack, _UNKNOWN, broadcast, limit)
    head = ("delivery", "age", "broadcast", "notice", "reason")
    told = format_list(head, list(map(_format_line, unknown)), empty="nothing is unknown", total=total)
    print_result({"total": total, "unknown": unknown}, told, json=json)


@app.command()
def settle(
    verdict: Annotated[DeliveryOutcome, typer.Option("--as", help="What became of it.")],
    delivery: Annotated[UUID | None, typer.Argument(help="Id of one delivery.")] = None,
    broadcast: Annotated[UUID | None, typer.Option(help="All unknown ones of this broadcast instead.")] = None,
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
    if verdict is DeliveryOutcome.RESEND:
        warn_of_duplicates("One delivery" if delivery else "All unknown ones", yes=yes)

    statement, given = "select dispatcher.settle_unknown($1, $2, $3)", (delivery, broadcast, verdict.value)
    settled = run_on_ledger(stack, lambda ledger: ledger.fetchval(statement, *given))
    if not settled:
        refuse("Nothing unknown fits: it was settled meanwhile, has expired, or is not there.")
    print_result({"result": verdict.value, "settled": settled}, f"{verdict.value}: {settled}", json=json)


def _format_line(row: Mapping[str, Any]) -> tuple[object, ...]:
    age, reason = format_duration(row["age_seconds"]), "forgotten by a restore" if row["restored"] else "no answer"
    return (row["delivery"], age, row["broadcast"] or "reply", row["notice"] or "-", reason)
