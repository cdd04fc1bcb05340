"""Settings come from variables or files, and what is wrong with them is said without their values."""

from importlib import import_module
from pathlib import Path

import pytest
from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from shared.notices.configuration import Configuration
from shared.runtime.settings import EXIT_SETTINGS, DatabaseSettings, EnvironmentSettings, read_county, read_settings

URL = "amqp://ingress@127.0.0.1:5672/"
SERVICES = ("dispatcher", "feeds", "ingress", "ingress.notices", "newsroom", "subscriptions")


class Example(DatabaseSettings):
    token: SecretStr = Field(min_length=8, description="the token of the example")
    size: int = Field(3, ge=1)

    @field_validator("size")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Only what the example needs."""
    for name in ("SIZE", "SECRETS_DIR", "BROKER_PASSWORD", "INTERNAL_PORT", "LOG_LEVEL", "DRAIN_SECONDS"):
        monkeypatch.delenv(f"KREISFUNK_{name}", raising=False)
    monkeypatch.setenv("KREISFUNK_BROKER_URL", URL)
    monkeypatch.setenv("KREISFUNK_DATABASE_URL", "postgresql://ingress@127.0.0.1/")
    monkeypatch.setenv("KREISFUNK_TOKEN", "0123456789")
    return monkeypatch


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        read_settings(Example)
    assert caught.value.code == EXIT_SETTINGS
    return capsys.readouterr().err


def test_settings_are_read_from_variables(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KREISFUNK_SIZE", "5")
    settings = read_settings(Example)
    assert (settings.broker_url, settings.size, settings.internal_port) == (URL, 5, 9090)
    assert settings.token.get_secret_value() == "0123456789"
    assert settings.broker_secret is None


def test_settings_are_read_from_files_without_their_last_line_break(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kreisfunk_token").write_text("from-a-file\n")
    (tmp_path / "kreisfunk_broker_password").write_text("of the broker\n")
    environment.setenv("KREISFUNK_SECRETS_DIR", str(tmp_path))
    environment.delenv("KREISFUNK_TOKEN")
    settings = read_settings(Example)
    assert settings.token.get_secret_value() == "from-a-file"
    assert settings.broker_secret == "of the broker"


def test_an_empty_variable_is_as_good_as_none(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("KREISFUNK_SIZE", "")
    assert read_settings(Example).size == 3
    environment.setenv("KREISFUNK_TOKEN", "")
    assert "KREISFUNK_TOKEN: Field required (the token of the example)" in complaint(capsys)


def test_everything_that_is_wrong_is_named_at_once_without_its_value(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "BROKER_URL": "http://login:secret-of-the-url@127.0.0.1/",
        "TOKEN": "s3cr3t!",
        "SIZE": "4",
        "INTERNAL_PORT": "port-of-call",
        "LOG_LEVEL": "deafening",
        "DRAIN_SECONDS": "0",
    }
    for name, value in wrong.items():
        environment.setenv(f"KREISFUNK_{name}", value)
    said = complaint(capsys)
    assert all(f"KREISFUNK_{name}: " in said for name in wrong)
    assert "KREISFUNK_SIZE: must be odd" in said
    assert not [value for name, value in wrong.items() if len(value) > 1 and value in said]
    assert "secret-of-the-url" not in said


def test_settings_never_change_and_never_show_a_secret(environment: pytest.MonkeyPatch) -> None:
    settings = read_settings(Example)
    assert "0123456789" not in repr(settings)
    with pytest.raises(ValueError, match="frozen"):
        settings.size = 7


def test_a_missing_secrets_folder_is_no_reason_to_fail_but_is_named_with_what_it_should_hold(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("KREISFUNK_SECRETS_DIR", "/nowhere/at/all")
    assert read_settings(Example).size == 3
    environment.delenv("KREISFUNK_TOKEN")
    assert "KREISFUNK_SECRETS_DIR: there is no folder /nowhere/at/all" in complaint(capsys)


def test_a_county_file_that_is_wrong_ends_the_process_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_county(tmp_path / "county.toml", Configuration)
    assert caught.value.code == EXIT_SETTINGS
    assert f"  KREISFUNK_COUNTY_FILE: {tmp_path / 'county.toml'}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "hosts",
    ["127.0.0.1:5x", "127.0.0.1:99999", "[::1", "one:5672,two:5x", "login:hunter/2@host", "rabbitmq..example:5672"],
)
def test_an_address_that_cannot_be_read_is_refused_without_the_password_that_it_may_hold(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hosts: str
) -> None:
    environment.setenv("KREISFUNK_BROKER_URL", f"amqp://{hosts}/")
    environment.setenv("KREISFUNK_DATABASE_URL", f"postgresql://{hosts}/")
    told = complaint(capsys)
    for name in ("BROKER", "DATABASE"):
        assert f"KREISFUNK_{name}_URL: a host or port cannot be read" in told
    assert "hunter" not in told


@pytest.mark.parametrize("hosts", ["one_two:5672", "[::1]:5672,[::2]:5672", "bröker.example.:5672", "one,two"])
def test_an_address_that_a_server_can_have_is_taken(environment: pytest.MonkeyPatch, hosts: str) -> None:
    environment.setenv("KREISFUNK_BROKER_URL", f"amqp://ingress@{hosts}/")
    assert read_settings(Example).broker_url == f"amqp://ingress@{hosts}/"


def test_a_file_that_cannot_be_read_is_named(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "kreisfunk_broker_password").write_bytes(b"hunter2 \xff")
    environment.setenv("KREISFUNK_SECRETS_DIR", str(tmp_path))
    told = complaint(capsys)
    assert "KREISFUNK_BROKER_PASSWORD: cannot be read (UnicodeDecodeError)" in told
    assert "hunter" not in told


def list_settings(base: type[BaseSettings] = EnvironmentSettings) -> list[type[BaseSettings]]:
    return [base, *(each for child in base.__subclasses__() for each in list_settings(child))]


@pytest.mark.parametrize("module", ["cli", *(f"services.{service}" for service in SERVICES)])
def test_a_field_that_is_declared_again_is_validated_as_before(module: str) -> None:
    import_module(f"{module}.settings")
    declared = [each for each in list_settings() if each.__module__ == f"{module}.settings"]
    assert declared
    for settings in declared:
        for base in (each for each in settings.__mro__ if issubclass(each, BaseSettings)):
            for name, field in base.model_fields.items():
                validators = [each for each in field.metadata if isinstance(each, AfterValidator)]
                assert all(each in settings.model_fields[name].metadata for each in validators), (settings, name)
