"""Missing or wrong settings of the ingress are named before the first webhook, without what is secret in them."""

import os

import pytest

from services.ingress.settings import Settings
from shared.runtime.settings import EXIT_SETTINGS, read_settings
from tests.factories.webhooks import SECRET
from tests.harness.ingress import ENCRYPTION_KEY, INDEX_KEY, SECRET_TEXTS, build_environment

SETTINGS = build_environment("amqp://ingress@127.0.0.1:1/", 0, 0)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("APP_SECRETS", f"{SECRET},{SECRET},{SECRET}", "expected one or two secrets"),
        ("APP_SECRETS", ",", "expected one or two secrets"),
        ("APP_SECRETS", f"\ufeff{SECRET}", "must be one word"),
        ("APP_SECRETS", f"{SECRET}\nthe-older-one", "must be one word"),
        ("VERIFY_TOKEN", "short", ""),
        ("PHONE_NUMBER_ID", "our-number", ""),
        ("ENCRYPTION_KEYS", ENCRYPTION_KEY, "expected VERSION:BASE64"),
        ("INDEX_KEY", INDEX_KEY[1:], "a key must be base64"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, problem: str
) -> None:
    for each in os.environ:
        if each.startswith("KREISFUNK_"):
            monkeypatch.delenv(each)
    for each, given in {**SETTINGS, f"KREISFUNK_{name}": value}.items():
        monkeypatch.setenv(each, given)
    with pytest.raises(SystemExit) as ended:
        read_settings(Settings)
    assert ended.value.code == EXIT_SETTINGS
    said = capsys.readouterr().err
    assert f"KREISFUNK_{name}: {problem}" in said
    assert said.count("KREISFUNK_") == 2  # the name, and the hint at KREISFUNK_SECRETS_DIR
    assert not [text for text in (value, *SECRET_TEXTS) if len(text) > 1 and text in said]
