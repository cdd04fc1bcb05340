"""The `kreisfunk setup` command."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.paths import ROOT

DEFAULT_COUNTY, DEFAULT_TEMPLATES = "deploy/config/county.toml", "deploy/config/templates.json"
Check = Annotated[bool, typer.Option("--check", help="Only look: change nothing, send nothing, ask nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before a change or the test message.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with a system user token: stored once Meta accepts it.")]
AppSecretFile = Annotated[Path | None, typer.Option(help="File with the app secret: stored once Meta accepts it.")]
AppId = Annotated[str | None, typer.Option(help="Id of the app, unless Meta tells it by the token.")]
CallbackUrl = Annotated[str | None, typer.Option(help="Public address of the webhook: https://HOST/webhook.")]
Provider = Annotated[
    bool, typer.Option("--provider", help="The app is a solution provider's: only the account gets our address.")
]
Picture = Annotated[
    Path | None, typer.Option(help="JPEG or PNG that Meta's reviewers see in templates with a picture.")
]
TestTo = Annotated[str | None, typer.Option(help="Send one test message to this number, such as +49…; Meta bills it.")]
Stack = Annotated[Path | None, typer.Option(help="Folder of a local stack.")]
CountyFile = Annotated[
    Path, typer.Option(envvar="KREISFUNK_COUNTY_FILE", help="The county's file.", show_default=DEFAULT_COUNTY)
]
TemplatesFile = Annotated[
    Path, typer.Option(envvar="KREISFUNK_TEMPLATES_FILE", help="Our templates.", show_default=DEFAULT_TEMPLATES)
]


def set_up(
    check: Check = False,
    token_file: TokenFile = None,
    app_secret_file: AppSecretFile = None,
    app_id: AppId = None,
    callback_url: CallbackUrl = None,
    provider: Provider = False,
    picture: Picture = None,
    test_to: TestTo = None,
    yes: Yes = False,
    stack: Stack = None,
    county: CountyFile = ROOT / DEFAULT_COUNTY,
    templates: TemplatesFile = ROOT / DEFAULT_TEMPLATES,
) -> None:
    """Set up number, tokens, webhook and templates at Meta, as far as they are not yet, and send a first message.

    Each step looks at what is already true, at Meta and in the files of the secrets, so it may be ended and begun again
    at any time. Everything that Meta refuses is explained. Secrets are asked for without showing them, and never
    printed.

    Exit status: 0 all is set up, 1 something is open, 2 wrong command line or settings.
    """
    from cli.setup.actions import run_setup
    from cli.setup.run import SetupOptions

    options = SetupOptions(
        check=check,
        yes=yes,
        token_file=token_file,
        app_secret_file=app_secret_file,
        app_id=app_id,
        callback_url=callback_url,
        provider=provider,
        picture=picture,
        test_to=test_to,
        county=county,
        templates=templates,
    )
    run_setup(options, stack)
