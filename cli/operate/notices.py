"""`kreisfunk notices`: delivery and ratings of notices, in German for the people who write them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import typer

from cli.operate.broadcasts import truncate_headline
from cli.operate.ledger import REPLACED, SUPERSEDED, BroadcastView, fetch_by_notice, fetch_latest
from cli.operate.session import refuse, run_on_ledger
from cli.options import DatabaseStack, Json
from cli.output import format_pairs, format_table, print_result
from shared.notices.cloudevents import LOCAL_ZONE

Notice = Annotated[str, typer.Argument(help="Kennung der Meldung.")]
Ratings = Mapping[UUID, Mapping[str, int]]

_RATINGS = """
select broadcast_id, kind, value, count(*)::int as number from subscriptions.feedback
where broadcast_id = any($1) and kind <> 'text' group by 1, 2, 3 order by 4 desc, 3
"""
_STANDINGS = {
    "scheduled": "geplant",
    "expanding": "beginnt",
    "running": "wird versandt",
    "paused": "angehalten",
    "held": "angehalten",
    "finished": "versandt",
    "expired": "abgelaufen",
    "cancelled": "zurückgezogen",
    REPLACED: "ersetzt",
}
_VALUES = {"good": "hilfreich", "bad": "nicht hilfreich"}

app = typer.Typer(help="Meldungen: wer sie erhalten hat, und wie sie ankommen.", no_args_is_help=True)


@app.command("list")
def list_notices(
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, max=1000, help="Wie viele, die neuesten zuerst.")
    ] = 20,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Die Meldungen, die neuesten zuerst.

    Status: 0, 2 falscher Aufruf, 4 Datenbank nicht erreichbar.
    """
    found = run_on_ledger(stack, lambda connection: fetch_latest(connection, number))
    print_result({"notices": [asdict(one) for one in found]}, _format_overview(found), json=json)


@app.command("show")
def show_notice(notice: Notice, json: Json = False, stack: DatabaseStack = None) -> None:
    """Alles über eine Meldung: wer sie erhalten hat, wer nicht und warum, und wie sie bewertet wird.

    Status: 0, 2 falscher Aufruf, 3 keine solche Meldung, 4 Datenbank nicht erreichbar.
    """
    found, ratings = run_on_ledger(stack, lambda connection: _fetch_notice(connection, notice))
    pages = [_format_page(shown, ratings.get(shown.broadcast, {})) for shown in found]
    objects = [{**asdict(shown), "ratings": ratings.get(shown.broadcast, {})} for shown in found]
    print_result({"notices": objects}, "\n\n".join(pages), json=json)


@app.command()
def feedback(notice: Notice, json: Json = False, stack: DatabaseStack = None) -> None:
    """Wie eine Meldung bewertet wird: die Knöpfe darunter, und Reaktionen, je Fassung.

    Status: 0, 2 falscher Aufruf, 3 keine solche Meldung, 4 Datenbank nicht erreichbar.
    """
    found, ratings = run_on_ledger(stack, lambda connection: _fetch_notice(connection, notice))
    rows = [(shown.revision, _format_ratings(ratings.get(shown.broadcast, {}))) for shown in found]
    objects = [{"revision": shown.revision, "ratings": ratings.get(shown.broadcast, {})} for shown in found]
    print_result({"notice": notice, "feedback": objects}, format_table(("Fassung", "Bewertungen"), rows), json=json)


async def _fetch_notice(connection: asyncpg.Connection, notice: str) -> tuple[list[BroadcastView], Ratings]:
    """Return the revisions in ascending order, and the ratings by broadcast and value."""
    known = await fetch_by_notice(connection, notice)
    if not known:
        refuse("Diese Meldung ist nicht bekannt.", "`kreisfunk notices list` nennt die Kennungen.")
    found: dict[UUID, Counter[str]] = {}
    for row in await connection.fetch(_RATINGS, [shown.broadcast for shown in known]):
        found.setdefault(UUID(int=row["broadcast_id"].int), Counter())[row["value"]] += row["number"]
    return known, found


def _format_overview(found: Sequence[BroadcastView]) -> str:
    if not found:
        return "Noch keine Meldungen."
    head = ("Beginn", "Kennung", "Fassung", "Thema", "Stand", "zugestellt", "von", "Überschrift")
    return format_table(head, [_format_line(shown) for shown in found])


def _format_line(shown: BroadcastView) -> tuple[object, ...]:
    return (
        *(_format_time(shown.published_at), shown.notice, shown.revision, shown.topic, _format_standing(shown)),
        *(_count_delivered(shown), shown.books.audience, truncate_headline(shown.headline or "-")),
    )


def _format_page(shown: BroadcastView, ratings: Mapping[str, int]) -> str:
    books = shown.books
    rows = [
        ("Meldung", f"{shown.notice}, Fassung {shown.revision}"),
        ("Überschrift", shown.headline or "-"),
        ("Thema", shown.topic),
        ("Beginn", _format_time(shown.published_at)),
        ("Ablauf", _format_time(shown.expires_at)),
        ("Stand", _format_standing(shown)),
        ("Empfänger", f"{books.audience}{'' if books.complete else ' bisher'}"),
        ("zugestellt", _count_delivered(shown)),
        ("davon gelesen", shown.steps.get("read", 0)),
        ("unterwegs", shown.steps.get("accepted", 0) + shown.steps.get("sent", 0)),
        ("warten", books.waiting),
        ("fehlgeschlagen", books.failed),
        *((f"  {failure.deliveries}-mal", failure.reason) for failure in shown.failures),
        ("nicht mehr versandt", books.expired + books.cancelled + books.suppressed),
        ("ungewiss", books.unknown),
        ("Bewertungen", _format_ratings(ratings)),
    ]
    return format_pairs(*rows)


def _format_standing(shown: BroadcastView) -> str:
    if shown.standing == "cancelled" and shown.reason == SUPERSEDED:
        return "ersetzt, bevor alle sie hatten"
    return _STANDINGS.get(shown.standing, shown.standing)


def _count_delivered(shown: BroadcastView) -> int:
    return shown.steps.get("delivered", 0) + shown.steps.get("read", 0)


def _format_ratings(ratings: Mapping[str, int]) -> str:
    return ", ".join(f"{number}-mal {_VALUES.get(value, value)}" for value, number in ratings.items()) or "keine"


def _format_time(at: datetime) -> str:
    return f"{at.astimezone(LOCAL_ZONE):%d.%m.%Y %H:%M}"
