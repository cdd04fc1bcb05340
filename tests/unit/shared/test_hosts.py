"""URLs with several servers."""

import pytest

from shared.runtime.hosts import get_login, replace_login, split_hosts


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("amqp://a@b:1/", ["amqp://a@b:1/"]),
        ("amqp://a:p%40@b:1,c:2,d/v", ["amqp://a:p%40@b:1/v", "amqp://a:p%40@c:2/v", "amqp://a:p%40@d/v"]),
        (
            "postgresql://b,[::1]:2/k?sslmode=require",
            ["postgresql://b/k?sslmode=require", "postgresql://[::1]:2/k?sslmode=require"],
        ),
        ("postgresql:///k?host=/run", ["postgresql:///k?host=/run"]),
    ],
)
def test_each_server_gets_a_url_of_its_own(url: str, each: list[str]) -> None:
    assert split_hosts(url) == each


def test_the_login_is_read_and_replaced_whatever_follows_it() -> None:
    assert get_login("amqp://a%2Fb:secret@c:1,d:2/") == "a/b"
    assert get_login("amqp://c:1,d:2/") == ""
    assert replace_login("amqp://a:secret@c:1,d:2/v", "other") == "amqp://other@c:1,d:2/v"
