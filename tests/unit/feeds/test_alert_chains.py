"""Warnings, their updates and cancellations in any order: what each poll publishes, and about which notice."""

from typing import Any

import pytest

from services.feeds.decisions import PollOutcome
from services.feeds.state import NoticeStatus, OriginState
from tests.factories.alerts import SENDER, build_alert, build_area, build_info, poll_alerts
from tests.factories.feeds import list_events, read_data

# The alerts of a poll, its outcome, and options of the poll if it has any.
Step = tuple[bytes, str] | tuple[bytes, str, dict[str, Any]]
AT = "2026-11-25T10:{}:00+01:00"
HERE: dict[str, Any] = {"areas": {"03356*": "*"}}
MOVED = build_info(build_area("Bremen"))
CLEAR = build_info(responseType="AllClear")
REJECTED, UNSENT, EXPIRED = ({"status": NoticeStatus(status)} for status in ("rejected", "unsent", "expired"))
FOREIGN: dict[str, Any] = {"sender": "elsewhere@example.org", "references": [f"{SENDER},w-1,x"]}


def update(identifier: str, refers_to: str, *infos: str, minute: int = 20, **fields: str) -> bytes:
    given = {"msgType": "Update", "sent": AT.format(minute), **fields}
    return build_alert(identifier, *infos, references=refers_to.split(), **given)


def cancel(refers_to: str, identifier: str = "w-9", minute: int = 40, **fields: str) -> bytes:
    return update(identifier, refers_to, "<!-- -->", minute=minute, msgType="Cancel", **fields)


FIRST, UPDATE, LAST = build_alert("w-1"), update("w-2", "w-1"), update("w-3", "w-2", minute=30)
SHORTENED = update("w-2", "w-1", build_info(expires="2026-11-25T10:50:00+01:00"))
UNUSABLE = build_info(headline="", event="")
ENDLESS = build_info(expires="")


def chain(name: str, *steps: Step, **origin: Any) -> Any:
    return pytest.param(steps, origin, id=name)


@pytest.mark.parametrize(
    ("steps", "origin"),
    [
        chain("updates are revisions", (FIRST, "published A"), (UPDATE, "updated A 2"), (LAST, "updated A 3")),
        chain(
            "updates are follow-ups to those who got the warning",
            (FIRST, "published A"),
            (UPDATE, "published follow-up to A"),
            (cancel("w-1"), "withdrawn A, withdrawn follow-up to A, all-clear to A"),
            update="follow-up",
        ),
        chain(
            "a cancellation counts once",
            (FIRST, "published A"),
            (cancel("w-1"), "withdrawn A, all-clear to A"),
            (cancel("w-1"), "known"),
        ),
        chain("a cancellation withdraws", (FIRST, "published A"), (cancel("w-1"), "withdrawn A"), cancel="withdraw"),
        chain("all clear", (FIRST, "published A"), (update("w-2", "w-1", CLEAR), "withdrawn A, all-clear to A")),
        chain("cancelled before it came", (cancel("w-1"), "unknown_reference"), (FIRST, "known")),
        chain("updated before it came", (UPDATE, "published A"), (FIRST, "known")),
        chain(
            "updated after its end",
            (FIRST, "published A"),
            (cancel("w-1"), "withdrawn A, all-clear to A"),
            (UPDATE, "published B"),
        ),
        chain("an exercise", (FIRST, "published A"), (cancel("w-1", status="Exercise"), "not_actual")),
        chain(
            "another sender",
            (FIRST, "published A"),
            (build_alert("w-9", msgType="Cancel", **FOREIGN), "unknown_reference"),
            (build_alert("w-8", msgType="Update", **FOREIGN), "published B"),
        ),
        chain(
            "a sender that is not configured",
            (build_alert("w-0", sender="elsewhere@example.org"), "foreign_sender"),
            (FIRST, "published A"),
            senders=[SENDER],
        ),
        chain("the first poll marks", (FIRST, "marked"), (build_alert("w-5"), "published A"), first_poll="mark"),
        chain("moved", (FIRST, "published A"), (update("w-2", "w-1", MOVED), "withdrawn A, all-clear to A"), **HERE),
        chain(
            "moved before its update came",
            (FIRST, "published A"),
            (update("w-3", "w-2", MOVED, minute=30), "elsewhere"),
            (UPDATE, "withdrawn A, all-clear to A"),
            **HERE,
        ),
        chain(
            "a cancellation overtakes its update",
            (FIRST, "published A"),
            (cancel("w-2"), "unknown_reference"),
            (UPDATE, "withdrawn A, all-clear to A"),
            (UPDATE, "known"),
        ),
        chain(
            "a cancellation overtakes two updates",
            (FIRST, "published A"),
            (cancel("w-3"), "unknown_reference"),
            (LAST, "known"),
            (UPDATE, "withdrawn A, all-clear to A"),
        ),
        chain(
            "an update overtakes another",
            (FIRST, "published A"),
            (LAST, "published B"),
            (UPDATE, "withdrawn A"),
            (cancel("w-2"), "withdrawn B, all-clear to B"),
        ),
        *(
            chain(
                f"an overtaken alert {name}",
                (FIRST, "published A"),
                (cancel("w-2"), "unknown_reference"),
                (overtaken, result),
            )
            for name, overtaken, result in (
                ("is a test", build_alert("w-2", status="Test"), "not_actual"),
                ("is about nothing that we know", update("w-2", "w-0"), "known"),
            )
        ),
        *(
            chain(
                f"an update is {result}",
                (FIRST, "published A"),
                (update("w-2", "w-1", info), result, options),
                (cancel("w-2"), "withdrawn A, all-clear to A"),
            )
            for result, info, options in (
                ("broken", "<!-- -->", {}),
                ("broken", UNUSABLE, {}),
                ("refused", ENDLESS, {"expires_in": "9000d"}),
            )
        ),
        chain(
            "an update has expired",
            (FIRST, "published A"),
            (SHORTENED, "withdrawn A"),
            (cancel("w-2"), "all-clear to A"),
            (cancel("w-1", "w-5", minute=45), "unknown_reference"),
        ),
        chain(
            "an update of one that has expired",
            (FIRST, "published A"),
            (SHORTENED, "withdrawn A"),
            (LAST, "published B"),
            (cancel("w-1 w-2 w-3"), "withdrawn B, all-clear to B"),
        ),
        chain(
            "an update replaces two",
            (FIRST, "published A"),
            (build_alert("w-1b"), "published B"),
            (update("w-2", "w-1 w-1b"), "updated A 2, withdrawn B"),
            (cancel("w-2"), "withdrawn A, all-clear to A"),
        ),
        *(
            chain(
                f"a rejected warning is updated by {way}",
                (FIRST, "published A"),
                (UPDATE, "published B", REJECTED),
                (cancel("w-2"), "withdrawn B, all-clear to B"),
                update=way,
            )
            for way in ("revision", "follow-up")
        ),
        chain("a rejected warning is over", (FIRST, "published A"), (cancel("w-1"), "unknown_reference", REJECTED)),
        *(
            chain(
                f"a draft that waits is replaced, not updated by {way}",
                (FIRST, "published A"),
                (UPDATE, "published A", UNSENT),
                (cancel("w-1"), "withdrawn A, all-clear to A"),
                mode="draft",
                update=way,
            )
            for way in ("revision", "follow-up")
        ),
        chain("a published draft is updated", (FIRST, "published A"), (UPDATE, "updated A 2"), mode="draft"),
        chain(
            "a published draft is rejected, and its update waits",
            (FIRST, "published A"),
            (UPDATE, "updated A 2"),
            (LAST, "published A", UNSENT),
            (cancel("w-3"), "withdrawn A, all-clear to A"),
            mode="draft",
        ),
        chain("updated after its expiry", (FIRST, "published A"), (UPDATE, "published B, withdrawn A", EXPIRED)),
        chain("over after its expiry", (FIRST, "published A"), (cancel("w-1"), "withdrawn A, all-clear to A", EXPIRED)),
    ],
)
def test_what_becomes_of_a_warning(steps: tuple[Step, ...], origin: dict[str, Any]) -> None:
    memory, names = OriginState(), dict[str, str]()
    for body, expected, *options in steps:
        outcome = poll_alerts(body, memory=memory, **origin, **(options[0] if options else {}))
        assert describe(outcome, names) == expected
        memory = outcome.state


def describe(outcome: PollOutcome, names: dict[str, str]) -> str:
    """Return the events, with a letter for each warning that is new, or else the outcome of the only alert."""
    described = []
    for event in list_events(outcome):
        subject, data, kind = event.subject or "", read_data(event), event.type.split(".")[3]
        follows = str(data.get("follows", ""))
        if subject == f"{follows}.all-clear":
            described.append(f"all-clear to {names[follows]}")
        elif follows:
            names[subject] = f"follow-up to {names[follows]}"
            described.append(f"{kind} {names[subject]}")
        else:
            name = names.setdefault(subject, chr(ord("A") + len(names)))
            described.append(f"{kind} {name} {data.get('revision', '')}".strip())
    return ", ".join(described or [result for result, count in outcome.counts.items() if count])
