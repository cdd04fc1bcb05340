"""The dashboard "RabbitMQ and PostgreSQL"."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import INSTANCE, Panel, Query

ASIDE = ".+[.]dead|.+[.]retry[.].+|.*quarantine"

BROKER = (
    Panel(
        title="Queues",
        description="Messages, in hand ones included. A lane of broadcasts has at most 20 batches of up to 100.",
        unit="short",
        queries=[Query(f'max by (queue) (rabbitmq_detailed_queue_messages{{queue!~"{ASIDE}"}})', "{{queue}}")],
        alert="QueueNotWorkedOff",
    ),
    Panel(
        title="Parked and dead messages",
        description="Waiting for another attempt, given up, or not understood.",
        unit="short",
        queries=[Query(f'max by (queue) (rabbitmq_detailed_queue_messages{{queue=~"{ASIDE}"}})', "{{queue}}")],
        alert="DeadLetters",
    ),
    Panel(
        title="Messages through the broker",
        description="Received from and delivered to our services a second.",
        unit="mps",
        queries=[
            Query(f"sum(rate(rabbitmq_global_messages_received_total{{{INSTANCE}}}[$__rate_interval]))", "received"),
            Query(f"sum(rate(rabbitmq_global_messages_confirmed_total{{{INSTANCE}}}[$__rate_interval]))", "confirmed"),
            Query(
                f"sum(rate(rabbitmq_global_messages_acknowledged_total{{{INSTANCE}}}[$__rate_interval]))",
                "acknowledged",
            ),
        ],
    ),
    Panel(
        title="Broker: memory",
        description="In use, and the watermark from which it takes nothing more.",
        unit="bytes",
        queries=[
            Query(f"rabbitmq_process_resident_memory_bytes{{{INSTANCE}}}", "in use {{instance}}"),
            Query(f"rabbitmq_resident_memory_limit_bytes{{{INSTANCE}}}", "watermark {{instance}}"),
        ],
        alert="BrokerAlarm",
    ),
    Panel(
        title="Broker: free disk space",
        description="And the limit below which it takes nothing more.",
        unit="bytes",
        queries=[
            Query(f"rabbitmq_disk_space_available_bytes{{{INSTANCE}}}", "free {{instance}}"),
            Query(f"rabbitmq_disk_space_available_limit_bytes{{{INSTANCE}}}", "limit {{instance}}"),
        ],
        alert="BrokerAlarm",
    ),
    Panel(
        title="Broker: connections",
        description="Connections and channels.",
        unit="short",
        queries=[
            Query(f"rabbitmq_connections{{{INSTANCE}}}", "connections {{instance}}"),
            Query(f"rabbitmq_channels{{{INSTANCE}}}", "channels {{instance}}"),
        ],
        alert="BrokerUnavailable",
    ),
)
DATABASE = (
    Panel(
        title="Database: transactions",
        description="Committed and rolled back a second, of all services together.",
        unit="ops",
        queries=[
            Query("max(rate(kreisfunk_database_commits_total[$__rate_interval]))", "committed"),
            Query("max(rate(kreisfunk_database_rollbacks_total[$__rate_interval]))", "rolled back"),
        ],
        alert="DatabaseUnavailable",
    ),
    Panel(
        title="Database: connections",
        description="In use, and permitted.",
        unit="short",
        queries=[
            Query("max(kreisfunk_database_connections)", "in use"),
            Query("max(kreisfunk_database_max_connections)", "permitted"),
        ],
        alert="DatabaseConnectionsShort",
    ),
    Panel(
        title="Database: size",
        description="On disk, with its indexes.",
        unit="bytes",
        queries=[Query("max(kreisfunk_database_size_bytes)", "size")],
    ),
    Panel(
        title="Database: found in memory",
        description="Share of the blocks; lower means that the disk is read more often.",
        unit="percentunit",
        queries=[
            Query(
                "max(rate(kreisfunk_database_block_hits_total[$__rate_interval]))"
                " / (max(rate(kreisfunk_database_block_hits_total[$__rate_interval]))"
                " + max(rate(kreisfunk_database_block_reads_total[$__rate_interval])))",
                "found",
            )
        ],
    ),
    Panel(
        title="Database: rows changed",
        description="Inserted, updated or deleted a second.",
        unit="ops",
        queries=[Query("max(rate(kreisfunk_database_changed_rows_total[$__rate_interval]))", "rows")],
    ),
    Panel(
        title="Database: deadlocks and temporary files",
        description="Deadlocks in the interval, and bytes written to temporary files a second.",
        unit="short",
        queries=[
            Query("max(increase(kreisfunk_database_deadlocks_total[$__rate_interval]))", "deadlocks"),
            Query("max(rate(kreisfunk_database_temporary_bytes_total[$__rate_interval]))", "temporary bytes"),
        ],
    ),
)
SERVERS = Dashboard(
    name="servers",
    title="Kreisfunk: RabbitMQ and PostgreSQL",
    description="The two servers that everything rests on.",
    panels=(*BROKER, *DATABASE),
    job="rabbitmq",
)
