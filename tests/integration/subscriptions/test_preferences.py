"""Meta's own stop and resume, on a real database."""

from shared.contracts.dispatch import ReplyRequested
from shared.contracts.events import SubscriptionEnded
from shared.contracts.inbound import PreferenceChange
from shared.contracts.message import Addresses
from tests.integration.subscriptions.stand import Stand
from tests.unit.subscriptions.material import COUNTY, at, both, message, user

TOPICS = "select topic from subscriptions.subscription order by topic"


def change(
    value: str, *, seconds: float = 5, category: str = "marketing_messages", person: Addresses | None = None
) -> PreferenceChange:
    return PreferenceChange(person=person or both(1), category=category, value=value, at=at(seconds))


async def test_a_stop_ends_the_marketing_topics_and_is_not_answered(stand: Stand) -> None:
    await stand.receive(message("Start"))
    await stand.receive_preferences(change("stop"))
    assert await stand.rows(TOPICS) == [("baustellen",), ("strassensperrungen",)]
    ended = stand.outlet.messages(SubscriptionEnded)
    assert {(end.topic, end.sequence) for end in ended} == {(topic, 2) for topic in COUNTY.marketing_topics}
    assert len(stand.outlet.messages(ReplyRequested)) == 1
    consents = "select sequence, event, topics from subscriptions.consent order by id desc limit 1"
    assert await stand.rows(consents) == [(2, "withdrawn", ["stellen", "veranstaltungen"])]


async def test_the_same_stop_again_publishes_the_same_and_counts_once(stand: Stand, other: Stand) -> None:
    await stand.receive(message("Start"))
    await stand.receive_preferences(change("stop"))
    await other.receive_preferences(change("stop"))
    assert other.outlet.published == stand.outlet.published[2:]
    assert await stand.rows("select sequence from subscriptions.subscriber") == [(2,)]


async def test_a_resume_and_other_categories_have_no_effect(stand: Stand) -> None:
    await stand.receive(message("Start"))
    await stand.receive_preferences(change("resume"), change("stop", category="something_new"), change("signup"))
    assert len(await stand.rows(TOPICS)) == 4
    await stand.receive_preferences(change("stop"), change("resume", seconds=6))
    assert len(await stand.rows(TOPICS)) == 2


async def test_a_stop_of_a_stranger_changes_nothing(stand: Stand) -> None:
    await stand.receive_preferences(change("stop"))
    assert (stand.outlet.published, await stand.rows("select * from subscriptions.subscriber")) == ([], [])


async def test_a_stop_that_is_older_than_the_start_changes_nothing(stand: Stand) -> None:
    await stand.receive(message("Start", seconds=9))
    await stand.receive_preferences(change("stop", seconds=5))
    assert len(await stand.rows(TOPICS)) == 4


async def test_the_persons_own_start_brings_the_topics_back(stand: Stand) -> None:
    await stand.receive(message("Start"))
    await stand.receive_preferences(change("stop", person=user(1)))
    await stand.receive(message("Start", seconds=9))
    assert len(await stand.rows(TOPICS)) == 4
