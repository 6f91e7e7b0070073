"""What is heard on the wire: probes, strangers, foreign DHCP servers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make three tables, empty at first."""
    op.create_table(
        "probes",
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("network", sa.String(length=63), nullable=False),
        sa.Column("tag", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("mac", "network", "tag", name=op.f("pk_probes")),
    )
    op.create_index(op.f("ix_probes_at"), "probes", ["at"], unique=False)
    op.create_table(
        "strangers",
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("network", sa.String(length=63), nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.String(length=32), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=False),
        sa.Column("vendor_class", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("mac", "network", name=op.f("pk_strangers")),
    )
    op.create_table(
        "foreign_dhcp",
        sa.Column("network", sa.String(length=63), nullable=False),
        sa.Column("server", sa.String(length=15), nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.String(length=32), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("network", "server", "mac", name=op.f("pk_foreign_dhcp")),
    )
