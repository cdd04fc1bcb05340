"""Each import rule is proven: a violation that is planted breaks exactly the contract that forbids it."""

from pathlib import Path

import pytest

from deploy.paths import ROOT
from tests.unit.rules.planting import CONTRACTS, PackageTree, copy_tree

SERVICES = ("subscriptions", "dispatcher")

# Contract, file, and the line that breaks it. Our __init__ modules import nothing, so no other rule is broken too.
VIOLATIONS = [
    ("strangers", "services/ingress/webhook/outbox.py", "import services.subscriptions"),
    ("strangers", "services/dispatcher/adapters/planted.py", "import services.ingress"),
    ("strangers", "services/subscriptions/adapters/planted.py", "import services.dispatcher"),
    ("strangers", "services/feeds/polling.py", "import services.subscriptions"),
    ("direction", "shared/runtime/planted.py", "import services"),
    ("direction", "shared/runtime/planted.py", "import simulator"),
    ("direction", "services/ingress/webhook/outbox.py", "import deploy"),
    ("direction", "services/feeds/polling.py", "import cli"),
    ("direction", "simulator/planted.py", "import cli"),
    ("direction", "deploy/local/planted.py", "import cli"),
    ("service-layers", "services/subscriptions/domain/planted.py", "import services.subscriptions.ports"),
    ("service-layers", "services/dispatcher/domain/planted.py", "import services.dispatcher.handlers"),
    ("service-layers", "services/{}/ports.py", "import services.{}.adapters"),
    ("service-layers", "services/{}/adapters/planted.py", "import services.{}.settings"),
    ("service-layers", "services/{}/settings.py", "import services.{}.adapters"),
    ("service-layers", "services/{}/adapters/planted.py", "import services.{}.wiring"),
    ("service-layers", "services/{}/planted.py", ""),
    ("newsroom-layers", "services/newsroom/domain/planted.py", "import services.newsroom.adapters"),
    ("newsroom-layers", "services/newsroom/adapters/planted.py", "import services.newsroom.handlers"),
    ("newsroom-layers", "services/newsroom/handlers/planted.py", "import services.newsroom.http"),
    ("newsroom-layers", "services/newsroom/http/planted.py", "import services.newsroom.settings"),
    ("newsroom-layers", "services/newsroom/settings.py", "import services.newsroom.http"),
    ("newsroom-layers", "services/newsroom/http/planted.py", "import services.newsroom.wiring"),
    ("newsroom-layers", "services/newsroom/planted.py", ""),
    ("newsroom-settings", "services/newsroom/settings.py", "import services.newsroom.adapters"),
    ("ingress-layers", "services/ingress/webhook/api.py", "import services.ingress.settings"),
    ("ingress-layers", "services/ingress/webhook/api.py", "import services.ingress.notices"),
    ("ingress-layers", "services/ingress/notices/publishing.py", "import services.ingress.webhook"),
    ("ingress-layers", "services/ingress/settings.py", "import services.ingress.webhook"),
    ("ingress-layers", "services/ingress/planted.py", ""),
    ("webhook-layers", "services/ingress/webhook/payloads.py", "import services.ingress.webhook.decoding"),
    ("webhook-layers", "services/ingress/webhook/content.py", "import services.ingress.webhook.translate"),
    ("webhook-layers", "services/ingress/webhook/group_commit.py", "import services.ingress.webhook.outbox"),
    ("webhook-layers", "services/ingress/webhook/outbox.py", "import services.ingress.webhook.api"),
    ("webhook-layers", "services/ingress/webhook/planted.py", ""),
    ("notices-layers", "services/ingress/notices/parsing.py", "import services.ingress.notices.validation"),
    ("notices-layers", "services/ingress/notices/progress_feed.py", "import services.ingress.notices.publishing"),
    ("notices-layers", "services/ingress/notices/outbox.py", "import services.ingress.notices.wiring"),
    ("notices-layers", "services/ingress/notices/planted.py", ""),
    ("notices-layers", "services/ingress/notices/api.py", "import services.ingress.notices.settings"),
    ("feeds-layers", "services/feeds/rss.py", "import services.feeds.decisions"),
    ("feeds-layers", "services/feeds/state.py", "import services.feeds.rss"),
    ("feeds-layers", "services/feeds/decisions.py", "import services.feeds.fetching"),
    ("feeds-layers", "services/feeds/cap/decisions.py", "import services.feeds.polling"),
    ("feeds-layers", "services/feeds/publisher.py", "import services.feeds.polling"),
    ("feeds-layers", "services/feeds/polling.py", "import services.feeds.settings"),
    ("feeds-layers", "services/feeds/settings.py", "import services.feeds.wiring"),
    ("feeds-layers", "services/feeds/planted.py", ""),
    ("keyless", "services/ingress/notices/auth.py", "import shared.encryption"),
    ("shared-layers", "shared/runtime/planted.py", "import shared.amqp"),
    ("shared-layers", "shared/amqp/planted.py", "import shared.database"),
    ("shared-layers", "shared/encryption.py", "import shared.contracts"),
    ("shared-layers", "shared/planted.py", ""),
    ("pure", "services/{}/domain/planted.py", "import random"),
    ("pure", "services/newsroom/domain/planted.py", "import random"),
    ("pure", "services/dispatcher/domain/planted.py", "import secrets"),
    ("pure", "services/subscriptions/domain/planted.py", "import subprocess"),
    ("pure", "services/ingress/webhook/translate.py", "import random"),
    ("pure", "services/ingress/notices/validation.py", "import random"),
    ("pure", "shared/contracts/planted.py", "import random"),
    ("pure", "shared/outcome.py", "import random"),
    ("drivers", "services/ingress/webhook/receiver.py", "import aiohttp"),
    ("drivers", "services/ingress/notices/publishing.py", "import aiohttp"),
    ("drivers", "services/ingress/notices/auth.py", "import aiohttp"),
    ("drivers", "services/subscriptions/handlers/planted.py", "import aiohttp"),
    ("drivers", "services/dispatcher/handlers/planted.py", "import aiohttp"),
    ("drivers", "services/newsroom/handlers/planted.py", "import aiohttp"),
    ("drivers", "services/{}/ports.py", "import aiohttp"),
    ("image", "services/{}/adapters/planted.py", "import tests"),
    ("image", "services/newsroom/http/planted.py", "import tests"),
    ("image", "services/ingress/webhook/api.py", "import tests"),
    ("image", "cli/planted.py", "import tools"),
    ("image", "deploy/local/planted.py", "import benchmarks"),
    ("image", "deploy/tokens.py", "import deploy.release"),
    ("installation", "cli/keys/planted.py", "import deploy.local"),
    ("installation", "deploy/secrets.py", "import deploy.local"),
    ("installation", "cli/planted.py", "import simulator"),
    ("operators", "cli/keys/planted.py", "import services.ingress"),
    ("operators", "cli/planted.py", "import services.feeds"),
    ("operators", "cli/feeds/planted.py", "import services.dispatcher"),
    ("amqp", "services/{}/adapters/planted.py", "import aio_pika"),
    ("amqp", "services/newsroom/adapters/planted.py", "import aio_pika"),
    ("amqp", "services/ingress/webhook/outbox.py", "import aio_pika"),
    ("amqp", "simulator/planted.py", "import aio_pika"),
    ("amqp", "shared/runtime/planted.py", "import aio_pika"),
    ("amqp", "shared/database/planted.py", "import aio_pika"),
    ("amqp", "cli/planted.py", "import aio_pika"),
    ("amqp", "deploy/local/planted.py", "import aio_pika"),
]
FORBIDDING = [identifier for identifier, contract in CONTRACTS.items() if "forbidden_modules" in contract]
SOMEWHERE = {
    "pure": "services/ingress/webhook/translate.py",
    "drivers": "services/dispatcher/handlers/planted.py",
    "image": "deploy/local/planted.py",
    "installation": "cli/planted.py",
    "operators": "cli/planted.py",
    "amqp": "cli/planted.py",
    "keyless": "services/ingress/notices/auth.py",
}


@pytest.fixture
def tree(tmp_path: Path) -> PackageTree:
    return copy_tree(tmp_path)


def test_the_tree_as_it_is_keeps_all_contracts(tree: PackageTree) -> None:
    verdict = tree.lint()
    assert verdict.broken == frozenset(), verdict.report


@pytest.mark.parametrize("contract", CONTRACTS)
def test_each_planted_violation_breaks_exactly_its_contract(tree: PackageTree, contract: str) -> None:
    """All of a contract at once, each in a line of the report: which module imports what, or has no place."""
    planted = [
        (file.format(service), line.format(service))
        for its, file, line in VIOLATIONS
        if its == contract
        for service in (SERVICES if "{}" in file else ("",))
    ]
    assert planted
    for file, line in planted:
        tree.plant(file, line)
    verdict = tree.lint()
    assert verdict.broken == {contract}
    assert [one for one in planted if describe_violation(*one) not in verdict.sections[contract]] == []


def describe_violation(file: str, line: str) -> str:
    module = file.removesuffix(".py").replace("/", ".")
    return f"{module} -> {line.removeprefix('import ')} " if line else module


def test_services_and_the_simulator_are_strangers_by_two_contracts(tree: PackageTree) -> None:
    planted = (
        ("services/ingress/webhook/outbox.py", "import simulator"),
        ("simulator/planted.py", "import services.dispatcher"),
    )
    for file, line in planted:
        tree.plant(file, line)
    verdict = tree.lint()
    assert verdict.broken == {"strangers", "direction"}
    for contract in verdict.broken:
        assert [one for one in planted if describe_violation(*one) not in verdict.sections[contract]] == []


def test_every_forbidden_module_is_found(tree: PackageTree) -> None:
    """A name with a typing error in the list would pass without a word."""
    for contract, place in SOMEWHERE.items():
        tree.plant(place, "\n".join(f"import {module}" for module in CONTRACTS[contract]["forbidden_modules"]))
    verdict = tree.lint()
    assert {
        contract: missed
        for contract in FORBIDDING
        for missed in CONTRACTS[contract]["forbidden_modules"]
        if f"not allowed to import {missed}:" not in verdict.sections[contract]
    } == {}


def test_every_service_is_under_the_rules() -> None:
    found = {path.parent.name for path in (ROOT / "services").glob("*/__init__.py")}
    assert found == {*SERVICES, "newsroom", "feeds", "ingress"}
    assert set(CONTRACTS["service-layers"]["containers"]) == {f"services.{service}" for service in SERVICES}
    assert CONTRACTS["newsroom-layers"]["containers"] == ["services.newsroom"]


def test_all_that_is_in_the_image_is_under_its_rules() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [path for line in lines if line.startswith("!") for path in ROOT.glob(line[1:])]
    code = {path for path in let_in if path.suffix == ".py" or (path / "__init__.py").exists()}
    code.discard(ROOT / "deploy" / "__init__.py")  # imports nothing
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in code}
    assert names | {"deploy.local"} == set(CONTRACTS["image"]["source_modules"])
    # Other contracts keep services, the simulator and shared away from all of deploy, and from one another.
    assert names - {"services", "simulator", "shared"} == set(CONTRACTS["installation"]["source_modules"])
