"""What the doctor makes of what it sees."""

import msgspec
import pytest

from cli.broker import away_advice
from cli.doctor.broker import judge_dead_letters, judge_topology
from cli.doctor.graph import Component, Template, Wanted, judge_refusal, judge_template, read_definitions, wanted_for
from deploy.local.environments import CONFIG
from services.subscriptions.domain.county import County
from shared.amqp.connection import BrokerAway
from shared.amqp.inspection import Inventory
from shared.municipal.configuration import Category, Topic
from shared.municipal.file import read_configuration

WANTED = Wanted(name="stellen_v1", language="de")
TOPIC = Topic(id="stellen", title="Stellen", template="stellen_v1", category=Category.MARKETING)
OURS = Template(
    name="stellen_v1",
    language="de",
    components=[Component("BODY", "{{headline}}\n\n{{text}}"), Component("FOOTER", "Abmelden: Stop")],
    parameter_format="named",
)
THEIRS = msgspec.structs.replace(OURS, status="APPROVED", parameter_format="NAMED")


def judged(*existing: Template) -> str | None:
    problem = judge_template(WANTED, [OURS], existing)
    return problem.what if problem else None


def test_a_template_that_agrees_is_well() -> None:
    assert judged(THEIRS) is None


def test_the_order_of_parameters_does_not_matter() -> None:
    body = Component("body", "{{text}}: {{ headline }}")
    assert judged(msgspec.structs.replace(THEIRS, components=[body])) is None


def test_a_template_must_exist_in_the_language() -> None:
    assert judged() == "stellen_v1 in language de does not exist at Meta"
    assert judged(msgspec.structs.replace(THEIRS, language="en")) == judged()


@pytest.mark.parametrize("status", ["PENDING", "REJECTED", "PAUSED", "DISABLED"])
def test_a_template_must_be_approved(status: str) -> None:
    assert judged(msgspec.structs.replace(THEIRS, status=status)) == f"stellen_v1 in language de is {status}"


@pytest.mark.parametrize(
    "changed",
    [
        {"components": [Component("BODY", "{{headline}}")]},
        {"components": [Component("BODY", "{{headline}} {{text}} {{more}}")]},
        {"components": [Component("HEADER", "{{headline}}"), Component("BODY", "{{text}}")]},
        {"parameter_format": "positional"},
    ],
)
def test_a_template_must_have_our_parameters(changed: dict[str, object]) -> None:
    assert (
        judged(msgspec.structs.replace(THEIRS, **changed)) == "stellen_v1 in language de has other parameters at Meta"
    )


def test_a_topic_needs_a_template_in_our_file() -> None:
    problem = judge_template(WANTED, [], [THEIRS])
    assert problem is not None
    assert "not in our file" in problem.what


def test_our_own_files_agree_with_each_other() -> None:
    definitions = read_definitions(CONFIG / "templates.json")
    approved = [msgspec.structs.replace(template, status="APPROVED") for template in definitions]
    topics = read_configuration(CONFIG / "county.toml", County).topics
    wanted = [one for topic in topics for one in wanted_for(topic)]
    assert [judge_template(one, definitions, approved) for one in wanted] == [None] * 2 * len(topics)
    words = ("named", "BODY headline", "BODY text")
    assert {template.parameters for template in definitions} == {words, (*words, "HEADER IMAGE")}


def test_a_topic_without_a_picture_template_needs_one_template() -> None:
    assert wanted_for(TOPIC) == [WANTED]


PICTURE = Component("HEADER", format="IMAGE")


@pytest.mark.parametrize(
    ("ours", "theirs", "problem"),
    [
        ([PICTURE], [PICTURE], None),
        ([PICTURE], [], "has other parameters at Meta"),
        ([PICTURE], [Component("HEADER", format="DOCUMENT")], "has other parameters at Meta"),
        ([], [PICTURE], "has no image above it"),
    ],
)
def test_a_template_with_a_picture_needs_an_image_here_and_at_meta(
    ours: list[Component], theirs: list[Component], problem: str | None
) -> None:
    definition = msgspec.structs.replace(OURS, components=[*ours, *OURS.components])
    existing = msgspec.structs.replace(THEIRS, components=[*theirs, *OURS.components])
    found = judge_template(Wanted(name="stellen_v1", language="de", picture=True), [definition], [existing])
    assert (found.what if found else None) == (problem and f"stellen_v1 in language de {problem}")


def test_a_template_without_a_picture_has_no_image() -> None:
    definition = msgspec.structs.replace(OURS, components=[PICTURE, *OURS.components])
    found = judge_template(WANTED, [definition], [THEIRS])
    assert found is not None
    assert "has an image" in found.what


def test_an_invalid_token_is_told_from_other_refusals() -> None:
    assert "token" in judge_refusal(401, 190).what
    assert "token" in judge_refusal(400, 190).what
    assert judge_refusal(400, 100).what == "Meta answers with status 400, code 100"


def test_what_is_not_declared_is_named() -> None:
    problem = judge_topology(Inventory(missing=("dispatch", "dispatch.bulk"), waiting={}))
    assert problem is not None
    assert problem.what == "missing: dispatch, dispatch.bulk"
    assert judge_topology(Inventory(missing=(), waiting={})) is None


def test_a_long_list_is_cut() -> None:
    problem = judge_topology(Inventory(missing=tuple("abcdefg"), waiting={}))
    assert problem is not None
    assert problem.what == "missing: a, b, c, d, e and 2 more"


def test_dead_letters_and_quarantine_are_counted_and_other_queues_are_not() -> None:
    waiting = {"dispatch.bulk": 9, "dispatch.bulk.dead": 2, "dispatch.reply.dead": 0, "ingress.quarantine": 1}
    waiting["subscriptions.quarantine"] = 7  # their publishers were told
    problem = judge_dead_letters(Inventory(missing=(), waiting=waiting))
    assert problem is not None
    assert problem.what == "2 in dispatch.bulk.dead, 1 in ingress.quarantine"
    assert judge_dead_letters(Inventory(missing=(), waiting={"dispatch.bulk": 9})) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ProbableAuthenticationError", "refuses this login"),
        ("ChannelNotFoundEntity", "kreisfunk migrate"),
        ("ChannelAccessRefused", "lacks a permission"),
        ("AMQPConnectionError", "Is RabbitMQ up"),
    ],
)
def test_the_advice_fits_the_error(error: str, words: str) -> None:
    assert words in away_advice(BrokerAway(f"cannot connect to the broker: {error}"))
