"""Benchmarks give each process that they start what it requires; no test runs them, so nobody would notice."""

from collections.abc import Mapping

import pytest
from pydantic_settings import BaseSettings

from cli.settings import RotationSettings
from deploy.paths import ROOT
from services.dispatcher.settings import Settings as Dispatcher
from services.ingress.settings import Settings as Ingress
from services.newsroom.settings import Settings as Newsroom
from services.subscriptions.settings import Settings as Subscriptions
from shared.runtime.settings import PREFIX

STARTED: Mapping[str, type[BaseSettings]] = {
    "dispatch/harness.py": Dispatcher,
    "expansion/__main__.py": Subscriptions,
    "ingress/harness.py": Ingress,
    "newsroom/harness.py": Newsroom,
    "rotation/__main__.py": RotationSettings,
}


@pytest.mark.parametrize("file", STARTED)
def test_every_required_setting_is_given(file: str) -> None:
    text, settings = (ROOT / "benchmarks" / file).read_text(), STARTED[file]
    assert [name for name in list_required(settings) if f'"{name}":' not in text] == []


def list_required(settings: type[BaseSettings]) -> list[str]:
    return [f"{PREFIX}{name.upper()}" for name, field in settings.model_fields.items() if field.is_required()]
