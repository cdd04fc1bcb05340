"""Any two operations on the ledger at once have the outcome of one after the other, wherever the second begins."""

import os
import random
from itertools import product

from services.dispatcher.adapters.ledger import PostgresLedger
from tests.concurrency import open_race
from tests.databases import FreshDatabase
from tests.integration.dispatcher.ledger_operations import build_operations, fill_ledger, read_ledger
from tests.servers import connect_to_database

PAIRS = int(os.environ.get("KREISFUNK_TEST_PAIRS", "150"))


async def test_two_operations_at_once_leave_what_one_after_the_other_leaves(
    database: FreshDatabase, ledger: PostgresLedger
) -> None:
    async with connect_to_database(database.url) as owner:
        await fill_ledger(ledger, owner)
    operations = build_operations()
    pairs = list(product(operations, repeat=2))
    async with open_race(database, "dispatcher", operations, read_ledger) as race:
        for pair in random.sample(pairs, min(PAIRS, len(pairs))):
            assert "\n".join(await race.find_differences(*pair)) == ""
