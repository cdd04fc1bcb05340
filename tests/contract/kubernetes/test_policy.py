"""Requirements on every pod of ours."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from deploy.paths import ROOT
from tests.contract.kubernetes.rendering import (
    KUBERNETES,
    RELEASE,
    RUN_ONCE,
    TOOLS,
    Document,
    Installation,
    find_container,
    merge,
    read_example,
    render_all,
)
from tests.contract.kubernetes.test_schemas import list_problems

# The standard "restricted", and a root file system that nobody writes to.
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
INTERNET = "0.0.0.0/0"


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ()))


def list_policies(installed: Installation, labels: Mapping[str, str]) -> list[Document]:
    policies = (policy["spec"] for policy in installed.list_kind("NetworkPolicy"))
    return [policy for policy in policies if selects(policy["podSelector"], labels)]


def can_reach(installed: Installation, labels: Mapping[str, str], peer: Mapping[str, str], port: int) -> bool:
    """Return whether policies of both sides let the first open a connection to the second."""
    sides = (("egress", "to", labels, peer), ("ingress", "from", peer, labels))
    return all(
        any(
            any(each["port"] <= port <= each.get("endPort", each["port"]) for each in rule.get("ports", ()))
            and any("podSelector" in one and selects(one["podSelector"], there) for one in rule[other])
            for policy in list_policies(installed, here)
            if direction.capitalize() in policy["policyTypes"]
            for rule in policy.get(direction, ())
        )
        for direction, other, here, there in sides
    )


def label(component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "kreisfunk",
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": component,
    }


BROKER = {"app.kubernetes.io/name": f"{RELEASE}-broker"}
DATABASE = {"cnpg.io/cluster": f"{RELEASE}-database"}


def test_every_pod_has_no_rights_a_version_bounds_and_no_foreign_settings(installed: Installation) -> None:
    """With the release `kreisfunk`, Kubernetes' own variables of services would be called KREISFUNK_NEWSROOM_PORT."""
    for component, pod in installed.list_pods():
        spec, container = pod["spec"], find_container(pod)
        assert spec["securityContext"].items() >= POD_SECURITY.items(), component
        assert spec["securityContext"]["runAsUser"] > 0, component
        assert container["securityContext"] == CONTAINER_SECURITY, component
        assert spec["automountServiceAccountToken"] is False, component
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), component
        assert re.fullmatch(r"registry\.example/kreisfunk:\d+\.\d+\.\d+", container["image"]), component
        resources = container["resources"]
        assert set(resources["limits"]) == set(resources["requests"]) == {"cpu", "memory"}, component
        assert spec["enableServiceLinks"] is False, component


def test_what_runs_is_probed_and_is_given_time_to_end(installed: Installation) -> None:
    probes = {"livenessProbe": "/livez", "startupProbe": "/livez", "readinessProbe": "/readyz"}
    for component, pod in installed.list_pods():
        if component not in TOOLS | RUN_ONCE:
            container = find_container(pod)
            assert {probe: container[probe]["httpGet"]["path"] for probe in probes} == probes, component
            assert pod["spec"]["terminationGracePeriodSeconds"] >= 5 + 20, component


def test_tools_do_not_run_by_themselves(installed: Installation) -> None:
    replicas = {name: installed.find("Deployment", name)["spec"]["replicas"] for name in TOOLS}
    assert replicas == dict.fromkeys(TOOLS, 0)


def test_every_deployment_has_a_disruption_budget(installed: Installation) -> None:
    budgets = [budget["spec"] for budget in installed.list_kind("PodDisruptionBudget")]
    for component, pod in installed.list_pods():
        covering = [each for each in budgets if selects(each["selector"], pod["metadata"]["labels"])]
        assert len(covering) == (component not in RUN_ONCE), component
        assert all(each["maxUnavailable"] == 1 for each in covering), component


def test_every_pod_is_denied_what_is_not_named_and_no_rule_is_for_everybody(installed: Installation) -> None:
    assert set(installed.find("NetworkPolicy", "default-deny")["spec"]) == {"podSelector", "policyTypes"}
    for component, pod in installed.list_pods():
        policies = list_policies(installed, pod["metadata"]["labels"])
        assert len(policies) == 2, component
        assert all(set(policy["policyTypes"]) == {"Ingress", "Egress"} for policy in policies), component
    for policy in installed.list_kind("NetworkPolicy"):
        spec = policy["spec"]
        peers: list[Any] = [rule.get("from") for rule in spec.get("ingress", ())]
        peers += [rule.get("to") for rule in spec.get("egress", ())]
        assert all(peers), policy["metadata"]["name"]


def test_only_who_sends_reaches_the_internet(installed: Installation) -> None:
    def is_outside(policy: Document) -> bool:
        return any(
            peer.get("ipBlock", {}).get("cidr") == INTERNET for rule in policy.get("egress", ()) for peer in rule["to"]
        )

    reaching = {
        component
        for component, pod in installed.list_pods()
        if any(map(is_outside, list_policies(installed, pod["metadata"]["labels"])))
    }
    assert reaching - {"feeds"} == {"dispatcher"}


@pytest.mark.parametrize("example", ["small", "cluster"])
def test_everybody_reaches_what_their_urls_name_and_nothing_else(
    installations: Mapping[str, Installation], example: str
) -> None:
    installed = installations[example]
    for component, pod in installed.list_pods():
        named = {variable["name"] for variable in find_container(pod)["env"]}
        here = label(component)
        assert can_reach(installed, here, BROKER, 5672) == ("KREISFUNK_BROKER_URL" in named), component
        assert can_reach(installed, here, BROKER, 15672) == ("KREISFUNK_BROKER_API_URL" in named), component
        assert can_reach(installed, here, DATABASE, 5432) == ("KREISFUNK_DATABASE_URL" in named), component
        assert can_reach(installed, here, label("notices"), 8081) == ("KREISFUNK_NOTICES_API_URL" in named), component


@pytest.mark.parametrize("example", ["small", "cluster"])
def test_instances_of_the_database_reach_one_another(installations: Mapping[str, Installation], example: str) -> None:
    """A primary that cannot reach the Kubernetes API stays alive only if it reaches the others' instance managers."""
    installed = installations[example]
    (policy,) = list_policies(installed, DATABASE)
    reached = {
        port["port"]
        for rule in policy["ingress"]
        if {"podSelector": {"matchLabels": DATABASE}} in rule["from"]
        for port in rule["ports"]
    }
    assert reached == {5432, 8000}
    assert not any(can_reach(installed, label(component), DATABASE, 8000) for component, _ in installed.list_pods())


GRAPH, ISSUER = "KREISFUNK_GRAPH_URL", "KREISFUNK_OIDC_ISSUER"
ADDRESSES = {
    "https://graph.county.example:8443": 8443,
    "https://graph.county.example": 443,
    "https://192.0.2.9/v1": 443,
    "http://[2001:db8::9]:8080": 8080,
}


def test_addresses_that_are_set_are_reached_at_their_ports() -> None:
    values = [merge(read_example("cluster"), {"settings": {GRAPH: url, ISSUER: url}}) for url in ADDRESSES]
    for port, installed in zip(ADDRESSES.values(), render_all(values), strict=True):
        dispatcher, newsroom = (
            installed.find("NetworkPolicy", component)["spec"]["egress"] for component in ("dispatcher", "newsroom")
        )
        (outside,) = (
            rule for rule in dispatcher if any(peer.get("ipBlock", {}).get("cidr") == INTERNET for peer in rule["to"])
        )
        assert outside["ports"] == [{"port": port}]
        assert {"to": [{"ipBlock": {"cidr": "192.0.2.8/32"}}], "ports": [{"port": port}]} in newsroom


@pytest.mark.parametrize(("example", "standbys"), [("small", "0"), ("cluster", "2"), ("external", "2")])
def test_who_checks_the_database_is_told_of_its_standbys(
    installations: Mapping[str, Installation], example: str, standbys: str
) -> None:
    for component, pod in installations[example].list_pods():
        if component in {"migrate", "dispatcher"}:
            given = {each["name"]: each.get("value") for each in find_container(pod)["env"]}
            assert given["KREISFUNK_DATABASE_STANDBYS"] == standbys, component


def test_external_servers_are_reached_at_their_ports_and_only_by_who_has_their_urls(
    installations: Mapping[str, Installation],
) -> None:
    installed = installations["external"]
    for component, pod in installed.list_pods():
        named = {variable["name"] for variable in find_container(pod)["env"]}
        policies = list_policies(installed, pod["metadata"]["labels"])
        reached = {
            (peer["ipBlock"]["cidr"], port["port"])
            for policy in policies
            for rule in policy.get("egress", ())
            for peer in rule["to"]
            if peer.get("ipBlock", {}).get("cidr", "").startswith("192.0.2.")
            for port in rule["ports"]
        }
        expected = {
            "KREISFUNK_DATABASE_URL": ("192.0.2.16/28", 5432),
            "KREISFUNK_BROKER_URL": ("192.0.2.32/28", 5671),
            "KREISFUNK_BROKER_API_URL": ("192.0.2.32/28", 15671),
        }
        assert reached == {expected[name] for name in named & set(expected)}, component


def test_a_ca_of_ones_own_is_where_it_is_looked_for(installations: Mapping[str, Installation]) -> None:
    for component, pod in installations["external"].list_pods():
        container = find_container(pod)
        assert {"name": "SSL_CERT_FILE", "value": "/trust/ca.pem"} in container["env"], component
        assert {"name": "trust", "mountPath": "/trust", "readOnly": True} in container["volumeMounts"], component
        assert {"name": "trust", "configMap": {"name": "ca-of-the-county"}} in pod["spec"]["volumes"], component


def test_keda_trusts_a_ca_of_ones_own_too() -> None:
    """It takes one only if the same authentication says that TLS is used."""
    scaled = {"scaling": {"subscriptions": {"enabled": True}}}
    examples = ("external", "cluster")
    external, cluster = render_all([merge(read_example(name), scaled) for name in examples])
    assert list_problems(external.documents, KUBERNETES[0]) == []
    given = {
        each["parameter"]: (each["name"], each["key"])
        for each in external.find("TriggerAuthentication", "subscriptions")["spec"]["configMapTargetRef"]
    }
    assert given == {"ca": ("ca-of-the-county", "ca.pem"), "tls": (f"{RELEASE}-keda", "tls")}
    assert external.find("ConfigMap", "keda")["data"] == {"tls": "enable"}
    assert "configMapTargetRef" not in cluster.find("TriggerAuthentication", "subscriptions")["spec"]


def test_services_lead_to_the_ports_of_pods(installed: Installation) -> None:
    for service in installed.list_kind("Service"):
        (port,) = service["spec"]["ports"]
        found = [
            each["containerPort"]
            for _, pod in installed.list_pods()
            if selects({"matchLabels": service["spec"]["selector"]}, pod["metadata"]["labels"])
            for each in find_container(pod).get("ports", ())
            if each["name"] == port["targetPort"]
        ]
        assert set(found) == {port["port"]}, service["metadata"]["name"]


def test_only_the_webhook_of_the_ingress_is_public_up_to_metas_largest(
    installations: Mapping[str, Installation],
) -> None:
    """ingress-nginx takes 1 MB by itself, and logs the query of each request, which has the token of the handshake."""
    public = installations["cluster"].find("Ingress", "ingress")
    (rule,) = public["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/webhook", "Exact")
    assert public["metadata"]["annotations"] == {
        "nginx.ingress.kubernetes.io/proxy-body-size": "4m",
        "nginx.ingress.kubernetes.io/enable-access-log": "false",
    }


def test_the_broker_is_configured_as_with_compose(installations: Mapping[str, Installation]) -> None:
    """But for its first login, which the operator makes."""
    rabbitmq = installations["cluster"].find("RabbitmqCluster", "broker")["spec"]["rabbitmq"]
    first, _, others = (ROOT / "deploy" / "rabbitmq" / "kreisfunk.conf").read_text().partition("\n\n")
    assert rabbitmq["additionalConfig"] == others
    assert re.findall(r"^\w+(?=\.)", first, re.MULTILINE) == ["definitions", "definitions"]
    assert "auth_backends.1.authz = kreisfunk_bounds" in others
    plugins = set((ROOT / "deploy" / "rabbitmq" / "enabled_plugins").read_text().strip("[].\n").split(","))
    assert plugins - set(rabbitmq["additionalPlugins"]) == {"rabbitmq_management", "rabbitmq_prometheus"}


def test_what_scales_has_no_fixed_number_of_replicas(installations: Mapping[str, Installation]) -> None:
    installed = installations["cluster"]
    scalers = [
        scaler["spec"] for kind in ("ScaledObject", "HorizontalPodAutoscaler") for scaler in installed.list_kind(kind)
    ]
    scaled = {each["scaleTargetRef"]["name"] for each in scalers}
    assert scaled == {f"{RELEASE}-{name}" for name in ("ingress", "subscriptions", "dispatcher")}
    for deployment in installed.list_kind("Deployment"):
        assert ("replicas" in deployment["spec"]) == (deployment["metadata"]["name"] not in scaled)
