"""`rackhand schema`."""

from __future__ import annotations

import json

import click

from rackhand.doors.cli.words import _

KINDS = ("zones", "networks", "flavors", "machines", "lease", "template")


@click.command(help=_("Print the JSON schema of a kind of YAML file, e.g. for an editor."))
@click.argument("kind", type=click.Choice(KINDS))
def schema(kind: str) -> None:
    """Print JSON Schema 2020-12."""
    from rackhand.doors.cli.file_schemas import FILES

    document = FILES[kind].model_json_schema()
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    click.echo(json.dumps(dialect | document, indent=2, ensure_ascii=False))
