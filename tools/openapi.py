"""Generator of docs/openapi.json: `python -m tools.openapi`."""

import json

from services.ingress.notices.domain.openapi import build_openapi
from tools.schemas import CONTRACTS

FILE = CONTRACTS.parents[1] / "docs" / "openapi.json"


def render_openapi() -> str:
    return json.dumps(build_openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(render_openapi())
