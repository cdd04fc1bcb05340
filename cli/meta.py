"""Client of Meta's Graph API; every refusal is raised with its explanation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from cli.doctor.findings import DoctorProblem
from cli.meta_errors import explain_error
from shared.runtime.http_errors import describe_connection_error
from shared.runtime.settings import require_word

TIMEOUT = aiohttp.ClientTimeout(total=30)
_SUSPECTS: Mapping[type[aiohttp.ClientError], str] = {
    aiohttp.ClientConnectorDNSError: "this machine's DNS",
    aiohttp.ClientConnectorCertificateError: "name a CA of your own",
    aiohttp.ClientConnectorSSLError: "what answers on its port",
}
Answer = dict[str, Any]


class GraphRefusal(Exception):
    """Meta could not be reached or did not answer with status 200; `problem` says why."""

    def __init__(self, problem: DoctorProblem) -> None:
        super().__init__(problem.what)
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class MetaClient:
    """Client with one token, the system user's or the app's."""

    session: aiohttp.ClientSession
    base_url: str
    token: str = field(repr=False)

    async def fetch(self, path: str, **query: str) -> Answer:
        """Return the object at this path. Raises GraphRefusal."""
        return await self._request("GET", path, params=query)

    async def list_all(self, path: str, **query: str) -> list[Answer]:
        """Return the rows of all pages. Raises GraphRefusal."""
        rows: list[Answer] = []
        while True:
            page = await self.fetch(path, **query)
            rows += page.get("data", [])
            paging = page.get("paging", {})
            if "next" not in paging:
                return rows
            query["after"] = paging["cursors"]["after"]

    async def post(self, path: str, body: Mapping[str, object]) -> Answer:
        """Return the answer to this body. Raises GraphRefusal."""
        return await self._request("POST", path, json=body)

    async def upload(self, app_id: str, content: bytes, mime_type: str) -> str:
        """Return the handle of a file, which a template for review refers to. Raises GraphRefusal."""
        params = {"file_length": str(len(content)), "file_type": mime_type}
        upload = await self._request("POST", f"{app_id}/uploads", params=params)
        headers = {"Authorization": f"OAuth {self.token}", "file_offset": "0"}
        answer = await self._request("POST", str(upload.get("id")), data=content, headers=headers)
        return str(answer.get("h"))

    async def _request(self, method: str, path: str, **options: Any) -> Answer:
        try:
            require_word(self.token)
        except ValueError as error:
            advice = "Store it again: `kreisfunk setup` with --token-file or --app-secret-file."
            raise GraphRefusal(DoctorProblem(f"token or app secret {error}", advice)) from None
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        options |= {"headers": headers, "timeout": TIMEOUT, "allow_redirects": False}
        try:
            async with self.session.request(method, f"{self.base_url}/{path}", **options) as response:
                status, body = response.status, await response.read()
            answer = msgspec.json.decode(body, type=Answer)
        except aiohttp.ClientError as error:
            raise GraphRefusal(explain_connection_error(error)) from None
        except TimeoutError:
            problem = DoctorProblem("no answer within 30 s", "It may have been done: check, then try again.")
            raise GraphRefusal(problem) from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise GraphRefusal(build_foreign_answer(status)) from None
        if isinstance(refusal := answer.get("error"), dict):
            raise GraphRefusal(explain_error(status, refusal))
        if status != 200:
            raise GraphRefusal(build_foreign_answer(status))
        return answer


def build_foreign_answer(status: int = 200) -> DoctorProblem:
    """Return the problem of an answer that cannot be Meta's."""
    advice = "Check KREISFUNK_GRAPH_URL: something else answers there."
    return DoctorProblem(f"the answer is not Meta's (status {status})", advice)


def explain_connection_error(error: aiohttp.ClientError) -> DoctorProblem:
    """Return the problem behind a request to Meta that got no answer."""
    suspect = _SUSPECTS.get(type(error), "the way out to the internet")
    advice = f'Check KREISFUNK_GRAPH_URL and {suspect} (operators\' guide, "Connection to Meta").'
    return DoctorProblem(describe_connection_error(error), advice)
