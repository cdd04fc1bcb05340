"""Decisions on alerts: which become notices, and how updates and cancellations change them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from msgspec.structs import replace

from services.feeds.cap.parser import Alert
from services.feeds.cap.wording import LocalWarning, is_urgent, select_local_warning
from services.feeds.configuration import AlertOrigin, CancelBy, FirstPoll, Mode, UpdateBy
from services.feeds.content import build_content
from services.feeds.decisions import FindStatus, PollOutcome, PublisherIdentity, RuleChoice, choose
from services.feeds.state import NoticeStatus, OriginState, PublishedWarning, hash_parts, put_last
from shared.contracts.notices import NoticeWithdrawn
from shared.notices.time_parsing import parse_duration

ALERT, UPDATE, CANCEL = "Alert", "Update", "Cancel"
ALL_CLEAR = "AllClear"
ENDED = "ended"  # instead of a warning's key: the warnings that the alert refers to are over
_ALL_CLEAR = re.compile("entwarnung|aufgehoben|aufhebung", re.IGNORECASE)
MAX_VALIDITY = timedelta(days=365)


def evaluate_alerts(
    origin: AlertOrigin,
    state: OriginState,
    alerts: Iterable[Alert],
    publisher: PublisherIdentity,
    find_status: FindStatus = lambda _subject, _now: NoticeStatus.SENT,
) -> PollOutcome:
    """Process each alert once, in the order in which they were sent, regardless of the order of `alerts`."""
    collections = dict(state.alerts), dict(state.warnings), set(state.overtaken)
    processor = _AlertProcessor(origin, publisher, find_status, PollOutcome(state), *collections)
    mark_only = not state.polled and origin.first_poll is FirstPoll.MARK
    for alert in sorted(alerts, key=lambda alert: (alert.sent, alert.message_type == CANCEL, alert.identifier)):
        processor.outcome.counts[processor.process(alert, mark_only=mark_only)] += 1
    new_state = replace(
        processor.outcome.state,
        polled=True,
        alerts=processor.alerts,
        warnings=processor.warnings,
        overtaken=frozenset(processor.overtaken),
    )
    processor.outcome.state = new_state.drop_old_entries(publisher.now.date(), len(processor.marked))
    return processor.outcome


@dataclass
class _AlertProcessor:
    """Processor of alerts in order; accumulates the results in `outcome` and the fields below it.

    `alerts`, `warnings` and `overtaken` are those of OriginState; `marked` are the alerts that this poll has named.
    """

    origin: AlertOrigin
    publisher: PublisherIdentity
    find_status: FindStatus
    outcome: PollOutcome
    alerts: dict[str, tuple[date, str]]
    warnings: dict[str, PublishedWarning]
    overtaken: set[str]
    marked: set[str] = field(default_factory=set)

    def process(self, alert: Alert, *, mark_only: bool) -> str:
        """Process one alert and return the name of its result."""
        alert_key = hash_parts(alert.sender, alert.identifier)
        is_known, is_overtaken = alert_key in self.alerts, alert_key in self.overtaken
        warning_key = self.alerts[alert_key][1] if is_known else ""
        self._mark(warning_key, alert_key)
        if is_known and not is_overtaken:
            return "known"
        self.overtaken.discard(alert_key)
        reason = _get_skip_reason(self.origin, alert)
        if reason:
            return reason
        references = self._list_references(alert)
        referenced = self._find_current(references)
        if referenced:
            self._mark(next(iter(referenced)), alert_key)
        if is_overtaken:
            result = self._pass_on(alert_key, warning_key, referenced)
        else:
            result = "marked" if mark_only else self._decide(alert, alert_key, referenced)
        self._mark_unread(references, self.alerts[alert_key][1])
        return result

    def _mark(self, warning_key: str, *alert_keys: str) -> None:
        """Remember the alerts as known today and as about this warning: "" for none, ENDED if it is over."""
        for alert_key in alert_keys:
            put_last(self.alerts, alert_key, (self.publisher.now.date(), warning_key))
        self.marked.update(alert_keys)

    def _mark_unread(self, references: Iterable[str], warning_key: str) -> None:
        """Mark referenced alerts that have not been read, so that they are not published if they arrive later.

        `warning_key` is that of the alert that refers to them.
        """
        for alert_key in references:
            if alert_key not in self.alerts or (warning_key and alert_key in self.overtaken):
                self.overtaken.add(alert_key)
                self._mark(warning_key, alert_key)

    def _list_references(self, alert: Alert) -> list[str]:
        """Return the keys of alerts that it updates or cancels, only those of its sender and of configured senders."""
        senders = {alert.sender, *self.origin.senders} if alert.message_type != ALERT else ()
        return [hash_parts(*reference) for reference in alert.references if reference[0] in senders]

    def _find_current(self, references: Iterable[str]) -> dict[str, PublishedWarning]:
        """Return the referenced warnings that are not over, or that lapsed without an all-clear.

        A rejected one has reached nobody, so there is nothing to update or withdraw.
        """
        warning_keys = dict.fromkeys(self.alerts[key][1] for key in references if key in self.alerts)
        warnings = {key: self.warnings[key] for key in warning_keys if key in self.warnings}
        current = {key: published for key, published in warnings.items() if published.lapsed or not published.over}
        rejected = NoticeStatus.REJECTED
        return {key: published for key, published in current.items() if self._find_status(published) is not rejected}

    def _find_status(self, published: PublishedWarning) -> NoticeStatus:
        return self.find_status(published.subject, self.publisher.now)

    def _pass_on(self, alert_key: str, newer_key: str, referenced: dict[str, PublishedWarning]) -> str:
        """Apply the result of the later alert, which overtook this one, to the warnings that this one refers to."""
        newer = self.warnings.get(newer_key)
        others = {key: published for key, published in referenced.items() if key != newer_key}
        if newer_key:
            self._mark(newer_key, alert_key)
        if not others or (newer is None and newer_key != ENDED):
            return "known"
        if newer is None or (newer.over and not newer.lapsed):
            return self._cancel(None, others)
        for key, published in others.items():
            self._withdraw(key, published)
        return "withdrawn"

    def _decide(self, alert: Alert, alert_key: str, referenced: dict[str, PublishedWarning]) -> str:
        warning = select_local_warning(self.origin, alert.infos, self.publisher.county)
        is_elsewhere = warning is None and bool(alert.infos)
        is_all_clear = warning is not None and ALL_CLEAR in warning.info.responses
        if referenced and (alert.message_type == CANCEL or is_elsewhere or is_all_clear):
            return self._cancel(warning, referenced)
        if alert.message_type == CANCEL or (alert.message_type == UPDATE and is_elsewhere):
            self._mark(ENDED, alert_key)
            return "unknown_reference" if alert.message_type == CANCEL else "elsewhere"
        if warning is None:
            return "elsewhere" if is_elsewhere else "broken"
        return self._warn(alert_key, warning, referenced) if warning.headline else "broken"

    def _warn(self, alert_key: str, warning: LocalWarning, referenced: dict[str, PublishedWarning]) -> str:
        if warning.info.expires is not None and warning.info.expires <= self.publisher.now:
            for key, published in referenced.items():
                self._withdraw(key, published, lapsed=True)
            return "expired"
        choice = _choose_rule(self.origin, warning)
        active = {
            key: published
            for key, published in referenced.items()
            if not published.over and self._find_status(published) is not NoticeStatus.EXPIRED
        }
        if active:
            return self._update(alert_key, warning, choice, active)
        if choice is None:
            return "left_out"
        result = self._publish(alert_key, warning, choice)
        if result != "refused":
            for key, published in referenced.items():
                self._withdraw(key, published)
        return result

    def _publish(self, alert_key: str, warning: LocalWarning, choice: RuleChoice) -> str:
        published = PublishedWarning(
            subject=f"{self.origin.name}-{alert_key}",
            topic=choice.topic,
            headline=warning.headline,
            said=hash_parts(warning.info.description),
            urgent=self._is_urgent(warning, choice),
            way=choice.mode,
            seen=self.publisher.now.date(),
        )
        if not self._send_warning(warning, published, municipalities=_select_municipalities(warning, choice)):
            return "refused"
        put_last(self.warnings, alert_key, published)
        self._mark(alert_key, alert_key)
        return "drafted" if published.way is Mode.DRAFT else "published"

    def _update(
        self, alert_key: str, warning: LocalWarning, choice: RuleChoice | None, referenced: dict[str, PublishedWarning]
    ) -> str:
        """Update the first referenced warning; withdraw the others, which the alert replaces."""
        (warning_key, published), *others = referenced.items()
        urgent = published.urgent or self._is_urgent(warning, choice)
        updated = replace(published, headline=warning.headline, urgent=urgent, seen=self.publisher.now.date())
        municipalities = _select_municipalities(warning, choice)
        if self._is_unsent(published):
            result, sent = "drafted", self._replace_draft(warning, updated, municipalities)
        elif self.origin.update is UpdateBy.REVISION:
            result, sent = "updated", self._send_revision(warning, updated, municipalities)
        else:
            result, sent = "followed_up", self._send_follow_up(warning, updated)
        if sent is None:
            return "refused"
        put_last(self.warnings, warning_key, sent)
        self._mark(warning_key, alert_key)
        for key, replaced in others:
            self._withdraw(key, replaced)
        return result

    def _is_urgent(self, warning: LocalWarning, choice: RuleChoice | None) -> bool:
        if choice is not None and choice.urgent is not None:
            return choice.urgent
        return is_urgent(warning.info, self.origin.urgent)

    def _is_unsent(self, published: PublishedWarning) -> bool:
        """Return whether the warning is a draft that nobody has published, so that there is nothing to update."""
        if published.way is not Mode.DRAFT or published.follow_ups:
            return False
        pending = self.outcome.state.pending
        return any(map(published.is_first, pending)) or self._find_status(published) is NoticeStatus.UNSENT

    def _replace_draft(
        self, warning: LocalWarning, published: PublishedWarning, municipalities: Sequence[str]
    ) -> PublishedWarning | None:
        updated = replace(published, revision=1, said=hash_parts(warning.info.description))
        if not self._send_warning(warning, updated, municipalities=municipalities):
            return None
        *earlier, draft = self.outcome.state.pending
        rest = (pending for pending in earlier if not published.is_first(pending))
        self.outcome.state = replace(self.outcome.state, pending=(*rest, draft))
        return updated

    def _send_revision(
        self, warning: LocalWarning, published: PublishedWarning, municipalities: Sequence[str]
    ) -> PublishedWarning | None:
        updated = replace(published, revision=published.revision + 1)
        return updated if self._send_warning(warning, updated, municipalities=municipalities) else None

    def _send_follow_up(self, warning: LocalWarning, published: PublishedWarning) -> PublishedWarning | None:
        subject = f"{published.subject}.{len(published.follow_ups) + 1}"
        sent = self._send_warning(warning, replace(published, subject=subject, revision=1), follows=published.subject)
        return replace(published, follow_ups=(*published.follow_ups, subject)) if sent else None

    def _cancel(self, warning: LocalWarning | None, referenced: dict[str, PublishedWarning]) -> str:
        for warning_key, published in referenced.items():
            self._withdraw(warning_key, published)
            if self.origin.cancel is CancelBy.ALL_CLEAR:
                self._send_all_clear(warning, published)
        return "withdrawn"

    def _withdraw(self, warning_key: str, published: PublishedWarning, *, lapsed: bool = False) -> None:
        for subject in () if published.over else (published.subject, *published.follow_ups):
            message = NoticeWithdrawn(reason="cancelled")
            event = self.publisher.build_event(message, subject=subject, revision="withdrawn")
            self._send(event, published, subject)
        over = replace(published, over=True, lapsed=lapsed, seen=self.publisher.now.date())
        put_last(self.warnings, warning_key, over)

    def _send_all_clear(self, warning: LocalWarning | None, published: PublishedWarning) -> None:
        """Send an all-clear to exactly the recipients of the warning, with the same urgency."""
        headline = warning.headline if warning and warning.headline else published.headline
        content = build_content(
            topic=published.topic,
            headline=headline if _ALL_CLEAR.search(headline) else f"{self.origin.all_clear_headline}: {headline}",
            text=self._build_all_clear_text(warning, published),
            link=warning.info.web if warning else None,
            urgent=published.urgent,
            follows=published.subject,
            county=self.publisher.county,
        )
        subject, expires = f"{published.subject}.all-clear", self._compute_expiry(warning)
        event = self.publisher.build_notice(content, subject=subject, revision=1, expires=expires)
        self._send(event, published, subject)

    def _build_all_clear_text(self, warning: LocalWarning | None, published: PublishedWarning) -> str:
        """Return the text, without the description if it repeats the warning, as some senders do in cancellations."""
        is_repeated = warning is None or hash_parts(warning.info.description) == published.said
        details = "" if warning is None or is_repeated else warning.build_text(self.publisher.county)
        return f"{self.origin.all_clear_text} {details}".strip()

    def _send_warning(
        self,
        warning: LocalWarning,
        published: PublishedWarning,
        *,
        municipalities: Iterable[str] = (),
        follows: str | None = None,
    ) -> bool:
        content = build_content(
            topic=published.topic,
            headline=warning.headline,
            text=warning.build_text(self.publisher.county),
            link=warning.info.web,
            municipalities=municipalities,
            urgent=published.urgent,
            follows=follows,
            county=self.publisher.county,
        )
        subject, expires = published.subject, self._compute_expiry(warning)
        event = self.publisher.build_notice(content, subject=subject, revision=published.revision, expires=expires)
        return self._send(event, published, subject)

    def _send(self, event: bytes, published: PublishedWarning, subject: str) -> bool:
        problems = self.publisher.find_problems(event)
        if problems:
            self.outcome.problems[subject] = problems
            return False
        self.outcome.state = self.outcome.state.with_pending(published.way, event)
        return True

    def _compute_expiry(self, warning: LocalWarning | None) -> datetime:
        expires = warning.info.expires if warning else None
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
    return "" if alert.message_type in (ALERT, UPDATE, CANCEL) else "no_warning"


def _select_municipalities(warning: LocalWarning, choice: RuleChoice | None) -> tuple[str, ...]:
    """Return the municipalities of the rule if configured, otherwise those of the alert."""
    if choice is not None and choice.municipalities is not None:
        return choice.municipalities
    return warning.municipalities


def _choose_rule(origin: AlertOrigin, warning: LocalWarning) -> RuleChoice | None:
    info = warning.info
    text = f"{info.description} {info.instruction}"
    return choose(origin, title=warning.headline, text=text, categories=(*info.categories, info.event))
