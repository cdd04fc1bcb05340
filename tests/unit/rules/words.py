"""Words for the rules on names. A verb that is missing here is added on purpose, an old name never comes back."""

_VERBS = """
accept acquire add advance answer append apply approve archive ask asks assemble assign attach audit authenticate
begin bind block broadcast browse buffer build calculate call cancel change check choose claim clamp
classify clean clear close collect combine commit compare compile complete compose compute configure confirm
connect consume contains convert copy correct count create cut decide declare decline decode decompress
decrypt delete deliver derive describe detect disable discard download drain draw drop enable encode encrypt end
enqueue ensure enter erase escape estimate evaluate examine expand expect explain extend extract fail feed
fetch fill filter find fit finish fix flatten fold follow format generate get give grant
group handle has hash hold identify ignore index initialize insert install interpolate interpret invite is
iterate
join keep kill launch leave limit list load locate lock log main make mark mask match may
measure merge migrate move name normalize note notify number observe open order parse pass pause peek
pick place plan play poll post predict prefer prepare protect press print probe process publish purge put quarantine
quote raise rank react read receive record recover redirect redact refill refresh refuse register reject
release remove render renew reopen repeat replace replay report request requeue require resend reserve
reset resolve respond restart restore restrict resume retry review revoke rewrite rotate run sanitize save
say schedule score select send serve set settle should show sign skip sleep soften sort split stamp start
stop store stream strip submit subscribe sum summarize suppress suspend switch sync take throttle tokenize
track train transfer translate trim truncate try unlock update upgrade upload use validate verify wait wants warn watch
with withdraw work wrap write
"""
VERBS = frozenset(_VERBS.split())
# Conversions and factories that are called by what they return.
CONVERSIONS = frozenset(
    {
        "connection",
        "delivery_id",
        "event_key",
        "event_path",
        "session",
        "system_clock",
        "template_key",
        "transaction",
    }
)
# Names that asyncio, httptools and asyncpg call or give, and commands that typer registers elsewhere.
FOREIGN_NAMES = frozenset(
    {
        "connection_lost",
        "connection_made",
        "data_received",
        "demo",
        "doctor",
        "eof_received",
        "fetchrow",
        "fetchval",
        "on_body",
        "on_header",
        "on_headers_complete",
        "on_message_begin",
        "on_message_complete",
        "secrets",
        "up",
    }
)
# How things were called before they got the field's words.
OLD_NAMES = (
    r"services[./]ingress[./]door",
    r"shared[./]municipal",
    r"shared[./]sealing",
    r"cli[./]faults",
    r"cli[./]doors",
    r"cli[./]demo[./]simulator",
    r"KREISFUNK_DOOR_\w+",
    r"KREISFUNK_KEEP_DAYS",
    r"KREISFUNK_SEALING_KEYS",
    r"kreisfunk_door_\w+",
    r"kreisfunk_ingress_words_total",
    r"\w+_lost_slots_total",
    r"\w+_leased_slots_total",
    r"\w+_late_use_seconds_total",
    r"\w+_forgotten_rows_total",
    r"\w+_kept_oldest_seconds",
    r"\w+_retention_at_seconds",
    r"kreisfunk_feeds_last_success\b(?!_)",
    r"dispatcher\.questions",
    r"dispatcher\.people",
    r"dispatcher\.stops",
    r"subscriptions\.refusals",
    r"kreisfunk limits",
    r"kreisfunk unknown",
    r"kreisfunk faults",
    r"held_by_hand",
    r"held_reason",
    r"template_hold",
    r"DependencyAway",
    r"BrokerAway",
    r"PatientPublisher",
    r"NoticeDesk",
    r"ContactBook",
    r"StatusNews",
    r"NotUnderstood",
    r"Guesser",
    r"LONGEST_\w+",
    r"LARGEST_\w+",
    r"AGAIN_SECONDS",
    r"AWAY_SECONDS",
    r"LOOK_SECONDS",
    r"wish_of",
    r"rig",
    r"untapped",
    r"sealing_key",
    r"SEALING_\w+",
    r"sealed anew",
    r"MOST_\w+",
    r"forget_contact",
    r"WritingDesk",
    r"QuarantineDesk",
    r"parking",
    r"Tidier",
    r"Outlet",
    r"Opinions",
    r"kreisfunk_ingress_unknown_words_total",
    r"ProviderAway",
    r"contact_book_away",
    r"identity_provider_away",
)
