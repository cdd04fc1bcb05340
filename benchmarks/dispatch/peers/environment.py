"""A peer's settings from its environment."""

import os
import sys
from collections.abc import Iterator

from benchmarks.dispatch.message import build_request_body

BROKER_URL = os.environ.get("BENCHMARK_BROKER_URL", "")
ENDPOINT_URL = os.environ.get("BENCHMARK_ENDPOINT_URL", "")
IN_FLIGHT = int(os.environ.get("BENCHMARK_IN_FLIGHT", "200"))


def build_bodies() -> Iterator[str]:
    """Yield different requests, as many as the command line says."""
    return map(build_request_body, range(int(sys.argv[1])))
