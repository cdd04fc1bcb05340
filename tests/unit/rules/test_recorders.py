"""No test starts a broker whose messages are held against nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

from deploy.paths import ROOT

STARTS_ONE = re.compile(
    r"\b(run_stack|run_rabbitmq|create_vhost)\(|\brun_command\(\"(demo|up)\"|tests\.faults\.run import"
)
RECORDS_IT = re.compile(r"\b(record_contracts|follow_stack|ContractRecorder)\(")
# Nothing of ours is published there, or a test that calls it does the recording.
UNRECORDED = {
    "tests/e2e/edge/test_going_live.py": "is about commands and names; what is published is in the tests of the demo",
    "tests/faults/__main__.py": "the bench by itself; where a test runs it, the test records it",
    "tests/faults/run.py": "the same",
    "tests/integration/local/test_local_servers.py": "is about the servers themselves",
    "tests/integration/neighbours/harness.py": "a recorder would keep all of a flood",
    "tests/servers.py": "starts them for the fixtures, which recorder each vhost",
}


def find_unrecorded() -> Iterator[str]:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text() if path != Path(__file__) else ""
        if STARTS_ONE.search(text) and not RECORDS_IT.search(text):
            yield str(path.relative_to(ROOT))


def test_every_broker_of_the_tests_is_recorded() -> None:
    assert list(find_unrecorded()) == sorted(UNRECORDED)
