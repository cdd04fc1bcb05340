"""Slow hashes of passwords."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SALT_BYTES, HASH_BYTES = 16, 32
# The second recommendation of RFC 9106, for little memory.
ITERATIONS, LANES, MEMORY_KIB = 3, 4, 65_536
# Hash of random bytes that nobody knows: verified where there is no account, so that the time of an answer does not
# tell which names exist.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$1cSHhomv9zjcgIrDKgZ1LA$65fZhoT+qQJWDj0gLAKbFlJ0imAmP650Qyfg98gNiug"


# One hash at a time in the whole process: OpenSSL shares its threads between all of them, and two that each have some
# wait for the others' for ever. Each takes 64 MB, too.
_one_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password")


class Argon2PasswordHasher:
    """Hashes in the format of PHC, which names algorithm, cost and salt; one at a time."""

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(_one_thread, _hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Return whether the password is right; takes as long if there is no hash."""
        checking = asyncio.get_running_loop().run_in_executor(_one_thread, _verify, hashed or NOBODY, password)
        return await checking and hashed is not None


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
