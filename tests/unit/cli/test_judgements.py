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
TOPIC = Topic(id="stellen", title="Stellen", template="stellen_v1", category=Category.MARKETING)
OURS = TemplateDefinition(
    name="stellen_v1",
    language="de",
    components=[
        ComponentDefinition("BODY", "{{headline}}\n\n{{text}}"),
        ComponentDefinition("FOOTER", "Abmelden: Stop"),
    ],
    parameter_format="named",
)
THEIRS = msgspec.structs.replace(OURS, status="APPROVED", parameter_format="NAMED")


def judged(*existing: TemplateDefinition) -> str | None:
    problem = compare_template(WANTED, [OURS], existing)
    return problem.what if problem else None


def test_a_template_that_agrees_is_well() -> None:
    assert judged(THEIRS) is None


def test_the_order_of_parameters_does_not_matter() -> None:
    body = ComponentDefinition("body", "{{text}}: {{ headline }}")
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
        {"components": [ComponentDefinition("BODY", "{{headline}}")]},
        {"components": [ComponentDefinition("BODY", "{{headline}} {{text}} {{more}}")]},
        {"components": [ComponentDefinition("HEADER", "{{headline}}"), ComponentDefinition("BODY", "{{text}}")]},
        {"parameter_format": "positional"},
    ],
)
def test_a_template_must_have_our_parameters(changed: dict[str, object]) -> None:
    assert (
        judged(msgspec.structs.replace(THEIRS, **changed)) == "stellen_v1 in language de has other parameters at Meta"
    )


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


PICTURE = ComponentDefinition("HEADER", format="IMAGE")


@pytest.mark.parametrize(
    ("ours", "theirs", "problem"),
    [
        ([PICTURE], [PICTURE], None),
        ([PICTURE], [], "has other parameters at Meta"),
        ([PICTURE], [ComponentDefinition("HEADER", format="DOCUMENT")], "has other parameters at Meta"),
        ([], [PICTURE], "has no image above it"),
    ],
)
def test_a_template_with_a_picture_needs_an_image_here_and_at_meta(
    ours: list[ComponentDefinition], theirs: list[ComponentDefinition], problem: str | None
) -> None:
    definition = msgspec.structs.replace(OURS, components=[*ours, *OURS.components])
    existing = msgspec.structs.replace(THEIRS, components=[*theirs, *OURS.components])
    found = compare_template(ExpectedTemplate(name="stellen_v1", language="de", picture=True), [definition], [existing])
    assert (found.what if found else None) == (problem and f"stellen_v1 in language de {problem}")


def test_a_template_without_a_picture_has_no_image() -> None:
    definition = msgspec.structs.replace(OURS, components=[PICTURE, *OURS.components])
    found = compare_template(WANTED, [definition], [THEIRS])
    assert found is not None
    assert "has an image" in found.what


def test_what_is_not_declared_is_named() -> None:
    problem = check_topology(Inventory(missing=("dispatch", "dispatch.bulk"), waiting={}))
    assert problem is not None
    assert problem.what == "missing: dispatch, dispatch.bulk"
    assert check_topology(Inventory(missing=(), waiting={})) is None


def test_a_long_list_is_cut() -> None:
    problem = check_topology(Inventory(missing=tuple("abcdefg"), waiting={}))
    assert problem is not None
    assert problem.what == "missing: a, b, c, d, e and 2 more"


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
