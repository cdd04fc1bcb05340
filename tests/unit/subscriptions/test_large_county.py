"""A county with many topics and municipalities: each reply still fits into WhatsApp, and no choice is lost.

A county without any place to choose: no reply offers one.
"""

from pathlib import Path

import msgspec
import pytest

from services.dispatcher.domain.content import build_reply_body
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.intents.intent import MAX_ID_LENGTH, Intent, ParsedIntent, parse_payload
from services.subscriptions.domain.replies import MAX_TEXT_LENGTH, require_short_replies
from shared.notices.configuration import Topic
from shared.runtime.settings import EXIT_SETTINGS, read_county
from tests.factories.citizens import COUNTY, converse

PLACES = tuple(f"{name}{ending}" for name in ["Abcd", "Efgh", "Ijkl", "Mnop", "Qrst"] for ending in (
    "büttel", "dorf", "moor", "stedt", "wede", "hude", "hausen", "rade"))  # fmt: skip


def build_county(topics: int, title: str = "{} und Abfallwirtschaft") -> County:
    names = [f"{first}{second}" for first in ["bau", "müll", "wald", "see", "schul"] for second in
        ("amt", "boden", "dienst", "filter", "garten", "hilfe", "kunst", "leitung")]  # fmt: skip
    return msgspec.structs.replace(
        COUNTY,
        topics=tuple(
            Topic(
                id=f"{name.replace('ü', 'ue')}_und_abfallwirtschaft",
                title=title.replace("{}", name.title()),
                words=(name,),
                template="t",
                category=COUNTY.topics[0].category,
                local=number % 2 == 0,
            )
            for number, name in enumerate(names[:topics])
        ),
        municipalities=PLACES,
        localities=(),
        systems=(),
    )


@pytest.mark.parametrize(
    ("topics", "title"), [(4, "{}"), (14, "{} und Abfallwirtschaft"), (40, "{} und Abfallwirtschaft"), (40, "{} " * 20)]
)
def test_every_reply_can_be_sent_and_mentions_no_button_that_it_lacks(topics: int, title: str) -> None:
    county = build_county(topics, title)
    many_places = f"nur {', '.join(PLACES[:-1])}"
    many_topics = f"nur {', '.join(topic.words[0] for topic in county.topics[:-1])}"
    said = ("Themen", many_places, many_topics, "Start", many_places, "Start", "Themen", "Gemeinden", "Pause", "Weiter")
    subscriber, decisions, _ = converse(*said, county=county)
    assert subscriber is not None
    assert len(subscriber.places) == len(PLACES) - 1
    for decision in decisions:
        reply = decision.reply
        assert reply is not None
        assert build_reply_body(reply.text, reply.buttons, reply.menu)
        assert all(len(button.id) <= MAX_ID_LENGTH for button in reply.buttons)
        assert reply.buttons or reply.menu or "ippen Sie" not in reply.text


@pytest.mark.parametrize(("topics", "title"), [(4, "{}"), (14, "{} und Abfallwirtschaft"), (40, "{}")])
def test_a_county_whose_replies_fit_is_accepted(topics: int, title: str) -> None:
    require_short_replies(build_county(topics, title))


@pytest.mark.parametrize("county", [build_county(40, "{} " * 20), build_county(14, "{} " * 40)])
def test_a_county_that_no_reply_can_hold_is_refused(county: County) -> None:
    with pytest.raises(ValueError, match=f"characters, WhatsApp permits {MAX_TEXT_LENGTH}: shorten titles"):
        require_short_replies(county)


def test_a_file_that_no_reply_can_hold_ends_the_process_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ", ".join(f'"Samtgemeinde {number}"' for number in range(300))
    shipped = Path("deploy/config/county.toml").read_text()
    file = tmp_path / "county.toml"
    file.write_text(shipped.replace("municipalities = [", f"municipalities = [{names}, ", 1))
    with pytest.raises(SystemExit) as ended:
        read_county(file, County, require_short_replies)
    assert ended.value.code == EXIT_SETTINGS
    assert "KREISFUNK_COUNTY_FILE: a reply that names all topics" in capsys.readouterr().err


def test_a_receipt_that_is_too_long_for_a_list_names_all_topics_and_how_to_choose_and_leave() -> None:
    county = build_county(40)
    _, (started,), _ = converse("Start", county=county)
    assert started.reply is not None
    assert started.reply.menu is None
    assert all(topic.title in started.reply.text for topic in county.topics)
    assert "Themen ändern: Schreiben Sie Themen.\nAbmelden: Schreiben Sie jederzeit Stop." in started.reply.text


@pytest.mark.parametrize("start", ["Start", "Ja", None])
def test_what_a_stranger_chose_of_many_topics_and_places_is_what_they_get(start: str | None) -> None:
    county = build_county(14)
    topics, places = frozenset(topic.id for topic in county.topics[2:]), frozenset(PLACES[1:9])
    chosen = f"nur {', '.join(topic.words[0] for topic in county.topics[2:])} in {', '.join(places)}"
    _, (asked,), _ = converse(chosen, county=county)
    assert asked.reply is not None
    (button,) = asked.reply.buttons
    assert len(button.id) <= MAX_ID_LENGTH
    assert parse_payload(button.id, county) == ParsedIntent(intent=Intent.START, topics=topics, places=places)
    assert parse_payload(button.id, build_county(13)) == ParsedIntent(intent=Intent.ASK_START)
    if start:
        subscriber, (_, started), _ = converse(chosen, start, county=county)
        assert subscriber is not None
        assert (started.result, subscriber.topics, subscriber.places) == (MessageResult.STARTED, topics, places)


@pytest.mark.parametrize(
    "payload", ["start:#", "start:#0123456789abcdef", "start:#0123456789abcdefg", "start:#" + "f" * 250]
)
def test_bits_of_another_county_or_of_none_subscribe_nobody(payload: str) -> None:
    assert parse_payload(payload, build_county(14)) == ParsedIntent(intent=Intent.ASK_START)


@pytest.mark.parametrize(
    "county",
    [
        msgspec.structs.replace(COUNTY, municipalities=(), localities=()),
        msgspec.structs.replace(
            COUNTY, topics=tuple(msgspec.structs.replace(topic, local=False) for topic in COUNTY.topics)
        ),
    ],
    ids=["no municipality", "no local topic"],
)
def test_where_nothing_depends_on_places_none_is_offered(county: County) -> None:
    _, (_, asked, helped), _ = converse("Start", "Gemeinden", "Hilfe", county=county)
    assert asked.reply is not None
    assert helped.reply is not None
    assert asked.reply.text.startswith("Sie sind angemeldet. Ihre Themen: Veranstaltungen, Stellen, Baustellen")
    assert "Gemeinde" not in asked.reply.text + helped.reply.text
