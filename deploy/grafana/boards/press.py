"""The press office's dashboard, in German."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import Panel, Query, build_number, build_quantiles

# What the values of labels are called there.
OUTCOMES = {
    "started": "Anmeldung",
    "renewed": "erneute Anmeldung",
    "changed": "Themen oder Orte geändert",
    "topics_removed": "Themen abbestellt",
    "ended": "Abmeldung",
    "erased": "alles gelöscht",
    "informed": "Frage beantwortet",
    "shown": "Auskunft über eigene Daten",
    "feedback": "Rückmeldung",
    "reacted": "Reaktion",
    "moved": "neue Nummer",
    "emergency": "Notfall: auf den Notruf verwiesen",
    "hinted": "nicht verstanden: Hinweis gegeben",
    "quiet": "ohne Antwort: zu viele Nachrichten",
    "ignored": "ohne Wirkung",
    "outdated": "überholt",
    "refused": "nimmt nichts mehr an",
    "stopped_marketing": "Werbung in WhatsApp abbestellt",
}
KINDS = {"text": "Text", "rating": "Bewertung", "reaction": "Reaktion"}
CATEGORIES = {"marketing": "Werbung (Marketing)", "utility": "Service (Utility)"}
QUANTILES = {"p50": "die Hälfte", "p95": "95 von 100", "p99": "99 von 100"}

SUBSCRIPTIONS, DISPATCHER = "kreisfunk_subscriptions", "kreisfunk_dispatcher"


def _count_outcome(outcome: str, window: str) -> str:
    return f'sum(increase({SUBSCRIPTIONS}_inbound_total{{outcome="{outcome}"}}[{window}]))'


def _calculate_costs(window: str) -> str:
    """Return the costs by category; Meta bills what it has delivered."""
    billed = f"sum by (category) (increase({DISPATCHER}_billed_messages_total[{window}]))"
    return f"{billed} * on (category) max by (category) ({SUBSCRIPTIONS}_message_price_euros)"


PANELS = (
    build_number(
        "Abonnentinnen und Abonnenten",
        "Personen, die gerade angemeldet sind.",
        "none",
        f'max({SUBSCRIPTIONS}_subscribers{{state="subscribed"}})',
    ),
    build_number("Anmeldungen", "Im gezeigten Zeitraum.", "none", _count_outcome("started", "$__range")),
    build_number(
        "Abmeldungen", "Im gezeigten Zeitraum.", "none", _count_outcome("ended", "$__range"), alert="OptOutsUnusual"
    ),
    build_number(
        "Aussendungen",
        "Angenommene Meldungen im gezeigten Zeitraum, Berichtigungen mitgezählt.",
        "none",
        f'sum(increase({SUBSCRIPTIONS}_notices_total{{result="accepted"}}[$__range]))',
    ),
    build_number(
        "Zugestellte Nachrichten",
        "Im gezeigten Zeitraum, Antworten mitgezählt.",
        "none",
        f"sum(increase({DISPATCHER}_billed_messages_total[$__range]))",
    ),
    build_number(
        "Voraussichtliche Kosten",
        "Zugestellte Nachrichten mal Preis aus der Kreisdatei; maßgeblich ist Metas Rechnung.",
        "currencyEUR",
        f"sum({_calculate_costs('$__range')})",
    ),
    build_number(
        "Versand angehalten",
        "1, wenn gerade nichts hinausgeht; der Betrieb weiß, warum.",
        "none",
        f"max({DISPATCHER}_sending_paused)",
        red_from=1,
        alert="SendingPaused",
    ),
    build_number(
        "Es warten noch",
        "Nachrichten, die noch hinausgehen.",
        "none",
        f'sum(max by (lane) ({DISPATCHER}_waiting_deliveries{{lane!="reply"}}))',
    ),
    Panel(
        title="Abonnements nach Thema",
        description="Personen je Thema.",
        unit="short",
        queries=[Query(f"max by (topic) ({SUBSCRIPTIONS}_topic_subscribers)", "{{topic}}")],
        width=12,
    ),
    Panel(
        title="An- und Abmeldungen",
        description="In den jeweils letzten 24 Stunden.",
        unit="short",
        queries=[
            Query(_count_outcome("started", "1d"), "Anmeldungen"),
            Query(_count_outcome("ended", "1d"), "Abmeldungen"),
        ],
        width=12,
    ),
    Panel(
        title="Dauer der Aussendungen",
        description="Von der Veröffentlichung bis zum Ende der letzten Zustellung; der jeweils letzte Tag.",
        unit="s",
        queries=build_quantiles(f"{DISPATCHER}_broadcast_seconds", window="1d"),
        width=12,
        names=QUANTILES,
    ),
    Panel(
        title="Bis eine Meldung ankommt",
        description="Von der Veröffentlichung bis Meta eine Nachricht annimmt; der jeweils letzte Tag.",
        unit="s",
        queries=build_quantiles(f"{DISPATCHER}_publish_to_accepted_seconds", 'lane!="reply"', "1d"),
        width=12,
        names=QUANTILES,
    ),
    Panel(
        title="Was Bürgerinnen und Bürger schreiben",
        description="Nachrichten der jeweils letzten 24 Stunden nach dem, was sie bewirkt haben.",
        unit="short",
        queries=[Query(f"sum by (outcome) (increase({SUBSCRIPTIONS}_inbound_total[1d])) > 0", "{{outcome}}")],
        width=12,
        names=OUTCOMES,
    ),
    Panel(
        title="Bis eine Antwort ankommt",
        description="Von der Entscheidung bis Meta die Antwort annimmt; der jeweils letzte Tag.",
        unit="s",
        queries=build_quantiles(f"{DISPATCHER}_publish_to_accepted_seconds", 'lane="reply"', "1d"),
        width=12,
        names=QUANTILES,
    ),
    Panel(
        title="Rückmeldungen",
        description="Aufbewahrte Rückmeldungen nach Art.",
        unit="short",
        queries=[Query(f"max by (kind) ({SUBSCRIPTIONS}_feedback)", "{{kind}}")],
        width=12,
        names=KINDS,
    ),
    Panel(
        title="Voraussichtliche Kosten je Tag",
        description="Der jeweils letzten 24 Stunden, nach Metas Kategorie.",
        unit="currencyEUR",
        queries=[Query(_calculate_costs("1d"), "{{category}}")],
        width=12,
        names=CATEGORIES,
    ),
)
PRESS = Dashboard(
    name="press",
    title="Kreisfunk für die Pressestelle",
    description="Abonnements, Aussendungen, Antworten und Kosten.",
    panels=PANELS,
    hours="now-30d",
    refresh="1m",
)
