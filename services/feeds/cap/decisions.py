"""Decisions on alerts: which become notices, and how updates and cancellations change those."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from msgspec import Raw
from msgspec.structs import asdict, replace

from services.feeds.cap.parser import Alert
from services.feeds.cap.wording import LocalWarning, is_urgent, select_local_warning
from services.feeds.configuration import AlertOrigin, CancelBy, FirstPoll, Mode, UpdateBy
from services.feeds.content import build_content
from services.feeds.decisions import PollOutcome, PublisherIdentity, RuleChoice, choose
from services.feeds.folder import NoticeStatus
from services.feeds.state import (
    OriginState,
    PendingEvent,
    PublishedWarning,
    hash_parts,
    put_last,
)
from shared.contracts.message import Message
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.notices.time_parsing import parse_duration

ALERT, UPDATE, CANCEL = "Alert", "Update", "Cancel"
ALL_CLEAR = "AllClear"
ENDED = "ended"  # in place of a warning's key: whatever the alert refers to is over
_ALL_CLEAR = re.compile("entwarnung|aufgehoben|aufhebung", re.IGNORECASE)
MAX_VALIDITY = timedelta(days=365)
FindStatus = Callable[[str, datetime], NoticeStatus]


def evaluate_alerts(
    origin: AlertOrigin,
    memory: OriginState,
    alerts: Iterable[Alert],
    publisher: PublisherIdentity,
    find_status: FindStatus = lambda _subject, _now: NoticeStatus.SENT,
) -> PollOutcome:
    """Process each alert once, in the order in which they were sent, whatever order they are passed in."""
    known = dict(memory.alerts), dict(memory.warnings), set(memory.overtaken)
    desk = _AlertProcessor(origin, publisher, find_status, PollOutcome(memory), *known)
    quietly = not memory.polled and origin.first_poll is FirstPoll.MARK
    for alert in sorted(alerts, key=lambda alert: (alert.sent, alert.kind == CANCEL, alert.identifier)):
        desk.outcome.counts[desk.process(alert, quietly=quietly)] += 1
    after = replace(
        desk.outcome.memory,
        polled=True,
        alerts=desk.alerts,
        warnings=desk.warnings,
        overtaken=frozenset(desk.overtaken),
    )
    desk.outcome.memory = after.drop_old_entries(publisher.now.date(), len(desk.marked))
    return desk.outcome


@dataclass
class _AlertProcessor:
    """Processor of one alert after another; accumulates the results in `outcome` and the fields below it."""

    origin: AlertOrigin
    publisher: PublisherIdentity
    find_status: FindStatus
    outcome: PollOutcome
    alerts: dict[str, tuple[date, str]]
    warnings: dict[str, PublishedWarning]
    overtaken: set[str]
    marked: set[str] = field(default_factory=set)

    def process(self, alert: Alert, *, quietly: bool) -> str:
        """Process one alert and return the name of its result."""
        key = hash_parts(alert.sender, alert.identifier)
        is_known, is_overtaken = key in self.alerts, key in self.overtaken
        became = self.alerts[key][1] if is_known else ""
        self._mark(became, key)
        if is_known and not is_overtaken:
            return "known"
        self.overtaken.discard(key)
        reason = _get_skip_reason(self.origin, alert)
        if reason:
            return reason
        references = self._list_references(alert)
        earlier = self._find_current(references)
        if earlier:
            self._mark(next(iter(earlier)), key)
        if is_overtaken:
            result = self._pass_on(key, became, earlier)
        else:
            result = "marked" if quietly else self._decide(alert, key, earlier)
        self._mark_unread(references, self.alerts[key][1])
        return result

    def _mark(self, warning: str, *keys: str) -> None:
        for key in keys:
            put_last(self.alerts, key, (self.publisher.now.date(), warning))
        self.marked.update(keys)

    def _mark_unread(self, references: Iterable[str], became: str) -> None:
        """Mark referenced alerts that have not been read: if one arrives later, it is not published.

        `became` is what the alerts that refer to one become, too, once it arrives.
        """
        for key in references:
            if key not in self.alerts or (became and key in self.overtaken):
                self.overtaken.add(key)
                self._mark(became, key)

    def _list_references(self, alert: Alert) -> list[str]:
        """Return the keys of alerts that it updates or cancels: its sender's own, or those of configured senders."""
        senders = {alert.sender, *self.origin.senders} if alert.kind != ALERT else ()
        return [hash_parts(*reference) for reference in alert.references if reference[0] in senders]

    def _find_current(self, references: Iterable[str]) -> dict[str, PublishedWarning]:
        """Return the referenced warnings that are not over, or that have no all-clear since an update had expired.

        One that was rejected has reached nobody: there is nothing to update or withdraw.
        """
        known = dict.fromkeys(self.alerts[key][1] for key in references if key in self.alerts)
        found = {warning: self.warnings[warning] for warning in known if warning in self.warnings}
        current = {warning: warned for warning, warned in found.items() if warned.lapsed or not warned.over}
        rejected = NoticeStatus.REJECTED
        return {key: warned for key, warned in current.items() if self._find_status(warned) is not rejected}

    def _find_status(self, warned: PublishedWarning) -> NoticeStatus:
        return self.find_status(warned.subject, self.publisher.now)

    def _pass_on(self, key: str, became: str, earlier: dict[str, PublishedWarning]) -> str:
        """Apply to the referenced warnings what became of the alert that overtook this one."""
        newer = self.warnings.get(became)
        others = {warning: warned for warning, warned in earlier.items() if warning != became}
        if became:
            self._mark(became, key)
        if not others or (newer is None and became != ENDED):
            return "known"
        if newer is None or (newer.over and not newer.lapsed):
            return self._cancel(None, others)
        for other, replaced in others.items():
            self._withdraw(other, replaced)
        return "withdrawn"

    def _decide(self, alert: Alert, key: str, earlier: dict[str, PublishedWarning]) -> str:
        told = select_local_warning(self.origin, alert.infos, self.publisher.county)
        is_elsewhere = told is None and bool(alert.infos)
        if earlier and (alert.kind == CANCEL or is_elsewhere or (told and ALL_CLEAR in told.info.responses)):
            return self._cancel(told, earlier)
        if alert.kind == CANCEL or (alert.kind == UPDATE and is_elsewhere):
            self._mark(ENDED, key)
            return "unknown_reference" if alert.kind == CANCEL else "elsewhere"
        if told is None:
            return "elsewhere" if is_elsewhere else "broken"
        return self._warn(key, told, earlier) if told.headline else "broken"

    def _warn(self, key: str, told: LocalWarning, earlier: dict[str, PublishedWarning]) -> str:
        if told.info.expires is not None and told.info.expires <= self.publisher.now:
            for warning, warned in earlier.items():
                self._withdraw(warning, warned, lapsed=True)
            return "expired"
        choice = _choose_rule(self.origin, told)
        standing = {
            warning: warned
            for warning, warned in earlier.items()
            if not warned.over and self._find_status(warned) is not NoticeStatus.EXPIRED
        }
        if standing:
            return self._update(key, told, choice, standing)
        if choice is None:
            return "left_out"
        result = self._publish(key, told, choice)
        if result != "refused":
            for warning, warned in earlier.items():
                self._withdraw(warning, warned)
        return result

    def _publish(self, key: str, told: LocalWarning, choice: RuleChoice) -> str:
        warned = PublishedWarning(
            subject=f"{self.origin.name}-{key}",
            topic=choice.topic,
            headline=told.headline,
            said=hash_parts(told.info.description),
            urgent=is_urgent(told.info, self.origin.urgent) if choice.urgent is None else choice.urgent,
            way=choice.mode,
            seen=self.publisher.now.date(),
        )
        message = self._build_message(told, warned, municipalities=_select_municipalities(told, choice))
        if not self._send(message, warned, warned.subject, "1", self._compute_expiry(told)):
            return "refused"
        put_last(self.warnings, key, warned)
        self._mark(key, key)
        return "drafted" if warned.way is Mode.DRAFT else "published"

    def _update(
        self, key: str, told: LocalWarning, choice: RuleChoice | None, earlier: dict[str, PublishedWarning]
    ) -> str:
        """Update the first referenced warning; withdraw the others that the alert replaces."""
        (warning, warned), *others = earlier.items()
        urgent = warned.urgent or is_urgent(told.info, self.origin.urgent)
        newer = replace(warned, headline=told.headline, urgent=urgent, seen=self.publisher.now.date())
        places = _select_municipalities(told, choice)
        if self._is_unsent(warned):
            result, sent = "drafted", self._replace_draft(told, newer, places)
        elif self.origin.update is UpdateBy.REVISION:
            result, sent = "updated", self._send_revision(told, newer, places)
        else:
            result, sent = "followed_up", self._send_follow_up(told, newer)
        if sent is None:
            return "refused"
        put_last(self.warnings, warning, sent)
        self._mark(warning, key)
        for other, replaced in others:
            self._withdraw(other, replaced)
        return result

    def _is_unsent(self, warned: PublishedWarning) -> bool:
        """Return whether nobody has published the draft of the warning, so that there is nothing to update."""
        if warned.way is not Mode.DRAFT or warned.revision > 1 or warned.follow_ups:
            return False
        pending = self.outcome.memory.pending
        return any(map(warned.is_first, pending)) or self._find_status(warned) is NoticeStatus.UNSENT

    def _replace_draft(
        self, told: LocalWarning, warned: PublishedWarning, places: Sequence[str]
    ) -> PublishedWarning | None:
        newer = replace(warned, said=hash_parts(told.info.description))
        message = self._build_message(told, newer, municipalities=places)
        if not self._send(message, newer, newer.subject, "1", self._compute_expiry(told)):
            return None
        *before, draft = self.outcome.memory.pending
        rest = (one for one in before if not warned.is_first(one))
        self.outcome.memory = replace(self.outcome.memory, pending=(*rest, draft))
        return newer

    def _send_revision(
        self, told: LocalWarning, warned: PublishedWarning, places: Sequence[str]
    ) -> PublishedWarning | None:
        newer = replace(warned, revision=warned.revision + 1)
        fields = asdict(self._build_message(told, newer, municipalities=places))
        message = NoticeUpdated(**fields, revision=newer.revision)
        sent = self._send(message, newer, newer.subject, str(newer.revision), self._compute_expiry(told))
        return newer if sent else None

    def _send_follow_up(self, told: LocalWarning, warned: PublishedWarning) -> PublishedWarning | None:
        subject = f"{warned.subject}.{len(warned.follow_ups) + 1}"
        message = self._build_message(told, warned, follows=warned.subject)
        sent = self._send(message, warned, subject, "1", self._compute_expiry(told))
        return replace(warned, follow_ups=(*warned.follow_ups, subject)) if sent else None

    def _cancel(self, told: LocalWarning | None, earlier: dict[str, PublishedWarning]) -> str:
        for warning, warned in earlier.items():
            self._withdraw(warning, warned)
            if self.origin.cancel is CancelBy.ALL_CLEAR:
                self._send_all_clear(told, warned)
        return "withdrawn"

    def _withdraw(self, warning: str, warned: PublishedWarning, *, lapsed: bool = False) -> None:
        for subject in () if warned.over else (warned.subject, *warned.follow_ups):
            self._send(NoticeWithdrawn(reason="cancelled"), warned, subject, "withdrawn", None)
        over = replace(warned, over=True, lapsed=lapsed, seen=self.publisher.now.date())
        put_last(self.warnings, warning, over)

    def _send_all_clear(self, told: LocalWarning | None, warned: PublishedWarning) -> None:
        """Send the all-clear to exactly the recipients of the warning, as urgent as the warning was."""
        headline = told.headline if told and told.headline else warned.headline
        content = build_content(
            topic=warned.topic,
            headline=headline if _ALL_CLEAR.search(headline) else f"{self.origin.all_clear_headline}: {headline}",
            text=self._build_all_clear_text(told, warned),
            link=told.info.web if told else None,
            urgent=warned.urgent,
            follows=warned.subject,
            county=self.publisher.county,
        )
        message = NoticePublished(**asdict(content))
        self._send(message, warned, f"{warned.subject}.all-clear", "1", self._compute_expiry(told))

    def _build_all_clear_text(self, told: LocalWarning | None, warned: PublishedWarning) -> str:
        """Return the text; leave out the description if it repeats the warning, as some senders do when they cancel."""
        repeated = told is None or hash_parts(told.info.description) == warned.said
        more = "" if told is None or repeated else told.build_text(self.publisher.county)
        return f"{self.origin.all_clear_text} {more}".strip()

    def _build_message(
        self,
        told: LocalWarning,
        warned: PublishedWarning,
        *,
        municipalities: Iterable[str] = (),
        follows: str | None = None,
    ) -> NoticePublished:
        content = build_content(
            topic=warned.topic,
            headline=told.headline,
            text=told.build_text(self.publisher.county),
            link=told.info.web,
            municipalities=municipalities,
            urgent=warned.urgent,
            follows=follows,
            county=self.publisher.county,
        )
        return NoticePublished(**asdict(content))

    def _send(
        self, message: Message, warned: PublishedWarning, subject: str, revision: str, expires: datetime | None
    ) -> bool:
        event = self.publisher.build_event(message, subject=subject, revision=revision, expires=expires)
        problems = self.publisher.find_problems(event)
        if problems:
            self.outcome.problems[subject] = problems
            return False
        self.outcome.memory = self.outcome.memory.with_pending(PendingEvent(way=warned.way, event=Raw(event)))
        return True

    def _compute_expiry(self, told: LocalWarning | None) -> datetime:
        expires = told.info.expires if told else None
        if expires is None or expires <= self.publisher.now:
            return self.publisher.now + parse_duration(self.origin.expires_in)
        return min(expires, self.publisher.now + MAX_VALIDITY)


def _get_skip_reason(origin: AlertOrigin, alert: Alert) -> str:
    if origin.senders and alert.sender not in origin.senders:
        return "foreign_sender"
    if alert.status != "Actual":
        return "not_actual"
    if alert.scope != "Public":
        return "not_public"
    return "" if alert.kind in (ALERT, UPDATE, CANCEL) else "no_warning"


def _select_municipalities(told: LocalWarning, choice: RuleChoice | None) -> tuple[str, ...]:
    """Return the municipalities of the rule if it names any, otherwise those of the alert."""
    if choice is not None and choice.municipalities is not None:
        return choice.municipalities
    return told.municipalities


def _choose_rule(origin: AlertOrigin, told: LocalWarning) -> RuleChoice | None:
    info = told.info
    text = f"{info.description} {info.instruction}"
    return choose(origin, title=told.headline, text=text, categories=(*info.categories, info.event))
