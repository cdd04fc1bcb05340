"""A scripted identity provider that checks requests: PKCE, secret, address, single use."""

import base64
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from aiohttp import BasicAuth, web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from multidict import MultiMapping
from yarl import URL

REALM = "/realms/landkreis"
CLIENT_ID, SECRET = "redaktion", "geheim/mit:Zeichen"
LABEL = "Mit dem Dienstkonto anmelden"


Forge = Callable[[dict[str, Any], dict[str, Any]], str]


def make_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"use": "sig", "kid": secrets.token_hex(4)})


@dataclass
class ScriptedProvider:
    """`claims` override those of the next token, which `forge`, if set, makes from header and claims.

    Browsers log in as `visitor`.
    """

    issuer: str = ""
    key: RSAKey = field(default_factory=make_key)
    claims: dict[str, Any] = field(default_factory=dict)
    forge: Forge | None = None
    visitor: str = ""
    is_away: bool = False
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def let_in(self, login_url: str, subject: str, **claims: Any) -> str:
        """Log somebody in; return the path and query with which the browser returns."""
        query = dict(URL(login_url).query)
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = {**query, "sub": subject}
        self.claims = claims
        return build_return(query["redirect_uri"], code=code, state=query["state"])

    async def answer_browser(self, request: web.Request) -> web.Response:
        """Answer like a provider where the visitor is already logged in."""
        raise web.HTTPSeeOther(
            URL(request.query["redirect_uri"]).join(URL(self.let_in(str(request.url), self.visitor)))
        )

    async def answer_discovery(self, _: web.Request) -> web.Response:
        return self._answer(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/certs",
                "end_session_endpoint": f"{self.issuer}/logout",
            }
        )

    async def answer_keys(self, _: web.Request) -> web.Response:
        encryption = RSAKey.generate_key(2048, {"use": "enc", "kid": "enc"}).as_dict(private=False)
        signing = KeySet([self.key]).as_dict(private=False)["keys"]
        curve = {"kty": "EC", "crv": "BP-256", "x": "AA", "y": "AA", "use": "sig", "kid": "curve"}
        unusable = [{"kty": "unknown", "kid": "new"}, curve]
        return self._answer({"keys": [encryption, *unusable, *signing]})

    async def answer_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        auth = BasicAuth.decode(request.headers["Authorization"])
        grant = self._codes.pop(str(form.get("code")), None)  # single use
        if grant is None or not _is_entitled(grant, form, auth):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return self._answer({"access_token": "x", "token_type": "Bearer", "id_token": self._make_token(grant)})

    def _make_token(self, grant: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": grant["sub"],
            "nonce": grant["nonce"],
            "iat": now,
            "exp": now + 60,
            "name": "Mina Moor",
            **self.claims,
        }
        header = {"alg": "RS256", "kid": self.key.kid}
        return self.forge(header, claims) if self.forge else jwt.encode(header, claims, self.key)

    def _answer(self, document: object) -> web.Response:
        return web.json_response(document, status=503 if self.is_away else 200)


def _is_entitled(grant: dict[str, str], form: MultiMapping[Any], auth: BasicAuth) -> bool:
    challenge = base64.urlsafe_b64encode(sha256(str(form["code_verifier"]).encode()).digest()).decode().rstrip("=")
    is_client = (auth.login, URL(f"http://x/?{auth.password}").query_string) == (CLIENT_ID, SECRET)
    return is_client and challenge == grant["code_challenge"] and form["redirect_uri"] == grant["redirect_uri"]


def build_return(redirect_uri: str, **query: str) -> str:
    return URL(redirect_uri).with_query(query).raw_path_qs


@asynccontextmanager
async def run_scripted_provider() -> AsyncIterator[ScriptedProvider]:
    provider = ScriptedProvider()
    app = web.Application()
    app.router.add_get(f"{REALM}/.well-known/openid-configuration", provider.answer_discovery)
    app.router.add_get(f"{REALM}/auth", provider.answer_browser)
    app.router.add_get(f"{REALM}/certs", provider.answer_keys)
    app.router.add_post(f"{REALM}/token", provider.answer_token)
    async with TestServer(app) as server:
        provider.issuer = f"http://{server.host}:{server.port}{REALM}"
        yield provider


def build_settings(issuer: str) -> dict[str, str]:
    """Return the settings of a newsroom that trusts this provider."""
    return {
        "KREISFUNK_OIDC_ISSUER": issuer,
        "KREISFUNK_OIDC_CLIENT_ID": CLIENT_ID,
        "KREISFUNK_OIDC_CLIENT_SECRET": SECRET,
        "KREISFUNK_OIDC_LABEL": LABEL,
    }
