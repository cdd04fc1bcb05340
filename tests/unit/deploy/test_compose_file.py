"""docker-compose.yml, against the settings, scrape jobs and images that it is about."""

import re
from importlib.util import find_spec
from textwrap import dedent

import msgspec
import pytest

from simulator.settings import PREFIX, SECRETS_DIR
from simulator.settings import Settings as Simulator
from tests.compose_file import PROCESSES, ROOT, SERVICES, PassedSetting, list_settings, read_environment
from tools.docs.settings import SETTINGS_BY_READER

GRAPH_URL = "KREISFUNK_GRAPH_URL"
OURS = "${KREISFUNK_IMAGE:-kreisfunk:latest}"
# At least its major version, which .env may replace by a digest.
VERSIONED = re.compile(r"\$\{[A-Z]+_IMAGE:-[a-z/]+:v?\d[\w.-]*\}")
TRUST = re.compile(r"^    services:\n(?:      .+\n)+", re.MULTILINE)
RUNNING = [
    name
    for name, service in SERVICES.items()
    if service.get("image") in (OURS, f"{OURS}-simulator") and "healthcheck" in service
]
BASES = {
    "rabbitmq": "deploy/rabbitmq/Dockerfile",
    "secrets": "deploy/Dockerfile",
    "simulator": "deploy/Dockerfile",
}
JOBS = {
    job["job_name"]: job
    for job in msgspec.yaml.decode((ROOT / "deploy/prometheus/prometheus.yml").read_bytes())["scrape_configs"]
}


def test_every_process_of_the_guide_is_known() -> None:
    assert set(PROCESSES) == set(SETTINGS_BY_READER)


def is_passed_on(passed: PassedSetting) -> bool:
    """Return whether its service gets it, from .env if it may; no secret is a variable."""
    given = read_environment(passed.service)
    if passed.secret:
        return passed.setting not in given
    if not passed.variable:
        return "$" not in (given.get(passed.setting) or "")
    value = given[passed.setting]
    if value is None:
        return passed.variable == passed.setting
    return re.fullmatch(rf"\$\{{{passed.variable}:-[^${{}}]+\}}", value) is not None


def test_every_setting_of_the_guide_is_passed_on_and_no_secret_is() -> None:
    assert [passed for passed in list_settings() if not is_passed_on(passed)] == []


def test_the_variables_of_the_simulator_exist() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Simulator.model_fields} | {SECRETS_DIR}
    assert set(read_environment("simulator")) <= known


def test_the_simulator_starts_on_demand_only_and_is_told_where_is_sent_to() -> None:
    assert SERVICES["simulator"]["profiles"] == ["simulator"]
    assert read_environment("simulator")["SIMULATOR_GRAPH_URL"] == "${KREISFUNK_GRAPH_URL:-}"
    assert read_environment("dispatcher")["KREISFUNK_GRAPH_URL"] == "${KREISFUNK_GRAPH_URL:-http://simulator:8090}"


def test_the_guide_lets_everything_that_calls_meta_or_an_identity_provider_trust_a_ca_of_ones_own() -> None:
    (override,) = TRUST.findall((ROOT / "docs/guides/operators.md").read_text())
    trusting = msgspec.yaml.decode(dedent(override))["services"]
    assert set(trusting) == {
        name
        for name, each in SERVICES.items()
        if {GRAPH_URL, "KREISFUNK_OIDC_ISSUER"} & set(each.get("environment", ()))
    }
    assert all(each["environment"]["SSL_CERT_FILE"] for each in trusting.values())


@pytest.mark.parametrize("service", RUNNING)
def test_everything_of_ours_that_runs_is_a_module_of_ours(service: str) -> None:
    python, option, module = SERVICES[service]["command"]
    assert (python, option) == ("python", "-m")
    assert find_spec(f"{module}.__main__")


@pytest.mark.parametrize("service", RUNNING)
def test_everything_of_ours_that_runs_is_scraped(service: str) -> None:
    (found,) = JOBS[service]["dns_sd_configs"]
    assert found["names"] == [service]
    port = (
        read_environment(service).get("KREISFUNK_INTERNAL_PORT") or read_environment(service)["SIMULATOR_LISTEN_PORT"]
    )
    assert str(found["port"]) == port
    assert set(SERVICES[service]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_prometheus_reads_alerts_and_targets_that_change_while_it_runs() -> None:
    """A single file that an update replaces stays the old one in a container."""
    prometheus = SERVICES["prometheus"]
    assert "--enable-feature=auto-reload-config" in prometheus["command"]
    assert "./deploy/prometheus:/etc/prometheus:ro" in prometheus["volumes"]
    assert not [each for each in prometheus["volumes"] if each.partition(":")[0].endswith(".yml")]


def test_doctor_asks_everything_of_ours_that_always_runs_whether_it_is_ready() -> None:
    asked = {url for option in SERVICES["doctor"]["entrypoint"] if (url := option.partition("--ready-url=")[2])}
    environment = read_environment("doctor")
    asked.add(f"http://{environment['KREISFUNK_INTERNAL_HOST']}:{environment['KREISFUNK_INTERNAL_PORT']}/readyz")
    always = {name for name in RUNNING if "profiles" not in SERVICES[name]}
    assert asked == {f"http://{name}:{read_environment(name)['KREISFUNK_INTERNAL_PORT']}/readyz" for name in always}


@pytest.mark.parametrize(
    "service", [name for name, service in SERVICES.items() if service.get("image") != OURS or "build" in service]
)
def test_images_of_others_name_a_major_version_and_may_be_pinned_by_digest(service: str) -> None:
    if service not in BASES:
        assert VERSIONED.fullmatch(SERVICES[service]["image"])
        return
    (argument,) = SERVICES[service]["build"]["args"]
    assert SERVICES[service]["build"]["args"][argument] is None
    dockerfile = (ROOT / BASES[service]).read_text()
    assert re.search(rf"^ARG {argument}=[a-z]+:\d[\w.-]*$", dockerfile, re.MULTILINE)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) - stages == {f"${{{argument}}}"}


def test_a_stop_is_heard_before_another_message_leaves_when_processors_are_short() -> None:
    shares = {name: SERVICES[name].get("cpu_shares", 1024) for name in ("ingress", "subscriptions", "dispatcher")}
    assert min(shares["ingress"], shares["subscriptions"]) > shares["dispatcher"]
