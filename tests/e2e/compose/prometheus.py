"""What Prometheus answers."""

from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class PrometheusClient:
    """A running server."""

    session: aiohttp.ClientSession
    url: str

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        async with self.session.get(f"{self.url}/api/v1/query", params={"query": expression}) as response:
            answer = await response.json()
        assert answer["status"] == "success", answer.get("error")
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    async def query_number(self, expression: str) -> int:
        """The only value of a query; 0 if there is none."""
        series = await self.query(expression)
        return int(float(series[0]["value"][1])) if series else 0
