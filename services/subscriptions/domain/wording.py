"""What citizens read. Formal, short, and the same for everybody, so that a hash proves what was shown."""

import hashlib
from dataclasses import dataclass

from services.subscriptions.domain.county import County


@dataclass(frozen=True)
class Wording:
    """One text, with the version that the county gave to all of them."""

    version: str
    text: str

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Wordings:
    """The answers: to the first start, to another one, to a stop, and to everything else."""

    receipt: Wording
    already: Wording
    farewell: Wording
    hint: Wording

    def all(self) -> tuple[Wording, ...]:
        return (self.receipt, self.already, self.farewell, self.hint)


def wordings(county: County) -> Wordings:
    """The texts for this county."""
    texts = {
        "receipt": _receipt(county),
        "already": f"Sie erhalten unsere Meldungen bereits: {_topics(county)}.\n\nAbmelden: Stop",
        "farewell": _farewell(county),
        "hint": _hint(county),
    }
    return Wordings(**{name: Wording(county.wording_version, text) for name, text in texts.items()})


def _topics(county: County) -> str:
    return ", ".join(topic.title for topic in county.topics)


def _receipt(county: County) -> str:
    return (
        f"Vielen Dank, Sie sind angemeldet. Der {county.name} informiert Sie hier zu: {_topics(county)}.\n\n"
        f"Häufigkeit: {county.frequency}.\n"
        "Abmelden: Schreiben Sie jederzeit Stop.\n"
        f"Datenschutz: {county.privacy_url}\n\n"
        "Mit Ihrer Anmeldung willigen Sie ein, diese Meldungen über WhatsApp zu erhalten. "
        f"Fassung {county.wording_version}"
    )


def _farewell(county: County) -> str:
    return (
        f"Sie sind abgemeldet und erhalten vom {county.name} keine Meldungen mehr über WhatsApp.\n\n"
        "Wieder anmelden: Start"
    )


def _hint(county: County) -> str:
    return (
        "Vielen Dank für Ihre Nachricht. Dieser Kanal dient nur der Information, "
        "hier können wir keine Anliegen bearbeiten.\n\n"
        f"Telefon: {county.telephone}\n"
        f"Vor Ort: {county.counter}\n"
        f"Zeiten: {county.hours}\n\n"
        "Anmelden: Start, abmelden: Stop"
    )
