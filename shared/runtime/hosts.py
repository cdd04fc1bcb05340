"""URLs that name several servers of which any may answer, as in `amqp://login@one:5672,two:5672/`."""

import re
from urllib.parse import unquote

# `urlsplit` refuses an IPv6 address that is not the first host.
_URL = re.compile(r"(?P<scheme>[^:/]*://)(?:(?P<login>[^/?#]*)@)?(?P<hosts>[^/?#]*)(?P<rest>.*)", re.DOTALL)


def split_hosts(url: str) -> list[str]:
    """Return one URL for each server, in the given order."""
    found = _URL.fullmatch(url)
    if found is None or "," not in found["hosts"]:
        return [url]
    login = "" if found["login"] is None else found["login"] + "@"
    return [f"{found['scheme']}{login}{host}{found['rest']}" for host in found["hosts"].split(",")]


def replace_login(url: str, login: str) -> str:
    """Return the URL with another login and without a password."""
    found = _URL.fullmatch(url)
    return f"{found['scheme']}{login}@{found['hosts']}{found['rest']}" if found else url


def get_login(url: str) -> str:
    """Return the login in the URL, "" if there is none."""
    found = _URL.fullmatch(url)
    return unquote((found["login"] or "").partition(":")[0]) if found else ""
