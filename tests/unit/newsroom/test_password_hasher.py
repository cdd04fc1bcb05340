"""Slow hashes, of what is right, wrong, and of nobody."""

import asyncio
import threading

import pytest

from services.newsroom.adapters import credentials
from services.newsroom.adapters.credentials import NOBODY, Argon2PasswordHasher


async def test_only_the_right_password_fits_and_nobody_costs_as_much_as_somebody() -> None:
    hasher = Argon2PasswordHasher()
    hashed, again = [await hasher.hash("Regen fällt leise") for _ in range(2)]
    assert hashed != again
    assert hashed.split("$")[1:4] == NOBODY.split("$")[1:4]
    typed = [(hashed, "Regen fällt leise"), (hashed, "Regen fällt laut"), (None, "Regen fällt leise")]
    assert [await hasher.verify(*each) for each in typed] == [True, False, False]


async def test_two_are_never_hashed_at_once_even_if_nobody_waits_for_the_first_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenSSL shares its threads between them: each would wait for those that the other has."""
    began, go_on = threading.Event(), threading.Event()

    def hash_slowly(password: str) -> str:
        began.set()
        assert go_on.wait(60)
        return password

    monkeypatch.setattr(credentials, "_hash", hash_slowly)
    first = asyncio.create_task(Argon2PasswordHasher().hash("first"))
    await asyncio.to_thread(began.wait)
    first.cancel()
    began.clear()
    second = asyncio.create_task(Argon2PasswordHasher().hash("second"))
    assert not await asyncio.to_thread(began.wait, 0.2)
    go_on.set()
    assert await second == "second"
