"""Brings a database file up to the newest migration, wholly or not at all."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from rackhand.model.errors import StoreBroken

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: sa.Engine, migrations: Path = MIGRATIONS) -> None:
    """Run the migrations that the database lacks, in one transaction.

    ``engine`` must not enforce foreign keys; they are checked before the commit.
    StoreBroken when the database was made by a newer version, or would be inconsistent.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with engine.begin() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in scripts.walk_revisions()}
        if present is not None and present not in known:
            raise StoreBroken(
                f"the database {engine.url} is of version {present}, unknown to this Rackhand",
                "start the Rackhand that wrote it, or a newer one",
            )
        if present == scripts.get_current_head():
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if engine.dialect.name == "sqlite":
            dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if dangling:
                raise StoreBroken(
                    f"migrating {engine.url} would leave {len(dangling)} rows referring to nothing",
                    "the file is as it was: start the Rackhand that wrote it, and report this",
                )
