"""One form of each word: a search configuration that drops none, in place of two vectors joined

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = "coalesce(body ->> 'subject', '') || ' ' || text"
BOTH = f"to_tsvector('russian'::regconfig, {TEXT}) || to_tsvector('simple'::regconfig, {TEXT})"


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("SET LOCAL transaction_timeout = 0")
    # Without a list of stop words the stemmers keep "не" and "the": nobody's search is silently empty.
    op.execute("CREATE TEXT SEARCH DICTIONARY hub_russian (TEMPLATE = snowball, LANGUAGE = russian)")
    op.execute("CREATE TEXT SEARCH DICTIONARY hub_english (TEMPLATE = snowball, LANGUAGE = english)")
    op.execute("CREATE TEXT SEARCH CONFIGURATION hub (COPY = russian)")
    op.execute("ALTER TEXT SEARCH CONFIGURATION hub ALTER MAPPING FOR word, hword, hword_part WITH hub_russian")
    op.execute(
        "ALTER TEXT SEARCH CONFIGURATION hub ALTER MAPPING FOR asciiword, asciihword, hword_asciipart WITH hub_english"
    )
    # Rewrites the table: there is no installation yet whose history is long.
    op.execute(f"ALTER TABLE interaction ALTER COLUMN search SET EXPRESSION AS (to_tsvector('hub'::regconfig, {TEXT}))")


def downgrade() -> None:
    op.execute(f"ALTER TABLE interaction ALTER COLUMN search SET EXPRESSION AS ({BOTH})")
    op.execute("DROP TEXT SEARCH CONFIGURATION hub")
    op.execute("DROP TEXT SEARCH DICTIONARY hub_russian, hub_english")
