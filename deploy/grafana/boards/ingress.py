"""The dashboard "Ingress": what comes in from Meta."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import INSTANCE, Panel, Query, build_process_panels, build_quantiles

PREFIX = "kreisfunk_ingress"


def _build_rate(metric: str, label: str) -> list[Query]:
    rate = f"sum by ({label}) (rate({PREFIX}_{metric}_total{{{INSTANCE}}}[$__rate_interval]))"
    return [Query(rate, "{{" + label + "}}")]


PANELS = (
    Panel(
        title="Webhooks",
        description="By what became of them; unavailable: the broker did not confirm, Meta sends them again.",
        unit="reqps",
        queries=_build_rate("webhooks", "result"),
        alert="WebhooksRefused",
    ),
    Panel(
        title="Events",
        description="Events that the broker confirmed, by kind.",
        unit="mps",
        queries=_build_rate("events", "kind"),
    ),
    Panel(
        title="Events by Meta's type",
        description="The ten most frequent; other: one that we do not know.",
        unit="mps",
        queries=[
            Query(
                f"topk(10, sum by (type) (rate({PREFIX}_events_by_type_total{{{INSTANCE}}}[$__rate_interval])))",
                "{{type}}",
            )
        ],
    ),
    Panel(
        title="Time until the broker's confirm",
        description="Meta waits for it.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_confirm_seconds", INSTANCE),
        alert="WebhooksRefused",
    ),
    Panel(
        title="Events in one AMQP message",
        description="Webhooks that arrive together are stored together.",
        unit="none",
        queries=build_quantiles(f"{PREFIX}_group_size", INSTANCE),
    ),
    Panel(
        title="Not understood",
        description="Parts of webhooks in quarantine, by kind.",
        unit="mps",
        queries=_build_rate("problems", "kind"),
        alert="QuarantineNotEmpty",
    ),
    Panel(
        title="Not for us",
        description="Parts of webhooks that are about something else, by reason.",
        unit="mps",
        queries=_build_rate("ignored", "reason"),
    ),
    Panel(
        title="Other requests",
        description="Requests to the public port that were no webhook, by status.",
        unit="reqps",
        queries=_build_rate("other_requests", "status"),
    ),
    Panel(
        title="Wrong signatures",
        description="Share of the webhooks.",
        unit="percentunit",
        queries=[
            Query(
                f'sum(rate({PREFIX}_webhooks_total{{result="unsigned"}}[$__rate_interval]))'
                f" / (sum(rate({PREFIX}_webhooks_total[$__rate_interval])) > 0)",
                "unsigned",
            )
        ],
        alert="SignaturesRefused",
    ),
)
INGRESS = Dashboard(
    name="ingress",
    title="Kreisfunk: ingress",
    description="Webhooks: how many come, how fast they are safe, and what is refused.",
    panels=(*PANELS, *build_process_panels("ingress")),
    job="ingress",
)
