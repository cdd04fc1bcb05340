"""Steps about the webhook: our own address, the app's subscription, and the account's."""

import re
import secrets
from collections.abc import Sequence
from typing import Any

import aiohttp
from yarl import URL

from cli.doctor.findings import DoctorProblem
from cli.doctor.servers import check_webhook
from cli.meta import explain_connection_error
from cli.setup.run import VERIFY_TOKEN, SetupRun, StepResult, report_ok, report_open, report_problem

OBJECT = "whatsapp_business_account"
# Meta's webhook fields that the ingress can parse.
FIELDS = (
    *("messages", "user_preferences", "security", "business_capability_update", "template_category_update"),
    *("account_alerts", "account_review_update", "account_update"),
    *(f"message_template_{topic}_update" for topic in ("components", "quality", "status")),
    *(f"phone_number_{topic}_update" for topic in ("name", "quality")),
)
# Paths that must not be reachable from outside, whichever service is behind the same host name.
CLOSED_PATHS = ("/", "/metrics", "/notices")
ADDRESS = re.compile(r"https?://[^\s/?#]+/webhook")
REDIRECTS, PROXY_FAILURES = range(300, 400), (502, 503, 504)
TIMEOUT = aiohttp.ClientTimeout(total=10)
_GUIDE = 'Operators\' guide, "TLS at the edge".'


async def check_callback(run: SetupRun) -> Sequence[StepResult]:
    """Do Meta's handshake with our public address, and check that no other path is reachable there."""
    name = "callback"
    # An address registered at Meta takes precedence over that of a local stack.
    url = run.given_url or (run.app_secret and (await _fetch_subscription(run)).get("callback_url")) or run.callback_url
    url = url or run.ask("Public address of the webhook, https://HOST/webhook")
    if not url:
        return [report_open(name, "no public address yet", "Give --callback-url https://HOST/webhook.")]
    run.callback_url = url
    if not ADDRESS.fullmatch(url):
        return [report_problem(name, f"{url} is not the address of a webhook", "It has the form https://HOST/webhook.")]
    if not url.startswith("https://") and not run.settings.simulated:
        return [report_problem(name, "Meta only calls https addresses", _GUIDE)]
    try:
        problem = await _check_handshake(run, url) or await check_webhook(url) or await _find_open_path(run, url)
    except (aiohttp.InvalidURL, UnicodeError):
        problem = DoctorProblem(
            f"{url}: no host can have this name or port", "Look for a doubled dot, or a typo in the port."
        )
    except aiohttp.ClientError as error:
        problem = _report_unreachable(url, explain_connection_error(error).what)
    except TimeoutError:
        problem = _report_unreachable(url, "no answer within 10 s")
    return [report_problem(name, *problem) if problem else report_ok(name, f"{url} answers, and nothing else does")]


def _report_unreachable(url: str, what: str) -> DoctorProblem:
    advice = f"Is the proxy up, and can this machine reach the name, too? {_GUIDE}"
    return DoctorProblem(f"{URL(url).host}: {what}", advice)


async def _check_handshake(run: SetupRun, url: str) -> DoctorProblem | None:
    challenge = str(secrets.randbelow(10**9) + 10**9)
    token = run.read_secret(VERIFY_TOKEN)
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
    async with run.session.get(url, params=query, timeout=TIMEOUT, allow_redirects=False) as answer:
        status, body = answer.status, await answer.content.read(len(challenge) + 1)
    if status == 200 and body == challenge.encode():
        return None
    if status == 403:
        what = "the ingress has another verify token"
        return DoctorProblem(what, "Restart it to read the current one: `docker compose restart ingress`.")
    what = f"the handshake was answered with {status}" if status != 200 else "something else answers the handshake"
    return DoctorProblem(what, f"{_explain_status(status)} {_GUIDE}")


def _explain_status(status: int) -> str:
    if status in REDIRECTS:
        return "Meta does not follow redirects: give the address to which it leads."
    if status in PROXY_FAILURES:
        return "The proxy does not reach the ingress: is that up, and is its address right?"
    return "The proxy must pass /webhook on to the ingress, unchanged."


async def _find_open_path(run: SetupRun, url: str) -> DoctorProblem | None:
    for path in CLOSED_PATHS:
        async with run.session.get(URL(url).with_path(path), timeout=TIMEOUT, allow_redirects=False) as answer:
            if answer.status not in (403, 404):
                what = f"{path} is answered with {answer.status}, not with 404"
                return DoctorProblem(what, f"The proxy passes more than /webhook. {_GUIDE}")
    return None


async def subscribe_app(run: SetupRun) -> Sequence[StepResult]:
    """Subscribe our address to all of the app's events that the ingress can parse."""
    name = "webhook"
    if run.provider:
        return []
    if not run.app_secret:
        return [report_open(name, "not looked at", "The step `app` comes first.")]
    subscription = await _fetch_subscription(run)
    fields = {field.get("name") for field in subscription.get("fields", [])}
    missing = [field for field in FIELDS if field not in fields]
    registered = subscription.get("callback_url")
    if registered == run.callback_url and registered and not missing and subscription.get("active", True):
        return [report_ok(name, f"{registered} gets {len(fields)} fields")]
    if run.callback_url is None:
        return [report_open(name, "not registered", "Give --callback-url https://HOST/webhook.")]
    state = f"Meta has {registered}; fields missing: {', '.join(missing) or 'none'}" if registered else "not registered"
    if not run.may(f"{state}. Register {run.callback_url} at Meta?"):
        return [report_open(name, state)]
    body = {"callback_url": run.callback_url, "verify_token": run.read_secret(VERIFY_TOKEN), "include_values": "true"}
    body |= {"object": OBJECT, "fields": ",".join(FIELDS)}
    await run.build_app_client().post(f"{run.app_id}/subscriptions", body)
    return [report_ok(name, f"{run.callback_url} registered for {len(FIELDS)} fields")]


async def _fetch_subscription(run: SetupRun) -> dict[str, Any]:
    rows = await run.build_app_client().list_all(f"{run.app_id}/subscriptions")
    return next((row for row in rows if row.get("object") == OBJECT), {})


async def subscribe_account(run: SetupRun) -> Sequence[StepResult]:
    """Subscribe the app to the account's events; with our own address if it is a provider's app."""
    name = "account's webhook"
    if not run.provider and run.app_id is None:
        return [report_open(name, "not looked at", "The step `app` comes first.")]
    client, path = run.build_client(), f"{run.settings.waba_id}/subscribed_apps"
    rows = await client.list_all(path)
    if run.provider:
        is_subscribed = any(row.get("override_callback_uri") == run.callback_url for row in rows if run.callback_url)
        body = {"override_callback_uri": run.callback_url, "verify_token": run.read_secret(VERIFY_TOKEN)}
    else:
        # An address of the account's own comes first; Meta removes it by a subscription without one.
        own = [row for row in rows if row.get("whatsapp_business_api_data", {}).get("id") == run.app_id]
        is_subscribed = any(row.get("override_callback_uri") in (None, run.callback_url) for row in own)
        body = {}
    if is_subscribed:
        return [report_ok(name, "the account's events reach us")]
    if run.provider and run.callback_url is None:
        return [report_open(name, "no public address yet", "Give --callback-url https://HOST/webhook.")]
    if not run.may("The account's events do not reach us yet. Subscribe?"):
        return [report_open(name, "the account's events do not reach us")]
    await client.post(path, body)
    return [report_ok(name, "subscribed: the account's events reach us")]
