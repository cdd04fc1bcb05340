"""All commands of `kreisfunk`."""

import typer

from cli.demo.command import demo
from cli.doctor.command import doctor
from cli.faults.command import faults
from cli.feeds import command as feeds
from cli.keys.command import keys
from cli.migrate.command import migrate
from cli.operate import broadcasts, dead_letters, limits, notices, templates, unknown
from cli.publish.command import PUBLISH_HELP, publish, withdraw
from cli.quarantine.command import quarantine
from cli.secrets import secrets
from cli.systems import command as systems
from cli.tokens import command as tokens
from cli.up import up

app = typer.Typer(
    help="Kreisfunk: the WhatsApp broadcast channel of a county.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(up)
app.command(help=PUBLISH_HELP)(publish)
app.command()(withdraw)
app.add_typer(notices.app, name="notices")
app.add_typer(feeds.app, name="feeds")
app.command()(doctor)
app.add_typer(broadcasts.app, name="broadcasts")
app.add_typer(limits.app, name="limits")
app.add_typer(unknown.app, name="unknown")
app.add_typer(templates.app, name="templates")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(quarantine, name="quarantine")
app.command()(faults)
app.command()(migrate)
app.add_typer(keys, name="keys")
app.add_typer(tokens.app, name="tokens")
app.add_typer(systems.app, name="systems")
app.command()(secrets)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
