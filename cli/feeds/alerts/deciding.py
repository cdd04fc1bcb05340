"""Which alerts become notices, and what their updates and cancellations do to them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import Raw
from msgspec.structs import asdict, replace

from cli.feeds.alerts.reading import Alert
from cli.feeds.alerts.wording import Told, is_urgent, told_here
from cli.feeds.configuration import AlertOrigin, CancelBy, FirstPoll, Mode, UpdateBy
from cli.feeds.deciding import Outcome, Place
from cli.feeds.memory import Memory, Pending, Warned, Way, short_hash
from cli.feeds.rules import Choice, choose
from cli.feeds.wording import content_of
from cli.publish.moments import parse_duration
from shared.contracts.message import Message
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn

ALERT, UPDATE, CANCEL = "Alert", "Update", "Cancel"
ALL_CLEAR = "AllClear"
_ALL_CLEAR = re.compile("entwarnung|aufgehoben|aufhebung", re.IGNORECASE)
LONGEST = timedelta(days=365)


def decide_alerts(origin: AlertOrigin, memory: Memory, alerts: Iterable[Alert], place: Place) -> Outcome:
    """In the order in which they were sent, however they lie there; each once."""
    desk = _Desk(origin, Outcome(memory), place)
    quietly = not memory.polled and origin.first_poll is FirstPoll.MARK
    for alert in sorted(alerts, key=lambda alert: (alert.sent, alert.kind == CANCEL, alert.identifier)):
        desk.outcome.counts[desk.take(alert, quietly=quietly)] += 1
    desk.outcome.memory = replace(desk.outcome.memory, polled=True).forgetting(place.now.date())
    return desk.outcome


@dataclass
class _Desk:
    """Takes one alert after the other; `outcome` grows."""

    origin: AlertOrigin
    outcome: Outcome
    place: Place

    def take(self, alert: Alert, *, quietly: bool) -> str:
        """What became of it, in one word."""
        key = short_hash(alert.sender, alert.identifier)
        seen = self.outcome.memory.alerts.get(key)
        if seen is not None:
            self._mark(key, seen[1])
            return "known"
        self._mark(key, "")
        reason = _not_for_us(self.origin, alert)
        if reason:
            return reason
        earlier = self._earlier(alert)
        if quietly:
            return "marked"
        if alert.kind == CANCEL:
            return self._cancel(alert, earlier)
        return self._warn(alert, key, earlier)

    def _mark(self, key: str, warning: str) -> None:
        memory = self.outcome.memory
        self.outcome.memory = replace(memory, alerts={**memory.alerts, key: (self.place.now.date(), warning)})

    def _keep(self, key: str, warned: Warned) -> None:
        memory = self.outcome.memory
        self.outcome.memory = replace(memory, warnings={**memory.warnings, key: warned})

    def _earlier(self, alert: Alert) -> dict[str, Warned]:
        """The warnings that it refers to and that are not over. What it refers to is not news any more, if it comes."""
        found: dict[str, Warned] = {}
        for sender, identifier in alert.references:
            if alert.kind == ALERT or not self._may_refer(alert, sender):
                continue
            key = short_hash(sender, identifier)
            if key not in self.outcome.memory.alerts:
                self._mark(key, "")
            warning = self.outcome.memory.alerts[key][1]
            warned = self.outcome.memory.warnings.get(warning)
            if warned is not None and not warned.over:
                found[warning] = warned
        return found

    def _may_refer(self, alert: Alert, sender: str) -> bool:
        """Nobody ends somebody else's warning, unless both are known."""
        return sender == alert.sender or sender in self.origin.senders

    def _warn(self, alert: Alert, key: str, earlier: dict[str, Warned]) -> str:
        told = told_here(self.origin, alert.infos, self.place.county)
        if earlier and (told is None or ALL_CLEAR in told.info.responses):
            return self._cancel(alert, earlier)
        if told is None:
            return "elsewhere" if alert.infos else "broken"
        if not told.headline:
            return "broken"
        if told.info.expires is not None and told.info.expires <= self.place.now:
            return "expired"
        choice = _choice(self.origin, told)
        if earlier:
            return self._update(key, told, choice, earlier)
        return "left_out" if choice is None else self._publish(key, told, choice)

    def _publish(self, key: str, told: Told, choice: Choice) -> str:
        warned = Warned(
            subject=f"{self.origin.name}-{key}",
            topic=choice.topic,
            headline=told.headline,
            said=short_hash(told.info.description),
            urgent=is_urgent(told.info, self.origin.urgent) if choice.urgent is None else choice.urgent,
            way=Way.DRAFT if choice.mode is Mode.DRAFT else Way.DOOR,
            seen=self.place.now.date(),
        )
        message = self._published(told, warned, municipalities=_places(told, choice))
        if not self._send(message, warned, warned.subject, "1", self._expiry(told)):
            return "refused"
        self._keep(key, warned)
        self._mark(key, key)
        return "drafted" if warned.way is Way.DRAFT else "published"

    def _update(self, key: str, told: Told, choice: Choice | None, earlier: dict[str, Warned]) -> str:
        """The first warning that it refers to goes on; others that it replaces are withdrawn."""
        (warning, warned), *others = earlier.items()
        urgent = warned.urgent or is_urgent(told.info, self.origin.urgent)
        newer = replace(warned, headline=told.headline, urgent=urgent, seen=self.place.now.date())
        revising = self.origin.update is UpdateBy.REVISION
        sent = self._revise(told, newer, _places(told, choice)) if revising else self._follow_up(told, newer)
        if sent is None:
            return "refused"
        self._keep(warning, sent)
        self._mark(key, warning)
        for other, replaced in others:
            self._withdraw(other, replaced, key)
        return "updated" if revising else "followed_up"

    def _revise(self, told: Told, warned: Warned, places: Sequence[str]) -> Warned | None:
        newer = replace(warned, revision=warned.revision + 1)
        fields = asdict(self._published(told, newer, municipalities=places))
        message = NoticeUpdated(**fields, revision=newer.revision)
        sent = self._send(message, newer, newer.subject, str(newer.revision), self._expiry(told))
        return newer if sent else None

    def _follow_up(self, told: Told, warned: Warned) -> Warned | None:
        subject = f"{warned.subject}.{len(warned.follow_ups) + 1}"
        message = self._published(told, warned, follows=warned.subject)
        sent = self._send(message, warned, subject, "1", self._expiry(told))
        return replace(warned, follow_ups=(*warned.follow_ups, subject)) if sent else None

    def _cancel(self, alert: Alert, earlier: dict[str, Warned]) -> str:
        if not earlier:
            return "unknown_reference"
        told = told_here(self.origin, alert.infos, self.place.county)
        for warning, warned in earlier.items():
            self._withdraw(warning, warned, short_hash(alert.sender, alert.identifier))
            if self.origin.cancel is CancelBy.ALL_CLEAR:
                self._all_clear(told, warned)
        return "withdrawn"

    def _withdraw(self, warning: str, warned: Warned, by: str) -> None:
        for subject in (warned.subject, *warned.follow_ups):
            self._send(NoticeWithdrawn(reason="cancelled"), warned, subject, "withdrawn", None)
        self._keep(warning, replace(warned, over=True, seen=self.place.now.date()))
        self._mark(by, warning)

    def _all_clear(self, told: Told | None, warned: Warned) -> None:
        """To exactly those who got the warning, as urgent as that was."""
        headline = told.headline if told and told.headline else warned.headline
        content = content_of(
            topic=warned.topic,
            headline=headline if _ALL_CLEAR.search(headline) else f"{self.origin.all_clear_headline}: {headline}",
            text=self._all_clear_text(told, warned),
            link=told.info.web if told else None,
            urgent=warned.urgent,
            follows=warned.subject,
            county=self.place.county,
        )
        message = NoticePublished(**asdict(content))
        self._send(message, warned, f"{warned.subject}.all-clear", "1", self._expiry(told))

    def _all_clear_text(self, told: Told | None, warned: Warned) -> str:
        """Some senders repeat their warning when they cancel it: that is not told again."""
        repeated = told is None or short_hash(told.info.description) == warned.said
        more = "" if told is None or repeated else told.text(self.place.county)
        return f"{self.origin.all_clear_text} {more}".strip()

    def _published(
        self, told: Told, warned: Warned, *, municipalities: Iterable[str] = (), follows: str | None = None
    ) -> NoticePublished:
        content = content_of(
            topic=warned.topic,
            headline=told.headline,
            text=told.text(self.place.county),
            link=told.info.web,
            municipalities=municipalities,
            urgent=warned.urgent,
            follows=follows,
            county=self.place.county,
        )
        return NoticePublished(**asdict(content))

    def _send(self, message: Message, warned: Warned, subject: str, revision: str, expires: datetime | None) -> bool:
        event = self.place.event(message, subject=subject, revision=revision, expires=expires)
        problems = self.place.problems(event)
        if problems:
            self.outcome.problems[subject] = problems
            return False
        self.outcome.memory = self.outcome.memory.with_pending(Pending(way=warned.way, event=Raw(event)))
        return True

    def _expiry(self, told: Told | None) -> datetime:
        expires = told.info.expires if told else None
        if expires is None or expires <= self.place.now:
            return self.place.now + parse_duration(self.origin.expires_in)
        return min(expires, self.place.now + LONGEST)


def _not_for_us(origin: AlertOrigin, alert: Alert) -> str:
    if origin.senders and alert.sender not in origin.senders:
        return "foreign_sender"
    if alert.status != "Actual":
        return "not_actual"
    if alert.scope != "Public":
        return "not_public"
    return "" if alert.kind in (ALERT, UPDATE, CANCEL) else "no_warning"


def _places(told: Told, choice: Choice | None) -> tuple[str, ...]:
    """What a rule says about them goes before what the alert does."""
    if choice is not None and choice.municipalities is not None:
        return choice.municipalities
    return told.reach.municipalities


def _choice(origin: AlertOrigin, told: Told) -> Choice | None:
    info = told.info
    text = f"{info.description} {info.instruction}"
    return choose(origin, title=told.headline, text=text, categories=(*info.categories, info.event))
