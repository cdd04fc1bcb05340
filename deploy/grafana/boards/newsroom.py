"""The dashboard "Newsroom"."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import INSTANCE, Panel, Query, build_number, build_process_panels, build_quantiles

PREFIX = "kreisfunk_newsroom"

PANELS = (
    build_number(
        "Waiting to be taken",
        "Notices that the notices API has not answered yet.",
        "none",
        f"max({PREFIX}_outbox_waiting)",
        red_from=10,
        alert="NewsroomOutboxWaits",
    ),
    build_number(
        "Oldest of them",
        "How long it has waited.",
        "s",
        f"max({PREFIX}_outbox_oldest_seconds)",
        red_from=60,
        alert="NewsroomOutboxWaits",
    ),
    build_number(
        "Events to be read",
        "On the newsroom's queue; beyond 200,000 the oldest are dropped.",
        "none",
        'max(rabbitmq_detailed_queue_messages{queue="newsroom.events"})',
        red_from=100,
        alert="NewsroomEventsGrow",
    ),
    build_number(
        "Age of the archive",
        "How old what the public archive shows is.",
        "s",
        f"max({PREFIX}_archive_age_seconds)",
        red_from=60,
        alert="ArchiveStale",
    ),
    Panel(
        title="Requests",
        description="By path and status.",
        unit="reqps",
        queries=[
            Query(
                f"sum by (path, status) (rate({PREFIX}_requests_total{{{INSTANCE}}}[$__rate_interval]))",
                "{{path}} {{status}}",
            )
        ],
    ),
    Panel(
        title="Time of an answer",
        description="From request to answer, all pages together.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_request_seconds", INSTANCE),
    ),
    Panel(
        title="Notices sent to the notices API",
        description="By its answer; unanswered ones are sent again.",
        unit="short",
        queries=[
            Query(
                f"sum by (result) (increase({PREFIX}_publications_total{{{INSTANCE}}}[$__rate_interval]))", "{{result}}"
            )
        ],
        alert="NewsroomOutboxWaits",
    ),
    Panel(
        title="Logins",
        description="By result; delayed: after too many failures.",
        unit="short",
        queries=[
            Query(f"sum by (result) (increase({PREFIX}_logins_total{{{INSTANCE}}}[$__rate_interval]))", "{{result}}")
        ],
    ),
    Panel(
        title="Outbox",
        description="How long the oldest has waited that the notices API has not answered.",
        unit="s",
        queries=[Query(f"max({PREFIX}_outbox_oldest_seconds)", "oldest")],
        red_from=60,
        alert="NewsroomOutboxWaits",
    ),
    Panel(
        title="Rows deleted by retention",
        description="By kind, in the last day.",
        unit="short",
        queries=[Query(f"sum by (kind) (increase({PREFIX}_retention_deleted_rows_total[1d]))", "{{kind}}")],
        alert="RetentionStalled",
    ),
)
NEWSROOM = Dashboard(
    name="newsroom",
    title="Kreisfunk: newsroom",
    description="The press office's pages, what they send, and the public archive.",
    panels=(*PANELS, *build_process_panels("newsroom")),
    job="newsroom",
)
