"""To whom a broadcast is sent again has to be said."""

import pytest

from tests.harness.commands import run_in_process

BROADCAST = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(("options", "advice"), [((), False), (("--unknown",), True)])
async def test_unknown_outcomes_alone_are_not_sent_again(options: tuple[str, ...], advice: bool) -> None:
    ended = await run_in_process("broadcasts", "resend", BROADCAST, *options, environment={})
    assert ended.status == 2
    assert "Say to whom: --missing." in ended.errors
    assert ("Add --missing: --unknown only extends it." in ended.errors) is advice
