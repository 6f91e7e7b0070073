"""Where a disk hangs and what lies on it; controllers; hints by slot and by exclusion."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UNKNOWN: dict[str, Any] = {
    "driver": None,
    "controller": None,
    "slot": None,
    "expanders": 0,
    "enclosure": None,
    "lun": None,
    "target_port_groups": False,
    "multipath": False,
    "content": None,
}


def upgrade() -> None:
    """Add what is new, unknown in every row that is there: the next inspection tells."""
    _mend("machines", "hardware", _with_disks)
    _mend("discoveries", "hardware", _with_disks)
    _mend("leases", "placement", lambda placed: {**placed, "disk": _with_place(placed["disk"])})
    _mend("leases", "spec", lambda spec: {**spec, "disk": _with_exclude(spec["disk"])})
    _mend("flavors", "disk", _with_exclude)


def _mend(name: str, column: str, mended: Any) -> None:
    """Rewrite one JSON column of every row."""
    table = sa.table(name, sa.column("id", sa.String()), sa.column(column, sa.JSON()))
    connection = op.get_bind()
    for row_id, document in connection.execute(sa.select(table.c.id, table.c[column])).all():
        if document is not None:
            change = table.update().where(table.c.id == row_id)
            connection.execute(change.values({column: mended(document)}))


def _with_place(disk: dict[str, Any]) -> dict[str, Any]:
    return {**disk, **_UNKNOWN}


def _with_disks(hardware: dict[str, Any]) -> dict[str, Any]:
    return {**hardware, "disks": [_with_place(disk) for disk in hardware["disks"]], "hbas": []}


def _with_exclude(hint: dict[str, Any]) -> dict[str, Any]:
    return {**hint, "slot": None, "exclude": []}
