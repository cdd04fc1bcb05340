"""Readers of the county's approval rules and of the templates submitted to Meta."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from services.newsroom.domain.approval import ApprovalRules
from services.newsroom.domain.preview import TemplateText
from shared.notices.configuration import Configuration, ConfigurationError, System, read_configuration


class _RulesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    approval: ApprovalRules


def read_approval_rules(path: Path, configuration: Configuration) -> ApprovalRules:
    """Return the rules in a TOML file. Raises ConfigurationError, also for an unknown topic."""
    rules = read_configuration(path, _RulesFile).approval
    if unknown := sorted({*rules.routine_topics} - configuration.topic_ids):
        raise ConfigurationError(f"{path}: unknown topics {', '.join(unknown)}")
    return rules


def read_templates(path: Path) -> Mapping[str, TemplateText]:
    """Return the templates in a JSON file by their names. Raises ConfigurationError."""
    try:
        templates = msgspec.json.decode(path.read_text("utf-8-sig"), type=tuple[TemplateText, ...])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return {template.name: template for template in templates}


def find_own_system(configuration: Configuration, name: str) -> System:
    """Return the municipal system that publishes for the newsroom. Raises ConfigurationError if none is registered."""
    system = configuration.find_system(name)
    if system is None:
        raise ConfigurationError(f"the newsroom publishes as the system {name}, which is not registered")
    return system
