"""Brings a database file up to the newest migration, wholly or not at all."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from rackhand.adapters.database.sqlite import sqlite_engine
from rackhand.model.errors import StoreBroken

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(path: Path, migrations: Path = MIGRATIONS) -> None:
    """Run the migrations that the file lacks, in one transaction; makes the file if need be.

    StoreBroken when the file was made by a newer version, or would be inconsistent.
    SQLAlchemyError, sqlite3.Error and OSError are the caller's to translate.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    # Rebuilding a table drops the old one, which would delete what refers to it
    # (SQLite, "ALTER TABLE", section 7); so references are checked afterwards instead.
    engine = sqlite_engine(path, foreign_keys=False)
    try:
        with engine.begin() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
            _refuse_unknown(path, present, scripts)
            if present != scripts.get_current_head():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                _refuse_dangling(path, connection)
    finally:
        engine.dispose()


def _refuse_unknown(path: Path, present: str | None, scripts: ScriptDirectory) -> None:
    if present is not None and present not in {s.revision for s in scripts.walk_revisions()}:
        raise StoreBroken(
            f"the database {path} is of version {present}, unknown to this Rackhand",
            "start the Rackhand that wrote it, or a newer one",
        )


def _refuse_dangling(path: Path, connection: sa.Connection) -> None:
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if dangling:
        raise StoreBroken(
            f"migrating {path} would leave {len(dangling)} rows that refer to nothing",
            "the file is as it was: start the Rackhand that wrote it, and report this",
        )
