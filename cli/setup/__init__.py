"""`kreisfunk setup`: leads through Meta, from the first token to the first message."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import COUNTY, TEMPLATES, CountyFile, TemplatesFile


def set_up(
    check: Annotated[bool, typer.Option("--check", help="Only look: change, send and ask nothing.")] = False,
    token_file: Annotated[Path | None, typer.Option(help="System user token: stored once Meta accepts it.")] = None,
    app_secret_file: Annotated[Path | None, typer.Option(help="App secret: stored once Meta accepts it.")] = None,
    app_id: Annotated[str | None, typer.Option(help="Id of the app, unless Meta tells it by the token.")] = None,
    callback_url: Annotated[str | None, typer.Option(help="Public webhook: https://HOST/webhook.")] = None,
    provider: Annotated[
        bool, typer.Option("--provider", help="The app is a solution provider's: only the account gets our address.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="JPEG or PNG that Meta's reviewers see in templates.")] = None,
    test_to: Annotated[
        str | None, typer.Option(help="Send one test message to this number, such as +49…; Meta bills it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a change or the test message.")] = False,
    stack: Annotated[Path | None, typer.Option(help="Folder of a local stack.")] = None,
    county: CountyFile = COUNTY,
    templates: TemplatesFile = TEMPLATES,
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
