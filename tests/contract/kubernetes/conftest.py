"""Only where the tools have been fetched."""

import os
from collections.abc import Mapping

import pytest

from tests.contract.kubernetes.rendering import EXAMPLES, Installation, read_example, render_all

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_HELM") else ["test_*.py"]


@pytest.fixture(scope="session")
def installations() -> Mapping[str, Installation]:
    """Every example, rendered once."""
    return dict(zip(EXAMPLES, render_all([read_example(name) for name in EXAMPLES]), strict=True))


@pytest.fixture(params=EXAMPLES)
def installed(request: pytest.FixtureRequest, installations: Mapping[str, Installation]) -> Installation:
    installation = installations[request.param]
    assert installation.refused == ""
    return installation
