"""The part of the custom resources' schemas that the chart uses, written by hand after their CRDs.

KEDA 2.20, CloudNativePG 1.30, RabbitMQ's cluster operator 2.22, the Prometheus operator 0.93, External Secrets 2.9.
What is not here may exist there: add it after a look at the CRD.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Schema = Mapping[str, Any]
NOTHING: Mapping[str, Schema] = MappingProxyType({})
TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
POSITIVE: Schema = {"type": "integer", "minimum": 1}
NATURAL: Schema = {"type": "integer", "minimum": 0}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
ANYTHING: Schema = {"type": "object"}


def shape(optional: Mapping[str, Schema] = NOTHING, **required: Schema) -> Schema:
    """An object with these fields and no others."""
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def match(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def choose(*values: str) -> Schema:
    return {"enum": list(values)}


def repeat(*kinds: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": {"anyOf": kinds}, "minItems": least}


def resource(spec: Schema) -> Schema:
    metadata = shape({"annotations": TEXTS}, name=TEXT, labels=TEXTS)
    return shape(apiVersion=TEXT, kind=TEXT, metadata=metadata, spec=spec)


QUANTITY = match(r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$")
DURATION = match(r"^[1-9][0-9]*(ms|[smhd])$")
NAMED = shape(name=NAME)
AMOUNTS = shape(cpu=QUANTITY, memory=QUANTITY)
RESOURCES = shape(requests=AMOUNTS, limits=AMOUNTS)

SCALE_DOWN = shape(stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600})
PROMETHEUS_TRIGGER = shape(type=choose("prometheus"), metadata=shape(serverAddress=TEXT, query=TEXT, threshold=TEXT))
# Its user name and password, both or none, come from the container's variable and the authentication.
RABBITMQ_TRIGGER = shape(
    type=choose("rabbitmq"),
    metadata=shape(
        host=match("^amqps?://"), usernameFromEnv=TEXT, queueName=TEXT, mode=choose("QueueLength"), value=TEXT
    ),
    authenticationRef=NAMED,
)
SCALED_OBJECT = shape(
    scaleTargetRef=NAMED,
    minReplicaCount=POSITIVE,
    maxReplicaCount=POSITIVE,
    advanced=shape(horizontalPodAutoscalerConfig=shape(behavior=shape(scaleDown=SCALE_DOWN))),
    triggers=repeat(PROMETHEUS_TRIGGER, RABBITMQ_TRIGGER, least=1),
)
SECRET_TARGETS = repeat(shape(parameter=TEXT, name=TEXT, key=TEXT))

PLUGIN = shape({"parameters": TEXTS, "isWALArchiver": FLAG}, name=NAME)
SYNCHRONOUS = shape(
    method=choose("any", "first"),
    number=POSITIVE,
    dataDurability=choose("required", "preferred"),
    failoverQuorum=FLAG,
)
INITDB = shape(
    database=TEXT,
    owner=TEXT,
    encoding=TEXT,
    locale=TEXT,
    localeProvider=choose("builtin", "icu", "libc"),
    builtinLocale=TEXT,
    dataChecksums=FLAG,
    postInitApplicationSQL=repeat(TEXT),
)
RECOVERY = shape({"recoveryTarget": shape(targetTime=TEXT)}, source=TEXT, database=TEXT, owner=TEXT)
POSTGRES_CLUSTER = shape(
    {
        "imageName": TEXT,
        "backup": shape(volumeSnapshot=TEXTS),
        "plugins": repeat(PLUGIN),
        "externalClusters": repeat(shape(name=NAME, plugin=PLUGIN)),
    },
    instances=POSITIVE,
    affinity=shape(enablePodAntiAffinity=FLAG, topologyKey=TEXT, podAntiAffinityType=choose("required", "preferred")),
    bootstrap={"oneOf": [shape(initdb=INITDB), shape(recovery=RECOVERY)]},
    postgresql=shape({"synchronous": SYNCHRONOUS}, parameters=TEXTS),
    resources=RESOURCES,
    storage=shape({"storageClass": TEXT}, size=QUANTITY),
)

RABBITMQ_CLUSTER = shape(
    {"imagePullSecrets": repeat(NAMED)},
    replicas=NATURAL,
    image=TEXT,
    rabbitmq=shape(additionalPlugins=repeat(match(r"^\w+$")), additionalConfig=TEXT, advancedConfig=TEXT),
    resources=RESOURCES,
    persistence=shape({"storageClassName": TEXT}, storage=QUANTITY),
    affinity=ANYTHING,  # as in any pod
)

SELECTOR = shape(matchLabels=TEXTS)
PARAMETERS: Schema = {"type": "object", "additionalProperties": repeat(TEXT)}
RELABELINGS = repeat(shape({"sourceLabels": repeat(TEXT), "replacement": TEXT}, targetLabel=TEXT))
ENDPOINTS = repeat(
    shape({"path": TEXT, "params": PARAMETERS, "relabelings": RELABELINGS}, port=TEXT, interval=DURATION)
)
SCRAPE_CONFIG = shape(
    {"metricsPath": TEXT, "params": PARAMETERS, "relabelings": RELABELINGS},
    staticConfigs=repeat(shape(targets=repeat(match(r"^[^/:]+:[0-9]+$"), least=1)), least=1),
    scrapeInterval=DURATION,
)
RULE = shape({"alert": TEXT, "record": TEXT, "for": TEXT, "labels": TEXTS, "annotations": TEXTS}, expr=TEXT)
RULE_GROUP = shape({"interval": TEXT}, name=TEXT, rules=repeat(RULE))
EXTERNAL_SECRET = shape(
    secretStoreRef=shape(kind=choose("SecretStore", "ClusterSecretStore"), name=TEXT),
    target=NAMED,
    dataFrom=repeat(shape(extract=shape(key=TEXT))),
)

KINDS: Mapping[tuple[str, str], Schema] = {
    ("keda.sh/v1alpha1", "ScaledObject"): resource(SCALED_OBJECT),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): resource(
        shape({"configMapTargetRef": SECRET_TARGETS}, secretTargetRef=SECRET_TARGETS)
    ),
    ("postgresql.cnpg.io/v1", "Cluster"): resource(POSTGRES_CLUSTER),
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"): resource(RABBITMQ_CLUSTER),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): resource(shape(selector=SELECTOR, endpoints=ENDPOINTS)),
    ("monitoring.coreos.com/v1", "PodMonitor"): resource(shape(selector=SELECTOR, podMetricsEndpoints=ENDPOINTS)),
    ("monitoring.coreos.com/v1", "PrometheusRule"): resource(shape(groups=repeat(RULE_GROUP))),
    ("monitoring.coreos.com/v1alpha1", "ScrapeConfig"): resource(SCRAPE_CONFIG),
    ("external-secrets.io/v1", "ExternalSecret"): resource(EXTERNAL_SECRET),
}
