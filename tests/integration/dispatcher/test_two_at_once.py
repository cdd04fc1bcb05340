"""Two operations on the ledger at once: as one after the other; one that is cut off: repeated without a difference."""

import os
import random
from itertools import product

from services.dispatcher.adapters.ledger import PostgresLedger
from tests.concurrency import open_race
from tests.databases import FreshDatabase
from tests.integration.dispatcher.ledger_operations import build_operations, fill_ledger, read_ledger
from tests.servers import connect_to_database

# What is claimed before a cut has an unknown outcome, a follow-up goes on, and operators do not repeat what they did.
NOT_REPEATED = ("claim", "reply", "extend", "operator", "resend", "settle")
PAIRS = int(os.environ.get("KREISFUNK_TEST_PAIRS", "150"))


async def test_two_operations_at_once_leave_what_one_after_the_other_leaves(
    database: FreshDatabase, ledger: PostgresLedger
) -> None:
    async with connect_to_database(database.url) as owner:
        await fill_ledger(ledger, owner)
    operations = build_operations()
    # Each at least once before and once beside another one.
    pairs = list(zip(operations, random.sample(list(operations), len(operations)), strict=True))
    others = list(product(operations, operations))
    pairs += random.sample(others, min(PAIRS - len(pairs), len(others)))
    async with open_race(database, "dispatcher", operations, read_ledger) as race:
        for pair in pairs:
            assert "\n".join(await race.find_differences(*pair)) == ""


async def test_an_operation_that_was_cut_off_is_repeated_without_a_difference(
    database: FreshDatabase, ledger: PostgresLedger
) -> None:
    async with connect_to_database(database.url) as owner:
        await fill_ledger(ledger, owner)
    operations = build_operations()
    async with open_race(database, "dispatcher", operations, read_ledger) as race:
        for name in operations:
            if not name.startswith(NOT_REPEATED):
                assert "\n".join(await race.find_losses(name)) == ""
