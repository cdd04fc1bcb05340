"""URLs with several servers, any of which may answer, as in `amqp://login@one:5672,two:5672/`."""

import re
from urllib.parse import unquote

# `urlsplit` refuses an IPv6 address that is not the first host.
_URL = re.compile(r"(?P<scheme>[^:/]*://)(?:(?P<login>[^/?#]*)@)?(?P<hosts>[^/?#]*)(?P<rest>.*)", re.DOTALL)


def split_hosts(url: str) -> list[str]:
    """Return one URL for each server, in the given order."""
    match = _URL.fullmatch(url)
    if match is None or "," not in match["hosts"]:
        return [url]
    login = "" if match["login"] is None else match["login"] + "@"
    return [f"{match['scheme']}{login}{host}{match['rest']}" for host in match["hosts"].split(",")]


def replace_login(url: str, login: str) -> str:
    """Return the URL with another login and without a password."""
    match = _URL.fullmatch(url)
    return f"{match['scheme']}{login}@{match['hosts']}{match['rest']}" if match else url


def get_login(url: str) -> str:
    """Return the login in the URL; "" if there is none."""
    match = _URL.fullmatch(url)
    return unquote((match["login"] or "").partition(":")[0]) if match else ""
