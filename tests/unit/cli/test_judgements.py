"""What the doctor makes of what it sees."""

import msgspec
import pytest

from cli.broker import explain_broker_error
from cli.doctor.graph_api import (
    ComponentDefinition,
    ExpectedTemplate,
    TemplateDefinition,
    compare_template,
    list_expected_templates,
    read_definitions,
)
from cli.doctor.servers import check_dead_letters, check_topology
from deploy.paths import CONFIG
from services.subscriptions.domain.county import County
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.inspection import Inventory
from shared.notices.configuration import Category, Topic, read_configuration

WANTED = ExpectedTemplate(name="stellen_v1", language="de")
WITH_PICTURE = ExpectedTemplate(name="stellen_v1", language="de", picture=True)
TOPIC = Topic(id="stellen", title="Stellen", template="stellen_v1", category=Category.MARKETING)
BODY, FOOTER = ComponentDefinition("BODY", "{{headline}}\n\n{{text}}"), ComponentDefinition("FOOTER", "Abmelden: Stop")
PICTURE, DOCUMENT = (ComponentDefinition("HEADER", format=kind) for kind in ("IMAGE", "DOCUMENT"))
OURS = TemplateDefinition(name="stellen_v1", language="de", components=[BODY, FOOTER], parameter_format="named")
THEIRS = msgspec.structs.replace(OURS, status="APPROVED", parameter_format="NAMED")
REORDERED = ComponentDefinition("body", "{{text}}: {{ headline }}")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({}, None),
        ({"components": [REORDERED]}, None),
        ({"language": "en"}, "does not exist at Meta"),
        *(({"status": status}, f"is {status}") for status in ("PENDING", "REJECTED", "PAUSED", "DISABLED")),
        *(
            ({"components": components}, "has other parameters at Meta")
            for components in (
                [ComponentDefinition("BODY", "{{headline}}")],
                [ComponentDefinition("BODY", "{{headline}} {{text}} {{more}}")],
                [ComponentDefinition("HEADER", "{{headline}}"), ComponentDefinition("BODY", "{{text}}")],
            )
        ),
        ({"parameter_format": "positional"}, "has other parameters at Meta"),
    ],
)
def test_a_template_has_to_be_at_meta_approved_and_with_our_parameters_in_any_order(
    changed: dict[str, object], problem: str | None
) -> None:
    found = compare_template(WANTED, [OURS], [msgspec.structs.replace(THEIRS, **changed)])
    assert (found and found.what) == (problem and f"stellen_v1 in language de {problem}")


def test_a_topic_needs_a_template_in_our_file() -> None:
    problem = compare_template(WANTED, [], [THEIRS])
    assert problem is not None
    assert "not in our file" in problem.what


def test_our_own_files_agree_with_each_other() -> None:
    definitions = read_definitions(CONFIG / "templates.json")
    approved = [msgspec.structs.replace(template, status="APPROVED") for template in definitions]
    topics = read_configuration(CONFIG / "county.toml", County).topics
    wanted = [one for topic in topics for one in list_expected_templates(topic)]
    assert [compare_template(one, definitions, approved) for one in wanted] == [None] * 2 * len(topics)
    words = ("named", "BODY headline", "BODY text")
    assert {template.parameters for template in definitions} == {words, (*words, "HEADER IMAGE")}


def test_a_topic_without_a_picture_template_needs_one_template() -> None:
    assert list_expected_templates(TOPIC) == [WANTED]


@pytest.mark.parametrize(
    ("wanted", "ours", "theirs", "problem"),
    [
        (WITH_PICTURE, [PICTURE], [PICTURE], None),
        (WITH_PICTURE, [PICTURE], [], "has other parameters at Meta"),
        (WITH_PICTURE, [PICTURE], [DOCUMENT], "has other parameters at Meta"),
        (WITH_PICTURE, [], [PICTURE], "has no image above it"),
        (WANTED, [PICTURE], [], "has an image above it"),
    ],
)
def test_a_template_with_a_picture_needs_an_image_here_and_at_meta(
    wanted: ExpectedTemplate, ours: list[ComponentDefinition], theirs: list[ComponentDefinition], problem: str | None
) -> None:
    definition = msgspec.structs.replace(OURS, components=[*ours, *OURS.components])
    existing = msgspec.structs.replace(THEIRS, components=[*theirs, *OURS.components])
    found = compare_template(wanted, [definition], [existing])
    assert (found and found.what) == (problem and f"stellen_v1 in language de {problem}")


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ((), None),
        (("dispatch", "dispatch.bulk"), "missing: dispatch, dispatch.bulk"),
        (tuple("abcdefg"), "missing: a, b, c, d, e and 2 more"),
    ],
)
def test_what_is_not_declared_is_named_at_most_five(missing: tuple[str, ...], told: str | None) -> None:
    problem = check_topology(Inventory(missing=missing, waiting={}))
    assert (problem and problem.what) == told


def test_dead_letters_and_quarantine_are_counted_and_other_queues_are_not() -> None:
    waiting = {"dispatch.bulk": 9, "dispatch.bulk.dead": 2, "dispatch.reply.dead": 0, "ingress.quarantine": 1}
    waiting["subscriptions.quarantine"] = 7  # their publishers were told
    problem = check_dead_letters(Inventory(missing=(), waiting=waiting))
    assert problem is not None
    assert problem.what == "2 in dispatch.bulk.dead, 1 in ingress.quarantine"
    assert check_dead_letters(Inventory(missing=(), waiting={"dispatch.bulk": 9})) is None


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
    assert words in explain_broker_error(BrokerUnavailable(f"cannot connect to the broker: {error}"))
