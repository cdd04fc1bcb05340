"""docs/openapi.json. `python -m tests.contract.openapi` writes it anew."""

import json

from services.ingress.door.domain.documents import openapi
from tests.contract.schemas import CONTRACTS

FILE = CONTRACTS.parents[1] / "docs" / "openapi.json"


def text() -> str:
    return json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
