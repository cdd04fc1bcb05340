"""The doctor: whose environment it looks at, what it makes of what it sees, and how that is told."""

import asyncio
import base64
import re
from functools import partial
from pathlib import Path

import msgspec
import pytest

from cli.broker import explain_broker_error
from cli.doctor.checks import build_checks, check_names, list_known_names
from cli.doctor.findings import Check, CompletedCheck, DoctorProblem, build_json, format_text, run_checks
from cli.doctor.graph_api import (
    ComponentDefinition,
    ExpectedTemplate,
    TemplateDefinition,
    compare_template,
    list_expected,
    read_definitions,
)
from cli.doctor.installation import Installation, find_processes, read_all_settings
from cli.doctor.servers import check_dead_letters, check_topology, check_webhook
from deploy.paths import CONFIG
from services.subscriptions.domain.county import County
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.inspection import Inventory
from shared.notices.configuration import Category, Topic, read_configuration
from tests.compose_file import ROOT, SERVICES
from tests.harness.commands import run_in_process

BROKEN = DoctorProblem("is broken", "Mend it.")


async def well() -> None:
    return None


async def broken() -> DoctorProblem:
    return BROKEN


async def hanging() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("options", "judged"), [((), "own.toml"), (("--county", "named.toml"), "named.toml")], ids=["own", "named"]
)
async def test_a_local_stack_is_judged_by_its_own_county(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], judged: str
) -> None:
    seen: list[Path] = []
    stack = Installation(processes={}, county_file=Path("own.toml"))
    monkeypatch.setattr("cli.doctor.checks.find_installation", lambda *_: stack)

    def build_no_checks(installation: Installation) -> list[Check]:
        seen.append(installation.county_file)
        return []

    monkeypatch.setattr("cli.doctor.checks.build_checks", build_no_checks)
    assert (await run_in_process("doctor", *options, environment={})).status == 0
    assert seen == [Path(judged)]


async def test_findings_come_in_the_order_of_the_checks_and_one_that_hangs_becomes_a_problem() -> None:
    checks = [Check("one", hanging), Check("two", broken), Check("three", well)]
    one, *others = await run_checks(checks, seconds=0.01)
    assert one.problem is not None
    assert "no result" in one.problem.what
    assert others == [CompletedCheck("two", BROKEN), CompletedCheck("three", None)]


async def test_a_check_that_fails_in_an_unforeseen_way_leaves_the_others_their_results() -> None:
    unreachable = partial(check_webhook, f"http://{'a' * 70}.example/webhook")
    one, *others = await run_checks([Check("one", unreachable), Check("two", broken), Check("three", well)])
    assert one.problem is not None
    assert one.problem.what in ("cannot be checked: UnicodeError", "cannot be checked: UnicodeEncodeError")  # from 3.13
    assert others == [CompletedCheck("two", BROKEN), CompletedCheck("three", None)]


@pytest.mark.parametrize("url", ["", "foo", "http://[::1", "http://x:99999/readyz", "http://a..b/readyz"])
async def test_an_address_that_cannot_be_one_is_a_problem_among_others(url: str) -> None:
    [check] = [
        each for each in build_checks(Installation(processes={}, other_ready_urls=(url,))) if "ready" in each.name
    ]
    [found] = await run_checks([check])
    assert found.problem is not None


async def test_templates_in_another_encoding_are_a_problem_among_others(tmp_path: Path) -> None:
    file, key = tmp_path / "templates.json", base64.b64encode(bytes(32)).decode()
    file.write_bytes('[{"name": "straße", "language": "de", "components": []}]'.encode("latin-1"))
    environment = {
        "KREISFUNK_BROKER_URL": "amqp://dispatcher@127.0.0.1:1/",
        "KREISFUNK_DATABASE_URL": "postgresql://kreisfunk_dispatcher@127.0.0.1:1/x",
        "KREISFUNK_GRAPH_TOKEN": "t",
        "KREISFUNK_PHONE_NUMBER_ID": "700800900100200",
        "KREISFUNK_ENCRYPTION_KEYS": f"1:{key}",
        "KREISFUNK_INDEX_KEY": key,
    }
    processes = {"dispatcher": environment}
    checks = build_checks(Installation(processes=processes, business_account="100200300400500", templates_file=file))
    [problem] = [await check.run() for check in checks if check.name == "templates"]
    assert problem is not None
    assert (str(file) in problem.what, "utf-8" in problem.what) == (True, True)


def test_a_person_and_a_script_read_what_is_wrong_and_what_to_do() -> None:
    findings = [CompletedCheck("one", BROKEN), CompletedCheck("two", None)]
    assert format_text(findings).splitlines() == [
        "PROBLEM  one: is broken",
        "         Mend it.",
        "ok       two",
        "2 checks, 1 problems",
    ]
    broken = {"name": "one", "ok": False, "problem": "is broken", "advice": "Mend it."}
    assert build_json(findings) == {"ok": False, "checks": [broken, {"name": "two", "ok": True}]}
    assert build_json(findings[1:])["ok"] is True


DISPATCHER = {"KREISFUNK_BROKER_URL": "amqp://dispatcher@broker/", "PATH": "/bin"}


def test_the_broker_login_says_whose_environment_it_is() -> None:
    assert find_processes(DISPATCHER) == {"dispatcher": {"KREISFUNK_BROKER_URL": "amqp://dispatcher@broker/"}}
    assert find_processes({"PATH": "/bin"}) == {}
    assert find_processes({"KREISFUNK_BROKER_URL": "amqp://stranger@broker/"}) == {}


def test_whoever_has_the_management_interface_is_an_administrator_with_any_login() -> None:
    chart = {
        "KREISFUNK_BROKER_URL": "amqp://default_user_Zx9@broker:5672/",
        "KREISFUNK_BROKER_API_URL": "http://broker:15672",
        "KREISFUNK_BROKER_PASSWORD": "x",
        "KREISFUNK_DATABASE_URL": "postgresql://kreisfunk_owner@database/kreisfunk",
        "KREISFUNK_DATABASE_PASSWORD": "x",
        "KREISFUNK_LOGIN_PASSWORDS": "{}",
    }
    assert find_processes(chart) == {"admin": chart}
    names = [check.name for check in build_checks(Installation(processes=find_processes(chart)))]
    assert "broker login default_user_Zx9" in names
    assert "queue arguments" in names


def test_each_folder_of_secrets_is_a_process_with_its_own_login_and_role(tmp_path: Path) -> None:
    for name in ("ingress", "dispatcher", "simulator"):
        (tmp_path / name).mkdir()
    shared = {
        "KREISFUNK_SECRETS_DIR": str(tmp_path),
        "KREISFUNK_BROKER_URL": "amqp://anybody:secret@broker:5672/",
        "KREISFUNK_DATABASE_URL": "postgresql://anybody@database/kreisfunk",
    }
    processes = find_processes(shared)
    assert set(processes) == {"ingress", "dispatcher"}
    assert processes["dispatcher"] == {
        "KREISFUNK_SECRETS_DIR": str(tmp_path / "dispatcher"),
        "KREISFUNK_BROKER_URL": "amqp://dispatcher@broker:5672/",
        "KREISFUNK_DATABASE_URL": "postgresql://kreisfunk_dispatcher@database/kreisfunk",
    }
    assert processes["ingress"]["KREISFUNK_BROKER_URL"] == "amqp://ingress@broker:5672/"


def test_missing_settings_are_all_named_and_no_value_is() -> None:
    found = read_all_settings({"dispatcher": {"KREISFUNK_BROKER_URL": "nonsense-value"}})["dispatcher"]
    assert isinstance(found, DoctorProblem)
    for name in ("BROKER_URL", "DATABASE_URL", "GRAPH_TOKEN", "PHONE_NUMBER_ID", "ENCRYPTION_KEYS", "INDEX_KEY"):
        assert f"KREISFUNK_{name}" in found.what
    assert "nonsense-value" not in found.what


def test_a_setting_that_is_not_the_json_that_it_must_be_is_a_problem_among_others() -> None:
    found = read_all_settings({"admin": {"KREISFUNK_LOGIN_PASSWORDS": '{"ingress": "hunter2'}})["admin"]
    assert isinstance(found, DoctorProblem)
    assert found.what == "KREISFUNK_LOGIN_PASSWORDS: cannot be read (JSONDecodeError)"


@pytest.mark.parametrize("file", ["docker-compose.yml", "docs/guides/operators.md", "deploy/edge/Caddyfile"])
def test_every_name_that_an_operator_meets_is_known(file: str) -> None:
    names = re.findall(r"KREISFUNK_[A-Z_]*[A-Z]", (ROOT / file).read_text())
    assert len(names) > 1
    assert set(names) - list_known_names() == set()


async def test_a_name_that_nothing_reads_is_told_and_no_value_is() -> None:
    found = await check_names({"KREISFUNK_PEOPEL_PER_DAY": "7777", "KREISFUNK_X": "1", "PATH": "/bin"})
    assert isinstance(found, DoctorProblem)
    assert "KREISFUNK_PEOPEL_PER_DAY, KREISFUNK_X" in found.what
    assert "did you mean KREISFUNK_PEOPLE_PER_DAY?" in found.advice
    assert "7777" not in f"{found}"


async def test_names_that_something_reads_are_no_problem() -> None:
    assert await check_names(dict.fromkeys(list_known_names() - {"KREISFUNK_SECRETS_DIR"}, "1")) is None


async def test_a_secret_that_is_a_variable_beside_its_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "kreisfunk_graph_token").write_text("x")
    given = {"KREISFUNK_SECRETS_DIR": str(tmp_path), "KREISFUNK_GRAPH_URL": "http://x"}
    assert await check_names(given) is None
    # The second one is the ingress's, whose folder the doctor does not see.
    twice = {"KREISFUNK_GRAPH_TOKEN": "secret-value", "KREISFUNK_APP_SECRETS": "secret-value"}
    found = await check_names({**given, **twice})
    assert isinstance(found, DoctorProblem)
    assert "KREISFUNK_APP_SECRETS, KREISFUNK_GRAPH_TOKEN: both a variable and a file" in found.what
    assert "secret-value" not in f"{found}"


def test_the_doctor_sees_what_is_in_the_file_of_variables() -> None:
    assert SERVICES["doctor"]["env_file"] == [{"path": ".env", "required": False}]


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


def test_our_own_files_agree_with_each_other() -> None:
    definitions = read_definitions(CONFIG / "templates.json")
    approved = [msgspec.structs.replace(template, status="APPROVED") for template in definitions]
    topics = read_configuration(CONFIG / "county.toml", County).topics
    wanted = [one for topic in topics for one in list_expected(topic)]
    assert [compare_template(one, definitions, approved) for one in wanted] == [None] * 2 * len(topics)
    words = ("named", "BODY headline", "BODY text")
    assert {template.parameters for template in definitions} == {words, (*words, "HEADER IMAGE")}


def test_a_topic_without_a_picture_template_needs_one_template() -> None:
    assert list_expected(TOPIC) == [WANTED]


@pytest.mark.parametrize(
    ("wanted", "ours", "theirs", "problem"),
    [
        (WITH_PICTURE, [PICTURE], [PICTURE], None),
        (WITH_PICTURE, [PICTURE], [], "has other parameters at Meta"),
        (WITH_PICTURE, [PICTURE], [DOCUMENT], "has other parameters at Meta"),
        (WITH_PICTURE, [], [PICTURE], "has no image above it"),
        (WANTED, [PICTURE], [], "has an image above it"),
        (WANTED._replace(language="en"), [], [], "is not in our file of templates"),
    ],
)
def test_a_template_is_in_our_file_and_one_with_a_picture_has_an_image_here_and_at_meta(
    wanted: ExpectedTemplate, ours: list[ComponentDefinition], theirs: list[ComponentDefinition], problem: str | None
) -> None:
    definition = msgspec.structs.replace(OURS, components=[*ours, *OURS.components])
    existing = msgspec.structs.replace(THEIRS, components=[*theirs, *OURS.components])
    found = compare_template(wanted, [definition], [existing])
    assert (found and found.what) == (problem and f"stellen_v1 in language {wanted.language} {problem}")


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
