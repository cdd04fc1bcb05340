"""`kreisfunk notices`: delivery of notices, and what people think of them, in German for the people who write them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

import asyncpg
import typer

from cli.operate.broadcasts import truncate_headline
from cli.operate.ledger import REPLACED, SUPERSEDED, BroadcastView, fetch_by_notice, fetch_latest
from cli.operate.session import refuse, run_on_ledger
from cli.options import DatabaseStack, Json
from cli.output import format_pairs, format_table, print_result
from shared.notices.cloudevents import LOCAL_ZONE

Notice = Annotated[str, typer.Argument(help="Kennung der Meldung.")]

_FEEDBACK = """
select broadcast_id, kind, value, count(*)::int as number from subscriptions.feedback
where broadcast_id = any($1) group by 1, 2, 3 order by 4 desc, 3
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


@dataclass(frozen=True)
class Opinions:
    """Ratings and reactions by value, and the number of answers in words, which only the newsroom shows."""

    ratings: Mapping[str, int]
    answers: int


app = typer.Typer(no_args_is_help=True)


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
    """Alles über eine Meldung: wer sie erhalten hat, wer nicht und warum, und was sie dazu sagen.

    Status: 0, 2 falscher Aufruf, 3 keine solche Meldung, 4 Datenbank nicht erreichbar.
    """
    found = run_on_ledger(stack, lambda connection: _fetch_notice(connection, notice))
    pages = [_format_page(shown, opinions) for shown, opinions in found]
    objects = [{**asdict(shown), **asdict(opinions)} for shown, opinions in found]
    print_result({"notices": objects}, "\n\n".join(pages), json=json)


@app.command()
def feedback(notice: Notice, json: Json = False, stack: DatabaseStack = None) -> None:
    """Wie eine Meldung ankommt: die Knöpfe darunter, Reaktionen und die Zahl der Antworten, je Fassung.

    Status: 0, 2 falscher Aufruf, 3 keine solche Meldung, 4 Datenbank nicht erreichbar.
    """
    found = run_on_ledger(stack, lambda connection: _fetch_notice(connection, notice))
    rows = [(shown.revision, opinions.answers, _format_ratings(opinions.ratings)) for shown, opinions in found]
    objects = [{"revision": shown.revision, **asdict(opinions)} for shown, opinions in found]
    table = format_table(("Fassung", "Antworten", "Bewertungen"), rows)
    print_result({"notice": notice, "feedback": objects}, table, json=json)


async def _fetch_notice(connection: asyncpg.Connection, notice: str) -> list[tuple[BroadcastView, Opinions]]:
    """Return the revisions in ascending order, each with the opinions of it."""
    known = await fetch_by_notice(connection, notice)
    if not known:
        refuse("Diese Meldung ist nicht bekannt.", "`kreisfunk notices list` nennt die Kennungen.")
    rows = await connection.fetch(_FEEDBACK, [shown.broadcast for shown in known])
    return [
        (shown, _build_opinions([row for row in rows if row["broadcast_id"] == shown.broadcast])) for shown in known
    ]


def _build_opinions(rows: Sequence[asyncpg.Record]) -> Opinions:
    ratings: Counter[str] = Counter()
    for row in rows:
        if row["kind"] != "text":
            ratings[row["value"]] += row["number"]
    return Opinions(dict(ratings), sum(row["number"] for row in rows if row["kind"] == "text"))


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


def _format_page(shown: BroadcastView, opinions: Opinions) -> str:
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
        ("Bewertungen", _format_ratings(opinions.ratings)),
        ("Antworten", opinions.answers),
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
