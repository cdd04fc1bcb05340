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
track train translate trim truncate try unlock update upgrade upload use validate verify wait wants warn watch
with withdraw work wrap write
"""
VERBS = frozenset(_VERBS.split())
# Conversions and factories that are called by what they return.
CONVERSIONS = frozenset(
    {"connection", "delivery_id", "event_key", "event_path", "session", "system_clock", "template_key", "transaction"}
)
# Names that asyncio, httptools and asyncpg call or give, and commands that typer registers elsewhere.
_FOREIGN_NAMES = """
connection_lost connection_made data_received demo doctor eof_received fetchrow fetchval on_body on_header
on_headers_complete on_message_begin on_message_complete secrets up
"""
FOREIGN_NAMES = frozenset(_FOREIGN_NAMES.split())
# How things were called before they got the field's words. An everyday word counts only as the name that it was.
_OLD_NAMES = r"""
services[./]ingress[./](?:\w+[./])?(?:desk|board|guard)
services[./]subscriptions[./]\w+[./](?:\w+[./])?(?:guard|sorts|orders|announcements|waves)
services[./]subscriptions[./]\w+[./](?:\w+[./])?(?:leaving|joining|asking|choosing|pausing)
services[./]dispatcher[./]\w+[./](?:news|course) services[./]newsroom[./]\w+[./]listening\w*
services[./]feeds[./](?:looking|trying|opening|running|plain) shared[./]amqp[./](?:looking|kept|tap)
shared[./]notices[./](?:shapes|reading|binding|identity|checking|file) shared[./]municipal
deploy[./]local[./](?:turns|together|writing) tests[./]faults[./](?:hands|books|course|talk|looks|catalogue|arrivals)
tests[./](?:\w+[./])*(?:stand|town|office|desk|press|material) cli[./]faults cli[./]doors cli[./]publish[./]ways
cli[./]demo[./]simulator
class\s_?(?:Follower|Guard|Index|Kept|Kind|Known|Numbers|Order|People|Place|Scale|Seen|Situation|Surroundings)
class\s_?(?:Terms|Watch|Way|Weather|Words|Written) def\s_?(?:forget|held|kept|sorts|tap|told|understand)
KREISFUNK_DOOR_\w+ KREISFUNK_KEEP_DAYS KREISFUNK_SEALING_KEYS kreisfunk_door_\w+ \w*words_total \w*lost_slots\w*
\w*leased_slots\w* \w*late_use_seconds\w* \w*forgotten_rows\w* \w*kept_oldest_seconds kreisfunk_\w+_held
\w+_retention_at_seconds kreisfunk_feeds_last_success\b(?!_) dispatcher\.questions dispatcher\.people
dispatcher\.stops subscriptions\.refusals kreisfunk\slimits limits\s(?:hold|release) kreisfunk\sunknown
kreisfunk\sfaults held_by_hand held_reason template_hold DependencyAway BrokerAway PatientPublisher NoticeDesk Desk
Board ContactBook StatusNews ledger_news NotUnderstood Guesser Guess Wish LONGEST_\w+ LARGEST_\w+ \w*AGAIN_SECONDS
\w*AWAY_SECONDS \w*LOOK_SECONDS wish_of door judging Refusal Outlook Receipt welcomes _Parcel Packed Slice _mention
Hearing _Said Decided Settled keep_only farewell weighing Neighbours Likelihood Pump _keep_stock _short Course Remedy
heed upkeep \w*Teller peeked reread detours refuge needles Ear Manner Shelf Mortal rig untapped Seal seals? sealing
sealing_key SEALING_\w+ sealed\sanew MOST_\w+ USUAL_\w+ forget_contact WritingDesk QuarantineDesk parking Tidier
Outlet Opinions ProviderAway contact_book_away identity_provider_away (?:Postgres)?Listening(?:Log|Period)
BroadcastEcho SubscriptionMoves Stranded(?:Counts)?
"""
OLD_NAMES = tuple(_OLD_NAMES.split())
