"""Stop and resume inside WhatsApp, among what the person writes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.domain.subscriber import Subscriber, select_address
from tests.factories.citizens import COUNTY, play

OTHERS = COUNTY.topic_ids - COUNTY.marketing_topics
APP = ("stop", "resume")


def after(*acts: tuple[int, str]) -> Subscriber:
    subscriber = play(*acts)
    assert subscriber is not None
    return subscriber


@pytest.mark.parametrize(
    ("acts", "topics"),
    [
        ("Start, stop", OTHERS),
        ("Start, stop, resume", COUNTY.topic_ids),
        ("Start, stop, Start", COUNTY.topic_ids),
        ("Start, stop, stop, resume", COUNTY.topic_ids),
        ("Start, stop, resume, stop", OTHERS),
        ("Start, resume", COUNTY.topic_ids),
        ("Start, stop, Pause 2 Wochen, resume", COUNTY.topic_ids),
        ("Start, stop, nur Baustellen, resume", {"baustellen"}),
        ("Start, stop, Stop Baustellen, resume", OTHERS - {"baustellen"}),
        ("Start, stop, Stop, resume", set()),
        ("Start, stop, Start, nur Baustellen, resume", {"baustellen"}),
        ("Start, nur Stellen, stop", set()),
        ("Start, nur Stellen, stop, resume", {"stellen"}),
        ("Start, nur Stellen, stop, Stop, resume", set()),
        ("Start, nur Stellen, stop, Stop Stellen, resume", set()),
        ("Start, nur Stellen und Veranstaltungen, stop, Stop Stellen, resume", {"veranstaltungen"}),
        ("Start, Stop Stellen, stop, resume", COUNTY.topic_ids - {"stellen"}),
        ("Start, stop, nur Worpswede, resume", COUNTY.topic_ids),
    ],
)
def test_a_resume_gives_back_what_the_app_took_and_nothing_that_was_declined(acts: str, topics: set[str]) -> None:
    subscriber = after(*enumerate(acts.split(", "), 1))
    assert subscriber.topics == topics
    assert subscriber.subscribed == bool(topics)
    assert (select_address(subscriber.addresses) is not None) == bool(topics)


@given(st.permutations([(2, "stop"), (4, "resume"), (6, "stop"), (8, "resume")]))
def test_in_any_order_the_newest_preference_holds(acts: Sequence[tuple[int, str]]) -> None:
    assert after((1, "Start"), *acts).topics == COUNTY.topic_ids
    assert after((1, "Start"), *acts, (9, "stop")).topics == OTHERS
    assert after((1, "Start"), (9, "stop"), *acts).topics == OTHERS


@given(st.data())
def test_nothing_in_the_app_subscribes_who_wrote_stop(data: st.DataObject) -> None:
    first = data.draw(st.sampled_from([[(1, "Start")], [(1, "Start"), (2, "nur Stellen")]]))
    app = data.draw(st.lists(st.tuples(st.integers(3, 20), st.sampled_from(APP)), max_size=6))
    later = data.draw(st.permutations([*app, (10, "Stop")]))
    assert not after(*first, *later).subscribed
