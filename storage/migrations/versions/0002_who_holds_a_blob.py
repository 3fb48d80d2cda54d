"""Who holds a blob: indexes by which unused ones are found

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

HELD = sa.text("blob IS NOT NULL")


def upgrade() -> None:
    # Bodies over 256 KB are rare: the indexes are small, building them reads the journal once.
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("SET LOCAL transaction_timeout = 0")
    op.create_index("journal_blob_idx", "journal", ["blob"], postgresql_where=HELD)
    op.create_index("journal_kept_blob_idx", "journal_kept", ["blob"], postgresql_where=HELD)
    op.create_index("blob_unused_idx", "blob", ["sha256"], postgresql_where=sa.text("refs <= 0"))


def downgrade() -> None:
    op.drop_index("blob_unused_idx", table_name="blob")
    op.drop_index("journal_kept_blob_idx", table_name="journal_kept")
    op.drop_index("journal_blob_idx", table_name="journal")
