"""The part of the custom resources' schemas that the chart uses, written by hand after their CRDs.

KEDA 2.20, CloudNativePG 1.30, RabbitMQ's cluster operator 2.22, the Prometheus operator 0.93, External Secrets 2.9.
What is not here may exist there: add it after a look at the CRD.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Quantity = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$")]
Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]*(ms|[smhd])$")]
Positive = Annotated[int, Meta(ge=1)]


class _Part(Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    pass


class _Name(_Part):
    name: Annotated[str, Meta(min_length=1)]


class _Metadata(_Part):
    name: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class _Resource(_Part):
    api_version: str
    kind: str
    metadata: _Metadata


class _Selector(_Part):
    match_labels: dict[str, str]


class _Amounts(_Part):
    cpu: Quantity
    memory: Quantity


class _Resources(_Part):
    requests: _Amounts
    limits: _Amounts


class _ScaleDown(_Part):
    stabilization_window_seconds: Annotated[int, Meta(ge=0, le=3600)]


class _Behavior(_Part):
    scale_down: _ScaleDown


class _HpaConfiguration(_Part):
    behavior: _Behavior


class _Advanced(_Part):
    horizontal_pod_autoscaler_config: _HpaConfiguration


class _PrometheusMetadata(_Part):
    server_address: str
    query: str
    threshold: str


class _PrometheusTrigger(_Part, tag_field="type", tag="prometheus"):
    metadata: _PrometheusMetadata


class _RabbitmqMetadata(_Part):
    """Its user name and password, both or none, come from the container's variable and the authentication."""

    host: Annotated[str, Meta(pattern="^amqps?://")]
    username_from_env: str
    queue_name: str
    mode: Literal["QueueLength"]
    value: str


class _RabbitmqTrigger(_Part, tag_field="type", tag="rabbitmq"):
    metadata: _RabbitmqMetadata
    authentication_ref: _Name


class _ScaledObjectSpec(_Part):
    scale_target_ref: _Name
    min_replica_count: Positive
    max_replica_count: Positive
    advanced: _Advanced
    triggers: Annotated[list[_PrometheusTrigger | _RabbitmqTrigger], Meta(min_length=1)]


class ScaledObject(_Resource):
    spec: _ScaledObjectSpec


class _SecretTarget(_Part):
    parameter: str
    name: str
    key: str


class _TriggerAuthenticationSpec(_Part):
    secret_target_ref: list[_SecretTarget]
    config_map_target_ref: list[_SecretTarget] = []


class TriggerAuthentication(_Resource):
    spec: _TriggerAuthenticationSpec


class _Synchronous(_Part):
    method: Literal["any", "first"]
    number: Positive
    data_durability: Literal["required", "preferred"]
    failover_quorum: bool


class _Postgresql(_Part):
    parameters: dict[str, str]
    synchronous: _Synchronous | None = None


class _Initdb(_Part):
    database: str
    owner: str
    encoding: str
    locale: str
    locale_provider: Literal["builtin", "icu", "libc"]
    builtin_locale: str
    data_checksums: bool
    post_init_application_sql: list[str] = msgspec.field(name="postInitApplicationSQL")


class _Plugin(_Part):
    name: Annotated[str, Meta(min_length=1)]
    parameters: dict[str, str] = {}
    is_wal_archiver: bool = msgspec.field(name="isWALArchiver", default=False)


class _ExternalCluster(_Part):
    name: Annotated[str, Meta(min_length=1)]
    plugin: _Plugin


class _Backup(_Part):
    volume_snapshot: dict[str, str]


class _RecoveryTarget(_Part):
    target_time: str


class _Recovery(_Part):
    source: str
    database: str
    owner: str
    recovery_target: _RecoveryTarget | None = None


class _Bootstrap(_Part):
    initdb: _Initdb | None = None
    recovery: _Recovery | None = None

    def __post_init__(self) -> None:
        if (self.initdb is None) == (self.recovery is None):
            raise ValueError("one of initdb and recovery is needed")


class _PostgresAffinity(_Part):
    enable_pod_anti_affinity: bool
    topology_key: str
    pod_anti_affinity_type: Literal["required", "preferred"]


class _PostgresStorage(_Part):
    size: Quantity
    storage_class: str | None = None


class _PostgresClusterSpec(_Part):
    instances: Positive
    affinity: _PostgresAffinity
    bootstrap: _Bootstrap
    postgresql: _Postgresql
    resources: _Resources
    storage: _PostgresStorage
    image_name: str | None = None
    backup: _Backup | None = None
    plugins: list[_Plugin] = []
    external_clusters: list[_ExternalCluster] = []


class PostgresCluster(_Resource):
    spec: _PostgresClusterSpec


class _RabbitmqConfiguration(_Part):
    additional_plugins: list[Annotated[str, Meta(pattern=r"^\w+$")]]
    additional_config: str
    advanced_config: str


class _RabbitmqPersistence(_Part):
    storage: Quantity
    storage_class_name: str | None = None


class _RabbitmqClusterSpec(_Part):
    replicas: Annotated[int, Meta(ge=0)]
    image: str
    rabbitmq: _RabbitmqConfiguration
    resources: _Resources
    persistence: _RabbitmqPersistence
    affinity: dict[str, Any]  # as in any pod
    image_pull_secrets: list[_Name] = []


class RabbitmqCluster(_Resource):
    spec: _RabbitmqClusterSpec


class _Relabeling(_Part):
    target_label: str
    source_labels: list[str] = []
    replacement: str | None = None


class _Endpoint(_Part):
    port: str
    interval: Duration
    path: str = "/metrics"
    params: dict[str, list[str]] = {}
    relabelings: list[_Relabeling] = []


class _ServiceMonitorSpec(_Part):
    selector: _Selector
    endpoints: list[_Endpoint]


class ServiceMonitor(_Resource):
    spec: _ServiceMonitorSpec


class _PodMonitorSpec(_Part):
    selector: _Selector
    pod_metrics_endpoints: list[_Endpoint]


class PodMonitor(_Resource):
    spec: _PodMonitorSpec


class _StaticConfig(_Part):
    targets: Annotated[list[Annotated[str, Meta(pattern=r"^[^/:]+:[0-9]+$")]], Meta(min_length=1)]


class _ScrapeConfigSpec(_Part):
    static_configs: Annotated[list[_StaticConfig], Meta(min_length=1)]
    scrape_interval: Duration
    metrics_path: str = "/metrics"
    params: dict[str, list[str]] = {}
    relabelings: list[_Relabeling] = []


class ScrapeConfig(_Resource):
    spec: _ScrapeConfigSpec


class _Rule(_Part):
    expr: str
    alert: str | None = None
    record: str | None = None
    for_: str | None = msgspec.field(name="for", default=None)
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _RuleGroup(_Part):
    name: str
    rules: list[_Rule]
    interval: str | None = None


class _PrometheusRuleSpec(_Part):
    groups: list[_RuleGroup]


class PrometheusRule(_Resource):
    spec: _PrometheusRuleSpec


class _Store(_Part):
    kind: Literal["SecretStore", "ClusterSecretStore"]
    name: str


class _Extract(_Part):
    key: str


class _DataFrom(_Part):
    extract: _Extract


class _ExternalSecretSpec(_Part):
    secret_store_ref: _Store
    target: _Name
    data_from: list[_DataFrom]


class ExternalSecret(_Resource):
    spec: _ExternalSecretSpec


KINDS: Mapping[tuple[str, str], type[_Resource]] = {
    ("keda.sh/v1alpha1", "ScaledObject"): ScaledObject,
    ("keda.sh/v1alpha1", "TriggerAuthentication"): TriggerAuthentication,
    ("postgresql.cnpg.io/v1", "Cluster"): PostgresCluster,
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"): RabbitmqCluster,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ServiceMonitor,
    ("monitoring.coreos.com/v1", "PodMonitor"): PodMonitor,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PrometheusRule,
    ("monitoring.coreos.com/v1alpha1", "ScrapeConfig"): ScrapeConfig,
    ("external-secrets.io/v1", "ExternalSecret"): ExternalSecret,
}
