"""Slow password hashes."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SALT_BYTES, HASH_BYTES = 16, 32
# The second recommendation of RFC 9106, for little memory.
ITERATIONS, LANES, MEMORY_KIB = 3, 4, 65_536
# Hash of unknown random bytes, verified if there is no account, so that the response time does not reveal which logins
# exist.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$1cSHhomv9zjcgIrDKgZ1LA$65fZhoT+qQJWDj0gLAKbFlJ0imAmP650Qyfg98gNiug"


# One hash at a time in the whole process: concurrent hashes share OpenSSL's thread pool and can deadlock, each holding
# some of its threads. Each also takes 64 MB.
_one_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password")


class Argon2PasswordHasher:
    """Hasher with the PHC string format, which contains algorithm, costs and salt; one hash at a time."""

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(_one_thread, _hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Return whether the password is right; takes equally long without a hash."""
        verification = asyncio.get_running_loop().run_in_executor(_one_thread, _verify, hashed or NOBODY, password)
        return await verification and hashed is not None


def _hash(password: str) -> str:
    kdf = Argon2id(
        salt=os.urandom(SALT_BYTES), length=HASH_BYTES, iterations=ITERATIONS, lanes=LANES, memory_cost=MEMORY_KIB
    )
    return kdf.derive_phc_encoded(password.encode())


def _verify(hashed: str, password: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode(), hashed)
    except InvalidKey:
        return False
    return True
