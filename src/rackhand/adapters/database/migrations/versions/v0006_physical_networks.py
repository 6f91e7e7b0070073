"""The fabric of switches that carries a network, and that a NIC is cabled to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new; nothing names a fabric yet."""
    with op.batch_alter_table("networks") as networks:
        networks.add_column(sa.Column("physical_network", sa.String(length=63), nullable=True))
    for name in ("machines", "discoveries"):
        table = sa.table(name, sa.column("id", sa.String()), sa.column("wires", sa.JSON()))
        connection = op.get_bind()
        for row_id, wires in connection.execute(sa.select(table.c.id, table.c.wires)).all():
            named = [{**wire, "physical_network": None} for wire in wires]
            connection.execute(table.update().where(table.c.id == row_id).values(wires=named))
