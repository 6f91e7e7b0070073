"""SQLite, opened so that a commit that returned is on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_MS = 30_000
"""How long a statement waits for another process (a backup, ``sqlite3``) to let go."""


def sqlite_engine(path: Path, foreign_keys: bool = True) -> sa.Engine:
    """Return an engine on the file, which is made if need be, readable by its owner only.

    ``foreign_keys`` False is for migrations only.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # SQLite gives its -wal and -shm files the mode of the main file.
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=str(path)),
        hide_parameters=True,  # they may be password hashes, and errors are logged
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # Leave BEGIN to the listener below: sqlite3 would send a deferred one, and late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL outlives kill -9 but may lose the last commits with the
        # power. A lease that was answered "accepted", or a placement whose machine
        # is being written already, must outlive that too; a commit costs one fsync.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        # Password hashes are scrubbed from leases: scrub the pages as well.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A deferred transaction that reads and then writes fails at once when
        # another wrote in between, whatever the busy timeout. This one waits first.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def empty_journal(engine: sa.Engine) -> None:
    """Write the -wal file's pages into the database and cut it to nothing.

    Until then it holds older versions of pages, a scrubbed secret's among them
    (https://sqlite.org/wal.html, 2.3); secure_delete cleans the database alone. Waits
    for other readers as long as any statement does. No transaction may be open.
    """
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.close()
    finally:
        connection.close()
