"""An address without its row

Who an address belongs to stands in the index it is found by.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A second for each 100,000 addresses, in which no payload is understood; they are kept meanwhile.
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("SET LOCAL transaction_timeout = 0")
    op.execute(
        "ALTER TABLE identity DROP CONSTRAINT identity_kind_scope_value_key,"
        " ADD CONSTRAINT identity_kind_scope_value_key UNIQUE (kind, scope, value) INCLUDE (id, contact_id)"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE identity DROP CONSTRAINT identity_kind_scope_value_key,"
        " ADD CONSTRAINT identity_kind_scope_value_key UNIQUE (kind, scope, value)"
    )
