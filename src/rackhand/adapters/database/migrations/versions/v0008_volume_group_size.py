"""What becomes of an image's volume group on a larger disk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it to flavors and leases; until now it always stayed fixed."""
    with op.batch_alter_table("flavors") as flavors:
        flavors.add_column(
            sa.Column("volume_group_size", sa.String(16), nullable=False, server_default="fixed")
        )
    leases = sa.table("leases", sa.column("id", sa.String()), sa.column("spec", sa.JSON()))
    connection = op.get_bind()
    for lease_id, spec in connection.execute(sa.select(leases.c.id, leases.c.spec)).all():
        change = leases.update().where(leases.c.id == lease_id)
        connection.execute(change.values(spec={**spec, "volume_group_size": "fixed"}))
