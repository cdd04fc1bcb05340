"""Steps about access: the system user's token, the number, the account, the app and its secret."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cli.doctor.findings import DoctorProblem
from cli.meta import Answer, GraphRefusal, MetaClient
from cli.meta_errors import ADVICE, explain_code
from cli.setup.run import VERIFY_TOKEN, SetupRun, StepResult, read_secret_file, report_ok, report_open, report_problem

GRAPH_TOKEN = "dispatcher/kreisfunk_graph_token"  # noqa: S105 - the path of its file
APP_SECRETS = "ingress/kreisfunk_app_secrets"
SCOPES = ("whatsapp_business_messaging", "whatsapp_business_management")
NUMBER_FIELDS = (
    "id,display_phone_number,verified_name,name_status,status,quality_rating,throughput,health_status,"
    "whatsapp_business_manager_messaging_limit"
)
CONNECTED = "CONNECTED"
# Messages per second by Meta's throughput level.
THROUGHPUT = {"STANDARD": 80, "HIGH": 1000}
MIN_VERIFY_TOKEN = 8


async def set_up_token(run: SetupRun) -> Sequence[StepResult]:
    """Find a token that Meta accepts for our number: the stored one, the given one, or one that is typed in."""
    stored = run.read_secret(GRAPH_TOKEN)
    token = read_secret_file(run.token_file) or stored
    try:
        await _check_token(run, token)
    except GraphRefusal as refusal:
        token = run.ask(f"Token: {refusal.problem.what}. System user token (not shown)", secret=True)
        if not token:
            raise
        await _check_token(run, token)
    run.token = token
    if token != stored and run.check:
        return [report_open("token", "Meta accepts the one in the file", "Run this without --check to store it.")]
    if token != stored:
        run.store(GRAPH_TOKEN, token)
    return [report_ok("token", "stored; Meta accepts it for our number")]


async def _check_token(run: SetupRun, token: str) -> None:
    if not token:
        raise GraphRefusal(DoctorProblem("there is none yet", explain_code(190).advice))
    await run.build_client(token).fetch(run.settings.phone_number_id, fields="id")


async def check_number(run: SetupRun) -> Sequence[StepResult]:
    """Report name, quality, limits and health of our number, and settings that do not fit them."""
    number = await run.build_client().fetch(run.settings.phone_number_id, fields=NUMBER_FIELDS)
    level = str(number.get("throughput", {}).get("level", "unknown"))
    tier = str(number.get("whatsapp_business_manager_messaging_limit", "unknown")).removeprefix("TIER_")
    text = (
        f'{number.get("display_phone_number")}, "{number.get("verified_name")}", '
        f"quality {number.get('quality_rating')}, {tier} people a day, throughput {level}"
    )
    result, status = report_ok("number", text), str(number.get("status", CONNECTED))
    if status != CONNECTED:
        result = report_problem("number", f"{text}, but it is {status}", explain_code(133010).advice)
    return [result, *_check_limits(run, level, tier), *_report_health(number)]


def _check_limits(run: SetupRun, level: str, tier: str) -> Sequence[StepResult]:
    results = []
    permitted, used = THROUGHPUT.get(level, THROUGHPUT["STANDARD"]), run.settings.messages_per_second
    if used > permitted:
        text = f"we would send {used:g} a second, Meta permits {permitted}"
        results.append(report_problem("rate", text, _explain_setting("MESSAGES_PER_SECOND")))
    people, known = _parse_people(tier), run.settings.people_per_day
    if people is not None and (known is None or known > people):
        text = f"Meta permits {people} different people in 24 hours; our setting is {known or 'no limit'}"
        advice = f"{_explain_setting(f'PEOPLE_PER_DAY={people}')} A larger broadcast then continues the next day."
        results.append(report_open("people a day", text, advice))
    return results


def _explain_setting(setting: str) -> str:
    return f"Set KREISFUNK_{setting} in .env, then `docker compose up --wait`."


def _parse_people(tier: str) -> int | None:
    """Return the people a day of a tier such as 250, 2K or 10K; None if they are unlimited or unknown."""
    digits = tier.removesuffix("K")
    return int(digits) * (1000 if tier.endswith("K") else 1) if digits.isascii() and digits.isdigit() else None


async def check_account(run: SetupRun) -> Sequence[StepResult]:
    """Report whether the number belongs to the account, and Meta's review of the account."""
    client, account = run.build_client(), run.settings.waba_id
    numbers = await client.list_all(f"{account}/phone_numbers", fields="id")
    if run.settings.phone_number_id not in [number.get("id") for number in numbers]:
        return [report_problem("account", "our number is not one of this account", explain_code(33).advice)]
    fields = "id,name,account_review_status,business_verification_status"
    facts = await client.fetch(account, fields=fields)
    text = f'"{facts.get("name")}", review {facts.get("account_review_status")}'
    if str(facts.get("business_verification_status", "verified")).lower() != "verified":
        return [report_open("account", f"{text}; the business is not verified", explain_code(141010).advice)]
    return [report_ok("account", f"{text}, business verified")]


def _report_health(number: Answer) -> Sequence[StepResult]:
    """Return the obstacles to sending that Meta reports."""
    results = []
    for entity in number.get("health_status", {}).get("entities", []):
        able = entity.get("can_send_message")
        report = report_problem if able == "BLOCKED" else report_open
        for error in entity.get("errors", []) if able != "AVAILABLE" else ():
            code, solution = error.get("error_code"), str(error.get("possible_solution") or "")
            text = f"{entity.get('entity_type')} is {able}: {error.get('error_description')} (code {code})"
            results.append(report("health", text, ADVICE.get(code, solution) if isinstance(code, int) else ""))
    return results


async def set_up_app(run: SetupRun) -> Sequence[StepResult]:
    """Find the app of the token, check what the token may do, and find an app secret that belongs to the app."""
    if run.provider:
        return [report_ok("app", "the solution provider's; ask there how webhooks are signed")]
    client = run.build_client()
    run.app_id = run.app_id or str((await _examine_token(client, client.token)).get("app_id"))
    secret = await _find_app_secret(run)
    facts = await _examine_token(run.build_app_client(secret), client.token)
    run.app_secret = secret
    known = secret in map(str.strip, run.read_secret(APP_SECRETS).split(","))
    result = report_ok("app", f'"{facts.get("application")}", its secret is stored')
    if not known and run.check:
        result = report_open("app", "the secret in the file is the app's", "Run this without --check to store it.")
    elif not known:
        run.store(APP_SECRETS, secret)
    return [result, *_check_token_facts(facts)]


async def _examine_token(client: MetaClient, token: str) -> Answer:
    facts: Answer = (await client.fetch("debug_token", input_token=token)).get("data", {})
    return facts


async def _find_app_secret(run: SetupRun) -> str:
    """Return the first of the given, stored and typed secrets that Meta accepts. Raises GraphRefusal."""
    token = run.build_client().token
    problem = DoctorProblem("there is no app secret yet", explain_code(15).advice)
    candidates = read_secret_file(run.app_secret_file) or run.read_secret(APP_SECRETS)
    for secret in filter(None, map(str.strip, candidates.split(","))):
        try:
            await _examine_token(run.build_app_client(secret), token)
        except GraphRefusal as error:
            what = f"Meta does not accept the app secret of app {run.app_id}: {error.problem.what}"
            problem = DoctorProblem(what, explain_code(104).advice)
        else:
            return secret
    typed = run.ask(f"{problem.what}. App secret (not shown)", secret=True)
    if not typed:
        raise GraphRefusal(problem)
    await _examine_token(run.build_app_client(typed), token)
    return typed


def _check_token_facts(facts: Answer) -> Sequence[StepResult]:
    advice = explain_code(190).advice
    if missing := [scope for scope in SCOPES if scope not in facts.get("scopes", [])]:
        return [report_problem("permissions", f"the token has no {' and no '.join(missing)}", advice)]
    if expires := facts.get("expires_at"):
        until = datetime.fromtimestamp(expires, UTC)
        return [report_open("permissions", f"the token expires on {until:%Y-%m-%d}", advice)]
    return [report_ok("permissions", "both; the token never expires")]


async def check_verify_token(run: SetupRun) -> Sequence[StepResult]:
    """Report whether there is a verify token, which `kreisfunk secrets` creates."""
    if len(run.read_secret(VERIFY_TOKEN)) < MIN_VERIFY_TOKEN:
        advice = "`kreisfunk secrets FOLDER` makes one; with containers `docker compose run --rm secrets`."
        return [report_problem("verify token", "there is none", advice)]
    return [report_ok("verify token", "stored")]
