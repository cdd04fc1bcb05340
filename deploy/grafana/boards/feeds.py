"""The dashboard "Feeds and integrations": who publishes notices."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import INSTANCE, Panel, Query, build_process_panels, build_quantiles

ORIGINS, API = "kreisfunk_feeds", "kreisfunk_notices_api"
JOBS = "notices|feeds"

PANELS = (
    Panel(
        title="Time since an origin was read",
        description="By feed or source of warnings.",
        unit="s",
        queries=[Query(f"time() - max by (name) ({ORIGINS}_last_success_timestamp_seconds)", "{{name}}")],
        red_from=7200,
        alert="FeedFailing",
    ),
    Panel(
        title="Polls",
        description="In the last hour; every result but new and unchanged is a failure.",
        unit="short",
        queries=[Query(f"sum by (name, result) (increase({ORIGINS}_polls_total[1h]))", "{{name}} {{result}}")],
    ),
    Panel(
        title="Entries and alerts",
        description="In the last hour, by what became of them.",
        unit="short",
        queries=[Query(f"sum by (name, outcome) (increase({ORIGINS}_entries_total[1h]))", "{{name}} {{outcome}}")],
    ),
    Panel(
        title="Notices API: requests",
        description="By path and status.",
        unit="reqps",
        queries=[
            Query(
                f"sum by (path, status) (rate({API}_requests_total{{{INSTANCE}}}[$__rate_interval]))",
                "{{path}} {{status}}",
            )
        ],
    ),
    Panel(
        title="Notices API: time of an answer",
        description="From request to answer; a 202 waits for the broker's confirm.",
        unit="s",
        queries=build_quantiles(f"{API}_request_seconds", INSTANCE),
    ),
    Panel(
        title="Notices API: refused",
        description="For a wrong token, or for the rate of a token or an address.",
        unit="reqps",
        queries=[Query(f"sum by (reason) (rate({API}_refused_total{{{INSTANCE}}}[$__rate_interval]))", "{{reason}}")],
    ),
    Panel(
        title="Notices over HTTP",
        description="Events that the broker confirmed, by kind.",
        unit="mps",
        queries=[Query(f"sum by (kind) (rate({API}_notices_total{{{INSTANCE}}}[$__rate_interval]))", "{{kind}}")],
    ),
    Panel(
        title="Notices from everywhere",
        description="By result, over HTTP and AMQP.",
        unit="mps",
        queries=[
            Query("sum by (result) (rate(kreisfunk_subscriptions_notices_total[$__rate_interval]))", "{{result}}")
        ],
    ),
    Panel(
        title="Rejected notices kept",
        description="Their publishers have been told; beyond 10,000 no more are kept.",
        unit="short",
        queries=[Query('max(rabbitmq_detailed_queue_messages{queue="subscriptions.quarantine"})', "kept")],
        red_from=9000,
        alert="QuarantineNearlyFull",
    ),
)
FEEDS = Dashboard(
    name="feeds",
    title="Kreisfunk: feeds and integrations",
    description="Who publishes notices, and what becomes of them.",
    panels=(*PANELS, *build_process_panels(JOBS)),
    job=JOBS,
)
