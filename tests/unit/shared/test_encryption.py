"""Encrypted values decrypt where they belong and nowhere else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.encryption import INDEX_BYTES, BlindIndexKey, EncryptionError, KeyRing, get_index_version

OLD, NEW, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
RING = KeyRing.parse(f"1:{OLD},2:{NEW}")
INDEX = BlindIndexKey.parse(OLD)
TWO_LINKS = BlindIndexKey(bytes([1]) * 32 + bytes([2]) * 32)
THREE_LINKS = BlindIndexKey(TWO_LINKS.key + bytes([3]) * 32)
PURPOSES = st.sampled_from(["phone", "user", "webhook"])
INDEXES = st.binary(max_size=16)


@given(plain=st.binary(), purpose=PURPOSES, index=INDEXES)
def test_what_was_encrypted_decrypts_to_what_it_was(plain: bytes, purpose: str, index: bytes) -> None:
    encrypted = RING.encrypt(plain, purpose=purpose, index=index)
    assert RING.decrypt(encrypted, purpose=purpose, index=index) == plain
    assert encrypted != RING.encrypt(plain, purpose=purpose, index=index)


@given(plain=st.binary(min_size=8), purposes=st.tuples(PURPOSES, PURPOSES), indexes=st.tuples(INDEXES, INDEXES))
def test_it_opens_only_with_its_purpose_and_index(
    plain: bytes, purposes: tuple[str, str], indexes: tuple[bytes, bytes]
) -> None:
    encrypted = RING.encrypt(plain, purpose=purposes[0], index=indexes[0])
    is_same = purposes[0] == purposes[1] and indexes[0] == indexes[1]
    assert decrypts(RING, encrypted, purposes[1], indexes[1]) == is_same


@given(plain=st.binary(), position=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_a_changed_byte_is_noticed(plain: bytes, position: int, mask: int) -> None:
    encrypted = bytearray(RING.encrypt(plain, purpose="phone"))
    encrypted[position % len(encrypted)] ^= mask
    assert not decrypts(RING, bytes(encrypted), "phone")


@given(noise=st.binary(max_size=60))
def test_noise_does_not_open(noise: bytes) -> None:
    assert not decrypts(RING, noise, "phone")


def test_the_newest_key_encrypts_and_older_ones_still_decrypt() -> None:
    before, after = KeyRing.parse(f"1:{OLD}"), KeyRing.parse(f"2:{NEW}")
    encrypted_before = before.encrypt(b"x", purpose="phone")
    encrypted_now = RING.encrypt(b"x", purpose="phone")
    assert RING.decrypt(encrypted_before, purpose="phone") == b"x"
    assert after.decrypt(encrypted_now, purpose="phone") == b"x"
    assert not decrypts(before, encrypted_now, "phone")
    assert not decrypts(KeyRing.parse(f"1:{OTHER}"), encrypted_before, "phone")


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", OLD, f":{OLD}", f"0:{OLD}", f"256:{OLD}", f"-1:{OLD}", f"a:{OLD}", "1:", "1:!!!", f"1:{OLD[:20]}"),
        f"1:{OLD},1:{NEW}",
    ],
)
def test_a_text_that_is_no_ring_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(EncryptionError) as caught:
        KeyRing.parse(text)
    assert OLD[:20] not in str(caught.value)


@given(one=st.text(), other=st.text(), purposes=st.tuples(PURPOSES, PURPOSES))
def test_an_index_is_equal_for_the_same_value_and_purpose_only(one: str, other: str, purposes: tuple[str, str]) -> None:
    first, second = INDEX.compute_index(purposes[0], one), INDEX.compute_index(purposes[1], other)
    assert (first == second) == (one == other and purposes[0] == purposes[1])
    assert len(first) == INDEX_BYTES
    assert first != BlindIndexKey.parse(NEW).compute_index(purposes[0], one)


@pytest.mark.parametrize("text", ["", "!!!", OLD[1:], f"{OLD}{OLD}", "ä"])
def test_a_text_that_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(EncryptionError) as caught:
        BlindIndexKey.parse(text)
    assert not text or text not in str(caught.value)


@given(value=st.text(), purpose=PURPOSES)
def test_a_new_link_lifts_each_hash_without_its_value(value: str, purpose: str) -> None:
    before = INDEX.compute_index(purpose, value)
    assert (len(before), get_index_version(before)) == (INDEX_BYTES, 1)
    for number, key in enumerate((TWO_LINKS, THREE_LINKS), 2):
        after = key.compute_index(purpose, value)
        assert (len(after), get_index_version(after), after[:INDEX_BYTES] == before) == (INDEX_BYTES + 1, number, False)
        assert key.upgrade(before) == after
        assert key.upgrade(after) == after
    assert THREE_LINKS.upgrade(TWO_LINKS.compute_index(purpose, value)) == THREE_LINKS.compute_index(purpose, value)
    assert TWO_LINKS.upgrade(THREE_LINKS.compute_index(purpose, value)) == THREE_LINKS.compute_index(purpose, value)


@given(value=st.text(), purpose=PURPOSES)
def test_with_the_former_key_alone_nobody_makes_a_lifted_hash(value: str, purpose: str) -> None:
    assert BlindIndexKey(INDEX.key + bytes(32)).compute_index(purpose, value) != TWO_LINKS.compute_index(purpose, value)


def test_the_first_key_of_a_rotation_writes_and_the_other_is_looked_up() -> None:
    both = BlindIndexKey.parse(f"{INDEX.text},{TWO_LINKS.text}")
    swapped = BlindIndexKey.parse(f"{TWO_LINKS.text}, {INDEX.text}\n")
    old, new = INDEX.compute_index("phone", "1"), TWO_LINKS.compute_index("phone", "1")
    assert (both.compute_index("phone", "1"), both.compute_other_indexes("phone", "1")) == (old, (new,))
    assert (swapped.compute_index("phone", "1"), swapped.compute_other_indexes("phone", "1")) == (new, (old,))
    assert TWO_LINKS.compute_other_indexes("phone", "1") == ()
    assert BlindIndexKey.parse(both.text) == both


def test_what_nobody_can_guess_keeps_its_hash() -> None:
    assert (
        INDEX.compute_base_index("wamid", "x")
        == INDEX.compute_index("wamid", "x")
        == THREE_LINKS.compute_base_index("wamid", "x")
    )


@pytest.mark.parametrize("keys", [(INDEX, INDEX), (INDEX, THREE_LINKS), (INDEX, BlindIndexKey(bytes(64)))])
def test_index_keys_that_do_not_continue_each_other_are_refused(keys: tuple[BlindIndexKey, BlindIndexKey]) -> None:
    for text in (f"{keys[0].text},{keys[1].text}", f"{keys[1].text},{keys[0].text}"):
        with pytest.raises(EncryptionError):
            BlindIndexKey.parse(text)


def test_nothing_shows_a_key() -> None:
    shown = f"{RING!r} {INDEX!r} {RING} {INDEX}"
    assert OLD not in shown
    assert repr(bytes([1]) * 32) not in shown


def decrypts(ring: KeyRing, encrypted: bytes, purpose: str, index: bytes = b"") -> bool:
    try:
        ring.decrypt(encrypted, purpose=purpose, index=index)
    except EncryptionError:
        return False
    return True
