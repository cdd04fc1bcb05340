"""Argon2id implementation of ports.PasswordHasher, in threads, and few at a time: each takes tens of megabytes."""

import asyncio

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

MAX_SIMULTANEOUS = 2


class Argon2PasswordHasher:
    """Hashes by argon2-cffi's defaults, which are those of RFC 9106 for little memory."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher()
        self._free = asyncio.Semaphore(MAX_SIMULTANEOUS)
        # Verified where there is no account, so that the time of an answer does not tell which names exist.
        self._nobody = self._hasher.hash("nobody")

    async def hash(self, password: str) -> str:
        async with self._free:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        async with self._free:
            is_right = await asyncio.to_thread(self._verify, hashed or self._nobody, password)
        return is_right and hashed is not None

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False
