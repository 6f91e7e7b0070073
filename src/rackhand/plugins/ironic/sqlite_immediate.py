"""Lets SQLite serve many of Ironic's threads: every transaction begins as a writer.

oslo.db opens SQLite transactions with a deferred BEGIN; two that read and then
write meet as "database is locked" at once, whatever the timeout, and nodes stay
stuck. BEGIN IMMEDIATE makes them queue (https://sqlite.org/lang_transaction.html).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

_OPEN = "in_transaction"
"""The mark by which oslo.db knows that a transaction was begun already."""


def _begin_immediate(connection: Any) -> None:
    if connection.dialect.name == "sqlite" and _OPEN not in connection.info:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.info[_OPEN] = True


def install() -> None:
    """Make every SQLite transaction of this process BEGIN IMMEDIATE; safe to repeat."""
    if not event.contains(Engine, "begin", _begin_immediate):
        event.listen(Engine, "begin", _begin_immediate)
