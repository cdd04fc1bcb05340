"""The operator's access to the ledger, with options and texts that several commands share."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import asyncpg
import typer

from cli.database import run_on_database
from cli.output import Exit, confirm, fail, note
from cli.settings import OperatorSettings, read_installation_settings
from cli.stacks import DATABASE_URL

T = TypeVar("T")


def _require_words(text: str) -> str:
    """Refuse an empty reason, for example from an unset variable: without one, a pause would not show."""
    if not text.strip():
        raise typer.BadParameter("say why")
    return text


Reason = Annotated[str, typer.Option(help="For the record.", callback=_require_words)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, although somebody may get a message twice.")]
_WAIT_TEXTS = {
    "rate": "its turn: due as soon as the rate permits",
    "sending": "Meta's answer: being sent now",
    "queue": "its turn: not yet in the ledger",
    "resume": "somebody to resume the broadcast",
    "template": "its template, which Meta does not accept now",
    "hours": "the permitted hours",
    "spread": "its turn in the spread",
    "people": "Meta's limit of different people in 24 hours",
    "budget": "the next month: the budget is used up",
    "again": "another try after a fault at Meta",
    "slower": "another try: Meta said too fast",
    "pair": "another try: too many messages to this person",
    "sender": "the sender, which is paused",
}


def run_on_ledger(stack: Path | None, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Return the result of `work` with the operator's role; ends the command if the ledger cannot be reached."""
    settings = read_installation_settings(OperatorSettings, stack, DATABASE_URL, lambda local: local.operator)
    return run_on_database(settings, "operate", work, role="the role kreisfunk_operator")


def list_rows(stack: Path | None, query: str, *arguments: object) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of a query, and their number without its limit, from its column `total`."""
    rows = [dict(row) for row in run_on_ledger(stack, lambda ledger: ledger.fetch(query, *arguments))]
    totals = [row.pop("total") for row in rows]
    return rows, max(totals, default=0)


def refuse(problem: str, advice: str = "") -> NoReturn:
    """End the command because the request does not fit the present state; nothing was changed."""
    fail(problem, advice, Exit.REJECTED)


def warn_of_duplicates(count: str, *, yes: bool) -> None:
    """Ask for confirmation before somebody may get a message twice; without a terminal, `--yes` is required."""
    warning = "Meta may have taken these messages although no answer came. Those who got one get it twice."
    note(f"{count}: {warning}", "yellow")
    confirm("Send them again?", yes=yes, otherwise="Nothing was changed.")


def explain_wait(cause: str) -> str:
    """Return the text for a cause of waiting in the ledger; an unknown cause is returned as it is."""
    return _WAIT_TEXTS.get(cause, cause)
