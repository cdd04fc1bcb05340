"""Missing or wrong settings of the ingress are named before the first webhook, without what is secret in them."""

import os

import pytest

from services.ingress.settings import Settings
from shared.runtime.settings import EXIT_SETTINGS, read_settings
from tests.factories.webhooks import SECRET
from tests.harness.ingress import ENCRYPTION_KEY, INDEX_KEY, SECRET_TEXTS, build_environment

SETTINGS = build_environment("amqp://ingress@127.0.0.1:1/", 0, 0)


def complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environment: str) -> str:
    for name in (*os.environ, *environment):
        if name.startswith("KREISFUNK_"):
            monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        read_settings(Settings)
    assert ended.value.code == EXIT_SETTINGS
    return capsys.readouterr().err


def test_everything_that_is_missing_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = complaint(monkeypatch, capsys)
    required = ("BROKER_URL", "APP_SECRETS", "VERIFY_TOKEN", "PHONE_NUMBER_ID", "ENCRYPTION_KEYS", "INDEX_KEY")
    assert [name for name in required if f"KREISFUNK_{name}: " not in said] == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("APP_SECRETS", f"{SECRET},{SECRET},{SECRET}", "expected one or two secrets"),
        ("APP_SECRETS", ",", "expected one or two secrets"),
        ("VERIFY_TOKEN", "short", ""),
        ("PHONE_NUMBER_ID", "our-number", ""),
        ("ENCRYPTION_KEYS", ENCRYPTION_KEY, "expected VERSION:BASE64"),
        ("ENCRYPTION_KEYS", f"0:{ENCRYPTION_KEY}", ""),
        ("ENCRYPTION_KEYS", f"1:{ENCRYPTION_KEY[:-8]}", ""),
        ("INDEX_KEY", INDEX_KEY[1:], "a key must be base64"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, problem: str
) -> None:
    said = complaint(monkeypatch, capsys, **{**SETTINGS, f"KREISFUNK_{name}": value})
    assert f"KREISFUNK_{name}: {problem}" in said
    assert said.count("KREISFUNK_") == 2  # the name, and the hint at KREISFUNK_SECRETS_DIR
    assert not [text for text in (value, *SECRET_TEXTS) if len(text) > 1 and text in said]
