"""What was heard of a machine's NICs at its inspection, and what their switch says."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new; machines inspected before were probed by no NIC."""
    with op.batch_alter_table("machines") as machines:
        machines.add_column(sa.Column("wire_probe", sa.JSON(), nullable=True))
        machines.add_column(sa.Column("inspection_began_at", sa.String(length=32), nullable=True))
    table = sa.table("machines", sa.column("id", sa.String()), sa.column("hardware", sa.JSON()))
    connection = op.get_bind()
    for row_id, hardware in connection.execute(sa.select(table.c.id, table.c.hardware)).all():
        if hardware is not None:
            change = table.update().where(table.c.id == row_id)
            connection.execute(change.values(hardware=_unprobed(hardware)))


def _unprobed(hardware: dict[str, Any]) -> dict[str, Any]:
    nics = [{**nic, "probed": None, "lldp": None} for nic in hardware["nics"]]
    return {**hardware, "nics": nics}
