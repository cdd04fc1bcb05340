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
say schedule score select send serve set settle should show sign sleep soften sort split stamp start
stop store stream strip submit subscribe sum summarize suppress suspend switch sync take throttle tokenize
track train translate trim truncate try unlock update upgrade upload use validate verify wait wants warn watch
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
# How things were called before they got the field's words. An everyday word counts only as the name that it was.
OLD_NAMES = (
    r"services[./]ingress[./](?:\w+[./])?(?:desk|board|guard)",
    r"services[./]subscriptions[./]\w+[./](?:\w+[./])?(?:guard|sorts|orders|announcements|waves)",
    r"services[./]subscriptions[./]\w+[./](?:\w+[./])?(?:leaving|joining|asking|choosing|pausing)",
    r"services[./]dispatcher[./]\w+[./](?:news|course)",
    r"services[./]newsroom[./]\w+[./]listening\w*",
    r"services[./]feeds[./](?:looking|trying|opening|running|plain)",
    r"shared[./]amqp[./](?:looking|kept|tap)",
    r"shared[./]notices[./](?:shapes|reading|binding|identity|checking|file)",
    r"shared[./]municipal",
    r"deploy[./]local[./](?:turns|together|writing)",
    r"tests[./]faults[./](?:hands|books|course|talk|looks|catalogue|arrivals)",
    r"tests[./](?:\w+[./])*(?:stand|town|office|desk|press|material)",
    r"cli[./]faults",
    r"cli[./]doors",
    r"cli[./]publish[./]ways",
    r"cli[./]demo[./]simulator",
    r"class _?(?:Follower|Guard|Index|Kept|Kind|Known|Numbers|Order|People|Place|Scale|Seen|Situation|Surroundings)",
    r"class _?(?:Terms|Watch|Way|Weather|Words|Written)",
    r"def _?(?:forget|held|kept|sorts|tap|told|understand)",
    r"KREISFUNK_DOOR_\w+",
    r"KREISFUNK_KEEP_DAYS",
    r"KREISFUNK_SEALING_KEYS",
    r"kreisfunk_door_\w+",
    r"\w*words_total",
    r"\w*lost_slots\w*",
    r"\w*leased_slots\w*",
    r"\w*late_use_seconds\w*",
    r"\w*forgotten_rows\w*",
    r"\w*kept_oldest_seconds",
    r"kreisfunk_\w+_held",
    r"\w+_retention_at_seconds",
    r"kreisfunk_feeds_last_success\b(?!_)",
    r"dispatcher\.questions",
    r"dispatcher\.people",
    r"dispatcher\.stops",
    r"subscriptions\.refusals",
    r"kreisfunk limits",
    r"limits (?:hold|release)",
    r"kreisfunk unknown",
    r"kreisfunk faults",
    r"held_by_hand",
    r"held_reason",
    r"template_hold",
    r"DependencyAway",
    r"BrokerAway",
    r"PatientPublisher",
    r"NoticeDesk",
    r"Desk",
    r"Board",
    r"ContactBook",
    r"StatusNews",
    r"ledger_news",
    r"NotUnderstood",
    r"Guesser",
    r"Guess",
    r"Wish",
    r"LONGEST_\w+",
    r"LARGEST_\w+",
    r"\w*AGAIN_SECONDS",
    r"\w*AWAY_SECONDS",
    r"\w*LOOK_SECONDS",
    r"wish_of",
    r"door",
    r"judging",
    r"Refusal",
    r"Outlook",
    r"Receipt",
    r"welcomes",
    r"_Parcel",
    r"Packed",
    r"Slice",
    r"_mention",
    r"Hearing",
    r"_Said",
    r"Decided",
    r"Settled",
    r"keep_only",
    r"farewell",
    r"weighing",
    r"Neighbours",
    r"Likelihood",
    r"Pump",
    r"_keep_stock",
    r"_short",
    r"Course",
    r"Remedy",
    r"heed",
    r"upkeep",
    r"\w*Teller",
    r"peeked",
    r"reread",
    r"detours",
    r"refuge",
    r"needles",
    r"Ear",
    r"Manner",
    r"Shelf",
    r"Mortal",
    r"rig",
    r"untapped",
    r"Seal",
    r"seals?",
    r"sealing",
    r"sealing_key",
    r"SEALING_\w+",
    r"sealed anew",
    r"MOST_\w+",
    r"USUAL_\w+",
    r"forget_contact",
    r"WritingDesk",
    r"QuarantineDesk",
    r"parking",
    r"Tidier",
    r"Outlet",
    r"Opinions",
    r"ProviderAway",
    r"contact_book_away",
    r"identity_provider_away",
    r"(?:Postgres)?Listening(?:Log|Period)",
    r"BroadcastEcho",
    r"SubscriptionMoves",
    r"Stranded(?:Counts)?",
)
