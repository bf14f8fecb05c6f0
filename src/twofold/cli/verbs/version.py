"""``twofold version``: what is installed, and the schema of the records."""

import click

from twofold.cli.render.words import columns
from twofold.cli.root import Verb
from twofold.cli.session import Session


@click.command("version", cls=Verb, opens=False)
@click.option(
    "--schema", is_flag=True, help="Print the JSON schema of the records that --json writes."
)
@click.pass_obj
def command(session: Session, schema: bool) -> int:
    """Show versions, and the schema of --json."""
    from twofold.commands import version

    if schema:
        return _print_schema(session)
    result = version.run(version.VersionOptions(), session.emit)
    rows = [
        ("twofold", result.version),
        ("repository format", str(result.repository_format)),
        ("Python", result.python),
        ("C extension", "in use" if result.native else "not built: slower, same results"),
        *result.libraries.items(),
    ]
    session.show(columns(rows))
    return session.finish(result)


def _print_schema(session: Session) -> int:
    import json

    from twofold.cli.render.schema import whole_schema

    session.show(json.dumps(whole_schema(), indent=1).splitlines())
    return 0
