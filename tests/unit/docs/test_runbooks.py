"""A page for every alert, with what a person needs who has just been woken, and commands that exist."""

import re
import shlex
from uuid import uuid4

import msgspec
import pytest
from typer.exceptions import TyperException

from cli.main import load_command
from deploy.grafana.panels import RUNBOOKS
from tests.runbook_pages import FOLDER, read_commands
from tools.docs.generate import DOCS

ROOT = DOCS.parent
PAGES = {path.stem: path.read_text() for path in FOLDER.glob("*.md")}
RULES = [
    rule
    for group in msgspec.yaml.decode((ROOT / "deploy/prometheus/alerts.yml").read_bytes())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
SECTIONS = ["Meaning", "Look", "Do", "Call"]
MOST_LINES = 45
ADDRESS = re.compile(r'^url: "(.+)\.git"', re.MULTILINE)
COMPOSE = msgspec.yaml.decode((ROOT / "docker-compose.yml").read_bytes())["services"]
NAMES = {"ID": str(uuid4()), "BROADCAST": str(uuid4()), "SERVICE": "newsroom"}


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert set(PAGES) == set(ALERTS)
    assert len(ALERTS) > 30


def test_an_alert_leads_to_its_page_at_the_address_of_the_repository() -> None:
    [address] = ADDRESS.findall((ROOT / "publiccode.yml").read_text())
    assert f"{address}/docs/runbooks" == RUNBOOKS
    urls = {name: rule["annotations"]["runbook_url"] for name, rule in ALERTS.items()}
    assert urls == {name: f"{address}/docs/runbooks/{name}.md" for name in ALERTS}


def test_an_alert_says_how_bad_it_is() -> None:
    assert {rule["labels"]["severity"] for rule in ALERTS.values()} == {"critical", "warning"}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_short_and_complete(name: str) -> None:
    page = PAGES[name]
    assert page.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS
    assert re.search(r"^## \w+\n\n(?=## )", page, re.MULTILINE) is None
    assert page.count("\n") <= MOST_LINES


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_commands_of_a_page_exist(name: str) -> None:
    for command in read_commands(name):
        parse_command(command)


def parse_command(command: str) -> None:
    """Raise an error if there is no such service, command or option."""
    words = [NAMES.get(word, word) for word in shlex.split(command)]
    if words[:2] != ["docker", "compose"]:
        assert words[0] == "df"
        return
    words = words[4:] if words[2] == "--profile" else words[2:]
    verb, *words = (word for word in words if word not in ("--rm", "-T", "--all", "--wait", "--build"))
    match verb:
        case "run":
            parse_kreisfunk(*COMPOSE[words[0]]["entrypoint"], *words[1:])
        case "exec":
            assert words[0] in COMPOSE
            if words[1] == "kreisfunk":
                parse_kreisfunk(*words[1:])
        case _:
            assert verb in ("build", "logs", "ps", "restart", "up")
            assert set(words[2:] if words[:1] == ["--since"] else words) <= set(COMPOSE)


def parse_kreisfunk(program: str, name: str, *arguments: str) -> None:
    """As the command itself does before it runs."""
    assert program == "kreisfunk"
    command, left = load_command(name), list(arguments)
    while left and hasattr(command, "commands") and not left[0].startswith("-"):
        command = command.commands[left.pop(0)]
    command.make_context(name, left)


@pytest.mark.parametrize(
    "wrong",
    [
        "docker compose run --rm operate broadcasts forget",
        "docker compose run --rm operate deliveries settle ID --as lost",
        "docker compose run --rm operate sending --louder",
        "docker compose restart newsrooms",
    ],
)
def test_a_command_that_does_not_exist_is_found(wrong: str) -> None:
    with pytest.raises((TyperException, KeyError, AssertionError)):
        parse_command(wrong)


def test_pages_are_in_the_folder_that_the_guide_names() -> None:
    assert "(../runbooks)" in (DOCS / "guides" / "monitoring.md").read_text()
