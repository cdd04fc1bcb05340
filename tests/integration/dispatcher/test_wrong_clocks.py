"""Clocks that are wrong: a replica's own, and the database's until it was set back."""

from dataclasses import replace
from pathlib import Path

from tests.integration.dispatcher.dispatch_client import wait_until
from tests.integration.dispatcher.endpoint_harness import EndpointHarness
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_refusal
from tests.integration.dispatcher.harness import ROOT

PAIR_LIMIT = 131056
# Python runs a module of this name first, before the dispatcher reads the clock's function.
AHEAD = """
from datetime import timedelta
from shared.runtime import clock
clock.system_clock = lambda now=clock.system_clock: now() + timedelta(minutes=10)
"""


async def test_a_replica_whose_clock_is_wrong_neither_drops_messages_nor_retries_at_a_wrong_time(
    endpoint_rig: EndpointHarness, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(AHEAD)
    dispatcher = endpoint_rig.prepare()
    environment = {**dispatcher.command.environment, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    dispatcher.command = replace(dispatcher.command, environment=environment)

    def refuse_the_second(request: SendRequest) -> GraphAnswer:
        return build_refusal(PAIR_LIMIT) if request.number == 1 else GraphAnswer()

    endpoint_rig.endpoint.behave = refuse_the_second
    await dispatcher.start()
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(2), expires_in=300)

    async def both_tried() -> bool:
        return await endpoint_rig.count_states() == {"accepted": 1, "waiting": 1}

    await wait_until(both_tried, endpoint_rig.describe)
    due = "select extract(epoch from due_at - claimed_at) from dispatcher.delivery where waits_for = 'pair'"
    assert 4 <= await endpoint_rig.client.books.fetchval(due) < 60


async def test_sending_goes_on_after_the_clock_of_the_database_was_set_back(endpoint_rig: EndpointHarness) -> None:
    """The rate's row says that everything up to an hour from now is reserved."""
    await endpoint_rig.start(2)
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(300))
    await endpoint_rig.wait_for_accepted(50)
    await endpoint_rig.client.books.execute(
        "update dispatcher.rate set next_at = clock_timestamp() + interval '1 hour'"
    )
    await endpoint_rig.wait_for_accepted(300)
