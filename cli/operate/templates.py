"""`kreisfunk templates`: templates that Meta does not accept at present, whose broadcasts are paused."""

from typing import Annotated

import typer

from cli.operate.session import refuse, run_on_ledger
from cli.options import DatabaseStack, Json
from cli.output import format_list, format_time, print_result

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_templates(json: Json = False, stack: DatabaseStack = None) -> None:
    """List paused templates, and how many broadcasts wait for each.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    rows = run_on_ledger(stack, lambda ledger: ledger.fetch("select * from dispatcher.list_template_pauses()"))
    lines = [(row["template"], row["broadcasts"], row["reason"], format_time(row["paused_at"])) for row in rows]
    told = format_list(("template", "broadcasts", "reason", "paused since"), lines, empty="no template is paused")
    print_result({"paused": [dict(row) for row in rows]}, told, json=json)


@app.command()
def resume(
    template: Annotated[str, typer.Argument(help="Its name and language at Meta, as listed: NAME/LANGUAGE.")],
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Resume a template, once Meta accepts it again.

    Exit status: 0 resumed, 2 wrong command line, 3 not paused, 4 database unavailable or role refused.
    """
    if not run_on_ledger(stack, lambda ledger: ledger.fetchval("select dispatcher.resume_template($1)", template)):
        refuse(f"Template {template} is not paused.")
    print_result({"result": "resumed", "template": template}, f"resumed: template {template}", json=json)
