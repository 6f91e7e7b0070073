"""Adopted machines that are none of ours yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their table, empty at first."""
    op.create_table(
        "discoveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("network", sa.String(length=63), nullable=False),
        sa.Column("zone", sa.String(length=63), nullable=False),
        sa.Column("address", sa.String(length=15), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("hardware", sa.JSON(), nullable=True),
        sa.Column("bmc_address", sa.String(length=45), nullable=True),
        sa.Column("wires", sa.JSON(), nullable=False),
        sa.Column("reported_at", sa.String(length=32), nullable=True),
        sa.Column("fault", sa.JSON(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discoveries")),
        sa.UniqueConstraint("mac", name=op.f("uq_discoveries_mac")),
        sa.UniqueConstraint("name", name=op.f("uq_discoveries_name")),
    )
