"""What is erased when a flavor's lease ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it: until now only the settings said it, and they still may say more."""
    with op.batch_alter_table("flavors") as flavors:
        flavors.add_column(
            sa.Column("cleaning", sa.String(16), nullable=False, server_default="metadata")
        )
