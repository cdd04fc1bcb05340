"""Slow hashes, of what is right, wrong, and of nobody."""

from services.newsroom.adapters.credentials import NOBODY, Argon2PasswordHasher


async def test_only_the_right_password_fits() -> None:
    hasher = Argon2PasswordHasher()
    hashed = await hasher.hash("Regen fällt leise")
    assert await hasher.verify(hashed, "Regen fällt leise")
    assert not await hasher.verify(hashed, "Regen fällt laut")
    assert hashed != await hasher.hash("Regen fällt leise")


async def test_nobody_costs_as_much_as_somebody_and_is_never_right() -> None:
    hasher = Argon2PasswordHasher()
    costs = [hashed.split("$")[1:4] for hashed in (NOBODY, await hasher.hash("x"))]
    assert costs[0] == costs[1]
    assert not await hasher.verify(None, "x")
