"""Confirmation page before an act, its texts, and the acts that a broadcast's page offers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.audit import MAX_REASON_LENGTH
from services.newsroom.domain.progress import BroadcastPhase, BroadcastStatus
from services.newsroom.domain.sending import BroadcastChange, SendingChange
from services.newsroom.handlers.operating import CHANGE_RIGHTS
from services.newsroom.http.rendering import render_page


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Texts of the page before an act; `name` is the last part of its path."""

    name: str
    title: str
    explanation: str
    button: str
    done: str
    is_dangerous: bool = False


BROADCAST_CONFIRMATIONS: Mapping[BroadcastChange, Confirmation] = {
    BroadcastChange.PAUSE: Confirmation(
        name="anhalten",
        title="Aussendung anhalten",
        explanation="Bis jemand sie fortsetzt, geht nichts mehr hinaus. Wer die Meldung schon hat, behält sie.",
        button="Anhalten",
        done="Die Aussendung ist angehalten.",
    ),
    BroadcastChange.RESUME: Confirmation(
        name="fortsetzen",
        title="Aussendung fortsetzen",
        explanation="Wer die Meldung noch nicht hat, bekommt sie jetzt.",
        button="Fortsetzen",
        done="Die Aussendung geht weiter.",
    ),
    BroadcastChange.CANCEL: Confirmation(
        name="beenden",
        title="Aussendung beenden",
        explanation=(
            "Wer die Meldung noch nicht hat, bekommt sie nicht mehr. Das lässt sich nicht rückgängig machen. Wer sie"
            " schon hat, behält sie."
        ),
        button="Beenden",
        done="Die Aussendung ist beendet.",
        is_dangerous=True,
    ),
    BroadcastChange.RESEND: Confirmation(
        name="nachsenden",
        title="An die Fehlenden senden",
        explanation=(
            "Die Meldung geht noch einmal an alle, die sie nicht bekommen haben, weil die Zustellung gescheitert ist."
            " Niemand bekommt sie zweimal, und wer sich abgemeldet hat, bekommt nichts. Besteht ein Grund weiter,"
            " scheitert die Zustellung wieder."
        ),
        button="Jetzt senden",
        done="Die Meldung geht noch einmal an alle, bei denen die Zustellung gescheitert ist.",
    ),
}
SENDING_CONFIRMATIONS: Mapping[SendingChange, Confirmation] = {
    SendingChange.PAUSE: Confirmation(
        name="versand-anhalten",
        title="Gesamten Versand anhalten",
        explanation=(
            "Innerhalb einer Sekunde geht nichts mehr hinaus, auch keine Antworten an Bürgerinnen und Bürger. Was"
            " wartet, geht nicht verloren; Meldungen, deren Gültigkeit inzwischen endet, bekommt niemand mehr."
        ),
        button="Versand anhalten",
        done="Der gesamte Versand ist angehalten.",
        is_dangerous=True,
    ),
    SendingChange.RESUME: Confirmation(
        name="versand-fortsetzen",
        title="Versand fortsetzen",
        explanation=(
            "Alles, was wartet, geht hinaus. Hat Meta den Versand angehalten und besteht die Ursache weiter, hält die"
            " nächste Nachricht ihn wieder an."
        ),
        button="Versand fortsetzen",
        done="Der Versand geht weiter.",
    ),
    SendingChange.RESUME_TEMPLATE: Confirmation(
        name="vorlage-freigeben",
        title="Vorlage freigeben",
        explanation=(
            "Alle Aussendungen mit dieser Vorlage gehen weiter. Nimmt Meta die Vorlage noch nicht an, wird sie wieder"
            " angehalten."
        ),
        button="Vorlage freigeben",
        done="Die Vorlage ist freigegeben.",
    ),
    SendingChange.REPLAY: Confirmation(
        name="erneut-verarbeiten",
        title="Mitteilungen noch einmal verarbeiten",
        explanation=(
            "Mitteilungen von Bürgerinnen und Bürgern, die nicht verarbeitet werden konnten, kommen noch einmal an die"
            " Reihe. Was wieder scheitert, bleibt mit dem neuen Grund liegen."
        ),
        button="Noch einmal verarbeiten",
        done="Die Mitteilungen kommen noch einmal an die Reihe.",
    ),
}


def render_confirmation(
    request: web.Request,
    confirmation: Confirmation,
    back: str,
    about: str,
    problem: str = "",
    reason: str = "",
    *,
    subject: str = "",
    failures: Sequence[object] = (),
    costs: str = "",
    max_length: int = MAX_REASON_LENGTH,
) -> web.Response:
    """Return the page before an act, with a field for a reason of up to `max_length` characters, without one if 0."""
    return render_page(
        request,
        "confirmation.html",
        status=422 if problem else 200,
        confirmation=confirmation,
        back=back,
        about=about,
        problem=problem,
        reason=reason[:max_length],
        subject=subject,
        failures=failures,
        costs=costs,
        max_length=max_length,
    )


def list_offered(status: BroadcastStatus, account: Account, *, lead_resends: bool) -> list[Confirmation]:
    """Return the acts on a broadcast that the account may perform now; `lead_resends`: only a lead may resend."""
    rights = {**CHANGE_RIGHTS, BroadcastChange.RESEND: Right.APPROVE_AMOUNTS if lead_resends else Right.APPROVE}
    return [BROADCAST_CONFIRMATIONS[change] for change in _list_possible_changes(status) if account.may(rights[change])]


def _list_possible_changes(status: BroadcastStatus) -> Iterator[BroadcastChange]:
    if not status.is_final:
        if status.was_begun:
            yield BroadcastChange.RESUME if status.stop_cause == "broadcast" else BroadcastChange.PAUSE
        if not status.is_planned:  # only its publisher ends it, by withdrawing the notice
            yield BroadcastChange.CANCEL
    is_cancelled = status.phase is BroadcastPhase.CANCELLED or status.withdrawn_at
    if status.states.get("failed") and not is_cancelled:
        yield BroadcastChange.RESEND


def find_done(confirmations: Iterable[Confirmation], name: str) -> str:
    """Return the message after the act of this name; empty for any other name."""
    return next((confirmation.done for confirmation in confirmations if confirmation.name == name), "")
