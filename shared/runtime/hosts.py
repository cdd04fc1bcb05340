"""URLs that name several servers of which any may answer, as in `amqp://login@one:5672,two:5672/`."""

from urllib.parse import unquote, urlsplit, urlunsplit


def split_hosts(url: str) -> list[str]:
    """Return one URL for each server, in the given order."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    return [urlunsplit(parts._replace(netloc=f"{login}{at}{host}")) for host in hosts.split(",")]


def replace_login(url: str, login: str) -> str:
    """Return the URL with another login and without a password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def get_login(url: str) -> str:
    """Return the login in the URL, "" if there is none."""
    return unquote(urlsplit(url).username or "")
