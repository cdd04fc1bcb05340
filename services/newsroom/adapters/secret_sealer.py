"""Implementation of ports.SecretSealer with the newsroom's own key ring."""

from shared.encryption import EncryptionError, KeyRing


class KeyRingSealer:
    """Encryption with the newest key; all keys decrypt."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def seal(self, plain: bytes, purpose: str, index: bytes) -> bytes:
        return self._ring.encrypt(plain, purpose=purpose, index=index)

    def open(self, sealed: bytes, purpose: str, index: bytes) -> bytes | None:
        try:
            return self._ring.decrypt(sealed, purpose=purpose, index=index)
        except EncryptionError:
            return None
