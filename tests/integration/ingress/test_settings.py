"""A process with missing or wrong settings says all of it at once, and nothing that is secret."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.paths import ROOT
from tests.factories.webhooks import SECRET
from tests.harness.ingress import (
    INDEX_KEY,
    SEALING_KEY,
    SECRET_TEXTS,
    build_environment,
)

SETTINGS = build_environment("amqp://ingress@127.0.0.1:1/", 0, 0)


def start(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.ingress"]
    return subprocess.run(
        command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_everything_that_is_missing_is_named_at_once() -> None:
    finished = start({"PATH": os.environ["PATH"]})
    required = ("BROKER_URL", "APP_SECRETS", "VERIFY_TOKEN", "PHONE_NUMBER_ID", "ENCRYPTION_KEYS", "INDEX_KEY")
    assert finished.returncode == 2
    assert all(f"KREISFUNK_{name}: " in finished.stderr for name in required)
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_SECRETS", f"{SECRET},{SECRET},{SECRET}"),
        ("APP_SECRETS", ","),
        ("VERIFY_TOKEN", "short"),
        ("PHONE_NUMBER_ID", "our-number"),
        ("ENCRYPTION_KEYS", SEALING_KEY),
        ("ENCRYPTION_KEYS", f"0:{SEALING_KEY}"),
        ("ENCRYPTION_KEYS", f"1:{SEALING_KEY[:-8]}"),
        ("INDEX_KEY", INDEX_KEY[1:]),
        ("BROKER_URL", f"http://{SECRET}@127.0.0.1/"),
        ("LISTEN_PORT", "70000"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(name: str, value: str) -> None:
    finished = start({**SETTINGS, f"KREISFUNK_{name}": value})

    assert finished.returncode == 2
    assert f"KREISFUNK_{name}: " in finished.stderr
    assert finished.stderr.count("KREISFUNK_") == 2  # the name, and the hint at KREISFUNK_SECRETS_DIR
    assert "Traceback" not in finished.stderr
    assert not [text for text in (value, *SECRET_TEXTS) if len(text) > 1 and text in finished.stderr]


def test_a_secret_may_be_a_file_and_is_still_not_shown(tmp_path: Path) -> None:
    (tmp_path / "kreisfunk_index_key").write_text(f"{INDEX_KEY[1:]}\n")
    finished = start({**SETTINGS, "KREISFUNK_SECRETS_DIR": str(tmp_path), "KREISFUNK_INDEX_KEY": ""})

    assert finished.returncode == 2
    assert "KREISFUNK_INDEX_KEY: " in finished.stderr
    assert INDEX_KEY[1:] not in finished.stderr
