"""Meta's own stop and resume, on a real database."""

from shared.contracts.dispatch import ReplyRequested
from shared.contracts.events import SubscriptionChanged, SubscriptionEnded, SubscriptionStarted
from shared.contracts.inbound import PreferenceChange
from shared.contracts.message import Addresses
from tests.integration.subscriptions.stand import Stand
from tests.unit.subscriptions.material import COUNTY, at, both, message, user

TOPICS = "select topic from subscriptions.subscription order by topic"
CONSENTS = "select sequence, event, topics from subscriptions.consent order by id desc limit 1"


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
    assert await stand.rows(CONSENTS) == [(2, "withdrawn", ["stellen", "veranstaltungen"])]


async def test_the_same_stop_again_publishes_the_same_and_counts_once(stand: Stand, other: Stand) -> None:
    await stand.receive(message("Start"))
    await stand.receive_preferences(change("stop"))
    await other.receive_preferences(change("stop"))
    assert other.outlet.published == stand.outlet.published[2:]
    assert await stand.rows("select sequence from subscriptions.subscriber") == [(2,)]


async def test_other_categories_and_words_have_no_effect(stand: Stand) -> None:
    await stand.receive(message("Start"))
    await stand.receive_preferences(change("resume"), change("stop", category="something_new"), change("signup"))
    assert await stand.rows("select sequence, suspended from subscriptions.subscriber") == [(1, [])]
    assert len(await stand.rows(TOPICS)) == 4


async def test_a_resume_brings_the_topics_back_and_is_not_answered(stand: Stand, other: Stand) -> None:
    await stand.receive(message("Start"))
    await stand.receive_preferences(change("stop"))
    await other.receive_preferences(change("resume", seconds=6), change("resume", seconds=6))
    assert len(await stand.rows(TOPICS)) == 4
    assert other.outlet.messages(ReplyRequested) == []
    assert {told.sequence for told in other.outlet.messages(SubscriptionChanged)} == {3}
    assert await stand.rows(CONSENTS) == [(3, "given", ["stellen", "veranstaltungen"])]


async def test_who_had_marketing_topics_only_is_back_with_their_address(stand: Stand) -> None:
    await stand.receive(message("Start"), message("nur Stellen", seconds=2))
    await stand.receive_preferences(change("stop"))
    people = "select state, phone_sealed is null from subscriptions.subscriber"
    assert await stand.rows(people) == [("unsubscribed", True)]
    await stand.receive_preferences(change("resume", seconds=6))
    assert await stand.rows(people) == [("subscribed", False)]
    assert await stand.rows(TOPICS) == [("stellen",)]
    assert [told.topics for told in stand.outlet.messages(SubscriptionStarted)][1:] == [("stellen",)]


async def test_a_resume_that_overtakes_its_stop_holds(stand: Stand) -> None:
    await stand.receive(message("Start"))
    await stand.receive_preferences(change("resume", seconds=6), change("stop"))
    assert len(await stand.rows(TOPICS)) == 4


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
