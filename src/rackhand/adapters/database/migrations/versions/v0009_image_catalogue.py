"""When an image was retired, and how its trial starts ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new: no image is retired, and none was tried yet."""
    with op.batch_alter_table("images") as images:
        images.add_column(sa.Column("retired_at", sa.String(length=32), nullable=True))
        images.add_column(sa.Column("boot_matrix", sa.JSON(), nullable=True))
