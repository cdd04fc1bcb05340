"""`kreisfunk setup` against the simulator with a new account: step by step to the first message."""

import json
import re
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.paths import CONFIG
from simulator.graph.errors import GraphError
from tests.harness.commands import HIDDEN, CommandResult, run_in_process, run_on_terminal
from tests.harness.fake_business import APP_SECRET, VERIFY_TOKEN, run_business
from tests.harness.simulator import (
    GRAPH_TOKEN,
    PHONE_NUMBER_ID,
    WABA_ID,
    SimulatorHarness,
    run_simulator_harness,
)
from tests.servers import wait_for

PNG = b"\x89PNG\r\n\x1a\n"
TEMPLATES = 8
STEP = re.compile(r"^(ok|open|PROBLEM) +(.+?): ", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class NewInstallation:
    """Secrets without Meta's, a new account at Meta, and what its owner has in files."""

    meta: SimulatorHarness
    folder: Path

    def write(self, name: str, value: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(value if isinstance(value, bytes) else value.encode())
        return path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KREISFUNK_GRAPH_URL": self.meta.url,
            "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
            "KREISFUNK_WABA_ID": WABA_ID,
            "KREISFUNK_SECRETS_DIR": str(self.folder / "secrets"),
        }

    def read_secrets(self) -> dict[str, str]:
        folder = self.folder / "secrets"
        return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}

    async def set_up(self, *arguments: str, **environment: str) -> CommandResult:
        """One run without a terminal; whatever happens, no secret may be in what it says."""
        ended = await run_in_process("setup", *arguments, environment={**self.environment, **environment})
        for secret in (GRAPH_TOKEN, APP_SECRET, VERIFY_TOKEN):
            assert secret not in ended.everything
        return ended

    async def set_up_all(self, **environment: str) -> CommandResult:
        """With all that the owner has, until templates wait for their review."""
        return await self.set_up(
            *("--yes", "--token-file", str(self.write("token.txt", f"{GRAPH_TOKEN}\n"))),
            *("--app-secret-file", str(self.write("app-secret.txt", APP_SECRET))),
            *("--callback-url", self.meta.business.url),
            *("--picture", str(self.write("picture.png", PNG))),
            **environment,
        )

    async def wait_for_review(self) -> None:
        async def approved() -> bool:
            _, listed = await self.meta.call_graph(f"{WABA_ID}/message_templates?status=APPROVED&fields=name")
            return len(listed["data"]) == TEMPLATES

        await wait_for(approved)

    async def count_accepted(self) -> int:
        account = await self.meta.fetch_account()
        return int(account["accepted"])


@pytest.fixture
async def new(tmp_path: Path) -> AsyncIterator[NewInstallation]:
    async with run_simulator_harness(new_account=True, review_seconds=0.1) as meta:
        installation = NewInstallation(meta=meta, folder=tmp_path)
        for who in ("dispatcher", "ingress"):
            (tmp_path / "secrets" / who).mkdir(parents=True)
        installation.write("secrets/ingress/kreisfunk_verify_token", VERIFY_TOKEN)
        yield installation


def read_states(ended: CommandResult) -> dict[str, str]:
    """The state of each step, by its name."""
    return {name: state for state, name in STEP.findall(ended.output)}


async def test_a_new_account_is_set_up_from_nothing_to_one_message_and_each_step_is_done_once(
    new: NewInstallation,
) -> None:
    looked = await new.set_up("--check")
    assert (looked.status, read_states(looked)) == (1, {"token": "PROBLEM"})
    assert "there is none yet" in looked.output

    first = await new.set_up_all()
    assert first.status == 1
    states = read_states(first)
    assert {name for name, state in states.items() if state != "ok"} == {
        name for name in states if name.startswith("template ")
    }
    assert [line for line in first.output.splitlines() if "is PENDING" in line] != []
    assert "docker compose restart dispatcher ingress" in first.output
    assert new.read_secrets() == {
        "kreisfunk_graph_token": GRAPH_TOKEN,
        "kreisfunk_app_secrets": APP_SECRET,
        "kreisfunk_verify_token": VERIFY_TOKEN,
    }
    token = new.folder / "secrets" / "dispatcher" / "kreisfunk_graph_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600

    await new.wait_for_review()
    (citizen,) = await new.meta.add()
    handshakes = len(new.meta.business.handshakes)
    sent = await new.set_up("--yes", "--test-to", f"+{citizen['phone']}")
    assert (sent.status, set(read_states(sent).values())) == (0, {"ok"})
    assert len(new.meta.business.handshakes) == handshakes + 1  # our own look at the address
    _, templates = await new.meta.call_graph(f"{WABA_ID}/message_templates")
    assert len(templates["data"]) == TEMPLATES
    (message,) = await new.meta.call_control("GET", "account/messages")
    assert (message["citizen"], message["type"]) == (citizen["id"], "template")
    assert "Vollsperrung" in message["text"] or "Fahrbahndecke" in message["text"]
    await new.meta.write(citizen, text="Start")
    await new.meta.business.wait_until(lambda: bool(new.meta.business.messages))


async def test_to_look_changes_nothing(new: NewInstallation) -> None:
    arguments = ("--check", "--yes", "--callback-url", new.meta.business.url, "--test-to", "+4947919300")
    token = new.write("token.txt", GRAPH_TOKEN)
    secret = new.write("app-secret.txt", APP_SECRET)
    ended = await new.set_up(*arguments, "--token-file", str(token), "--app-secret-file", str(secret))
    states = read_states(ended)
    assert ended.status == 1
    assert {name: state for name, state in states.items() if not name.startswith("template ")} == {
        **dict.fromkeys(("number", "account", "permissions", "verify token", "callback"), "ok"),
        **dict.fromkeys(("token", "app", "webhook", "account's webhook", "test message"), "open"),
    }
    assert list(new.read_secrets()) == ["kreisfunk_verify_token"]
    assert new.meta.business.handshakes == ["subscribe"]  # our own, not Meta's
    _, templates = await new.meta.call_graph(f"{WABA_ID}/message_templates")
    _, apps = await new.meta.call_graph(f"{WABA_ID}/subscribed_apps")
    assert (templates["data"], apps["data"], await new.count_accepted()) == ([], [], 0)


async def test_the_test_message_is_asked_for_and_sent_once(new: NewInstallation) -> None:
    await new.set_up_all()
    await new.wait_for_review()
    (citizen,) = await new.meta.add()
    arguments = ("--test-to", f"+{citizen['phone']}")
    without = await new.set_up(*arguments)  # nobody is there to be asked
    assert (without.status, await new.count_accepted()) == (1, 0)
    for typed, accepted in (("n", 0), ("y", 1)):
        asked = await run_on_terminal("setup", *arguments, typed=typed, environment=new.environment)
        assert "Meta bills it" in asked.errors
        assert (asked.status, await new.count_accepted()) == (1 - accepted, accepted)


async def test_a_token_is_asked_for_without_being_shown(new: NewInstallation) -> None:
    await new.set_up_all()
    await new.wait_for_review()
    new.write("secrets/dispatcher/kreisfunk_graph_token", "expired-token")
    wrong = await run_on_terminal("setup", typed="mistyped-token", environment=new.environment, prompt=HIDDEN)
    assert (wrong.status, new.read_secrets()["kreisfunk_graph_token"]) == (1, "expired-token")
    asked = await run_on_terminal("setup", typed=GRAPH_TOKEN, environment=new.environment, prompt=HIDDEN)
    assert (asked.status, set(read_states(asked).values())) == (0, {"ok"})
    assert new.read_secrets()["kreisfunk_graph_token"] == GRAPH_TOKEN
    assert GRAPH_TOKEN not in asked.everything


async def test_an_app_of_a_provider_gets_our_address_for_the_account_only(new: NewInstallation) -> None:
    new.write("secrets/dispatcher/kreisfunk_graph_token", GRAPH_TOKEN)
    arguments = ("--provider", "--yes", "--callback-url", new.meta.business.url)
    ended = await new.set_up(*arguments, "--picture", str(new.write("picture.png", PNG)))
    assert read_states(ended)["account's webhook"] == "ok"
    assert "Give --picture FILE, a JPEG or PNG, and --app-id: an app uploads it." in ended.output
    assert "webhook" not in read_states(ended)
    _, apps = await new.meta.call_graph(f"{WABA_ID}/subscribed_apps")
    assert apps["data"][0]["override_callback_uri"] == new.meta.business.url


async def test_an_address_that_the_account_has_from_elsewhere_is_removed(new: NewInstallation) -> None:
    await new.set_up_all()
    async with run_business() as former:
        await new.set_up("--provider", "--yes", "--callback-url", former.url)
        assert read_states(await new.set_up("--check"))["account's webhook"] == "open"
    assert read_states(await new.set_up("--yes"))["account's webhook"] == "ok"
    _, apps = await new.meta.call_graph(f"{WABA_ID}/subscribed_apps")
    assert "override_callback_uri" not in apps["data"][0]


async def test_a_wrong_token_and_a_wrong_app_secret_are_not_stored(new: NewInstallation) -> None:
    wrong = new.write("token.txt", "entirely-wrong-token")
    ended = await new.set_up("--yes", "--token-file", str(wrong))
    refused = "Meta does not accept the token: it is wrong, expired or was withdrawn (code 190)"
    assert f"PROBLEM  token: {refused}" in ended.output
    assert "generate a token that never expires" in ended.output
    assert "entirely-wrong" not in ended.everything
    new.write("secrets/dispatcher/kreisfunk_graph_token", GRAPH_TOKEN)
    ended = await new.set_up("--yes", "--app-secret-file", str(new.write("secret.txt", "entirely-wrong-secret")))
    states = read_states(ended)
    assert (states["app"], states["webhook"]) == ("PROBLEM", "open")
    assert "Settings, Basic" in ended.output
    assert "entirely-wrong" not in ended.everything
    assert sorted(new.read_secrets()) == ["kreisfunk_graph_token", "kreisfunk_verify_token"]


@pytest.mark.parametrize(
    "stored", [f"{GRAPH_TOKEN}\n{GRAPH_TOKEN}", GRAPH_TOKEN.encode("utf-16")], ids=["lines", "utf-16"]
)
async def test_a_stored_token_that_is_none_is_explained(new: NewInstallation, stored: str | bytes) -> None:
    new.write("secrets/dispatcher/kreisfunk_graph_token", stored)
    ended = await new.set_up("--check")
    assert (ended.status, read_states(ended)["token"]) == (1, "PROBLEM"), ended.everything
    assert "must be one word" in ended.output


async def test_an_address_that_does_not_answer_the_handshake_is_explained(new: NewInstallation) -> None:
    await new.set_up_all()
    new.write("secrets/ingress/kreisfunk_verify_token", "a-newer-token-than-the-running-one")
    ended = await new.set_up("--yes")
    assert "PROBLEM  callback: the ingress has another verify token" in ended.output
    assert "docker compose restart ingress" in ended.output
    nowhere = await new.set_up("--yes", "--callback-url", "http://127.0.0.1:1/webhook")
    states = read_states(nowhere)
    assert (states["callback"], states["webhook"]) == ("PROBLEM", "PROBLEM")
    assert "(code 2200, Meta says:" in nowhere.output


async def test_a_proxy_that_does_not_pass_the_webhook_on_is_explained(new: NewInstallation) -> None:
    status = 0

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/webhook", answer)
    await new.set_up_all()
    advices = ((308, "does not follow redirects"), (502, "does not reach the ingress"), (404, "unchanged"))
    async with TestServer(app) as proxy:
        for status, advice in advices:
            ended = await new.set_up("--check", "--callback-url", str(proxy.make_url("/webhook")))
            assert f"PROBLEM  callback: the handshake was answered with {status}" in ended.output
            assert advice in ended.output


async def test_a_typo_in_the_public_address_is_one_problem_among_the_steps(new: NewInstallation) -> None:
    await new.set_up_all()
    for host in ("whatsapp..example", "whatsapp.example:443000", "[::1", "\udcfc.example"):
        ended = await new.set_up("--check", "--callback-url", f"https://{host}/webhook")
        assert "no host can have this name" in ended.output, ended.everything


async def test_a_rejected_template_and_a_changed_one_are_explained(new: NewInstallation, tmp_path: Path) -> None:
    await new.set_up_all()
    await new.wait_for_review()
    rejection = {"status": "REJECTED", "reason": "PROMOTIONAL"}
    await new.meta.call_control("PUT", "templates/kreisfunk_baustellen_v1", rejection)
    changed: list[dict[str, Any]] = json.loads((CONFIG / "templates.json").read_text())
    for template in changed:
        if template["name"] == "kreisfunk_stellen_v1":
            template["category"] = "UTILITY"
    file = new.write("templates.json", json.dumps(changed))
    ended = await new.set_up("--check", "--templates", str(file))
    lines = ended.output.splitlines()
    assert "PROBLEM  template kreisfunk_baustellen_v1: was rejected: PROMOTIONAL" in lines
    assert "open     template kreisfunk_stellen_v1: is APPROVED, but as MARKETING, not UTILITY" in lines
    states = read_states(ended)
    assert [name for name, state in states.items() if state != "ok"] == [
        "template kreisfunk_stellen_v1",
        "template kreisfunk_baustellen_v1",
    ]


async def test_topics_may_share_a_template(new: NewInstallation) -> None:
    text = (CONFIG / "county.toml").read_text().replace("kreisfunk_stellen", "kreisfunk_veranstaltungen")
    county = str(new.write("county.toml", text))
    ended = await new.set_up_all(KREISFUNK_COUNTY_FILE=county)
    assert "PROBLEM" not in ended.output
    assert ended.output.count("template kreisfunk_veranstaltungen_v1: ") == 1


async def test_a_template_that_is_not_taken_stops_no_other(new: NewInstallation) -> None:
    changed = (CONFIG / "templates.json").read_text().replace("{{text}}\\n\\nSie erhalten", "{{text}}")
    changed = changed.replace("diese Meldung, weil Sie das Thema Baustellen abonniert haben.", "")
    for name in ("token", "app-secret"):
        new.write(f"{name}.txt", GRAPH_TOKEN if name == "token" else APP_SECRET)
    new.write("secrets/dispatcher/kreisfunk_graph_token", GRAPH_TOKEN)
    new.write("secrets/ingress/kreisfunk_app_secrets", APP_SECRET)
    file = new.write("templates.json", changed)
    ended = await new.set_up("--yes", "--templates", str(file))
    assert "PROBLEM  template kreisfunk_baustellen_v1: a variable is first or last in the text" in ended.output
    states = read_states(ended)
    assert states["template kreisfunk_stellen_v1"] == "open"
    assert states["template kreisfunk_stellen_bild_v1"] == "open"
    assert "--picture FILE" in ended.output


async def test_a_refused_test_message_is_explained_and_not_repeated(new: NewInstallation) -> None:
    await new.set_up_all()
    await new.wait_for_review()
    (citizen,) = await new.meta.add()
    for attempted, (code, advice) in enumerate(((131042, "payment method"), (131037, "display name approved")), 1):
        fault = {"reject_share": 1, "reject_code": code, "reject_status": GraphError(code, "").status}
        await new.meta.call_control("PUT", "faults", fault)
        ended = await new.set_up("--yes", "--test-to", f"+{citizen['phone']}")
        assert (ended.status, advice in ended.output) == (1, True)
        assert (await new.meta.fetch_account())["attempted"] == attempted


async def test_settings_that_do_not_fit_the_number_are_named(new: NewInstallation) -> None:
    new.write("secrets/dispatcher/kreisfunk_graph_token", GRAPH_TOKEN)
    ended = await new.set_up("--check", KREISFUNK_MESSAGES_PER_SECOND="200")
    assert "PROBLEM  rate: we would send 200 a second, Meta permits 80" in ended.output


async def test_wrong_command_lines_end_before_anything_is_asked(new: NewInstallation) -> None:
    assert (await new.set_up("--test-to", "04791 9300")).status == 2
    for wrong in ("two\nlines", "\ufeffafter-a-bom", "before-a-nul\0"):
        refused = await new.set_up("--token-file", str(new.write("token.txt", wrong)))
        assert (refused.status, "exactly one secret" in refused.errors) == (2, True)
    elsewhere = await new.set_up(KREISFUNK_SECRETS_DIR=str(new.folder))
    assert (elsewhere.status, "no folder dispatcher" in elsewhere.errors) == (2, True)
    without = await run_in_process("setup", environment={**new.environment, "KREISFUNK_WABA_ID": ""})
    assert (without.status, "KREISFUNK_WABA_ID" in without.errors) == (2, True)
