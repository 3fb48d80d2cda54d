"""What people do beside answering

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "canned_answer",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("shortcut", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("kinds", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("used", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("canned_answer_pkey")),
    )
    op.create_index(
        "canned_answer_shortcut_key",
        "canned_answer",
        [sa.literal_column("lower(shortcut)"), "agent_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "custom_field",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), server_default=sa.text("'text'"), nullable=False),
        sa.Column("options", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint(
            "type IN ('text', 'number', 'date', 'choice', 'flag', 'link')", name=op.f("custom_field_type_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("custom_field_pkey")),
        sa.UniqueConstraint("key", name=op.f("custom_field_key_key")),
    )
    op.create_table(
        "disposition",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("object IN ('conversation', 'call')", name=op.f("disposition_object_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("disposition_pkey")),
        sa.UniqueConstraint("object", "name", name=op.f("disposition_object_name_key")),
    )
    op.create_table(
        "draft",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "conversation_id", name=op.f("draft_pkey")),
    )
    op.create_table(
        "erasure",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("erasure_pkey")),
    )
    op.create_table(
        "import_job",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("columns", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'uploaded'"), nullable=False),
        sa.Column("rows", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("done_rows", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("made", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("errors_blob", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('uploaded', 'waiting', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("import_job_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("import_job_pkey")),
    )
    op.create_index(
        "import_job_waiting_idx",
        "import_job",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.create_table(
        "mention",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("interaction_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("agent_id", "interaction_id", name=op.f("mention_pkey")),
    )
    op.create_index(
        "mention_unseen_idx", "mention", ["agent_id"], unique=False, postgresql_where=sa.text("seen_at IS NULL")
    )
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("filters", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("columns", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "object IN ('conversation', 'contact', 'call', 'task')", name=op.f("saved_view_object_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("saved_view_pkey")),
    )
    op.create_index(op.f("saved_view_agent_id_idx"), "saved_view", ["agent_id"], unique=False)
    op.create_table(
        "second_factor",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("recovery", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("second_factor_pkey")),
    )
    op.create_table(
        "task",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("'todo'"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("interaction_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("result", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.Uuid(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("kind IN ('todo', 'call_back', 'meeting', 'complaint')", name=op.f("task_kind_check")),
        sa.CheckConstraint("state IN ('open', 'done', 'cancelled')", name=op.f("task_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("task_pkey")),
    )
    op.create_index(op.f("task_contact_id_id_idx"), "task", ["contact_id", "id"], unique=False)
    op.create_index(
        op.f("task_conversation_id_idx"),
        "task",
        ["conversation_id"],
        unique=False,
        postgresql_where=sa.text("conversation_id IS NOT NULL"),
    )
    op.create_index("task_key_key", "task", ["key"], unique=True, postgresql_where=sa.text("key IS NOT NULL"))
    op.create_index(
        "task_open_assignee_id_idx",
        "task",
        ["assignee_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "task_open_due_at_idx", "task", ["due_at"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(
        "task_remind_at_idx",
        "task",
        ["remind_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open' AND remind_at IS NOT NULL"),
    )
    op.create_table(
        "transfer",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("from_agent_id", sa.Uuid(), nullable=True),
        sa.Column("to_agent_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'offered'"), nullable=False),
        sa.Column("answer", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('offered', 'accepted', 'returned', 'withdrawn')", name=op.f("transfer_state_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("transfer_pkey")),
    )
    op.create_index(
        "transfer_offered_key",
        "transfer",
        ["conversation_id"],
        unique=True,
        postgresql_where=sa.text("state = 'offered'"),
    )
    op.create_index(
        "transfer_to_agent_id_idx",
        "transfer",
        ["to_agent_id"],
        unique=False,
        postgresql_where=sa.text("state = 'offered'"),
    )
    op.add_column("call", sa.Column("disposition", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("web_session", sa.Column("address", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    op.drop_column("web_session", "address")
    op.drop_column("call", "disposition")
    op.drop_index("transfer_to_agent_id_idx", table_name="transfer", postgresql_where=sa.text("state = 'offered'"))
    op.drop_index("transfer_offered_key", table_name="transfer", postgresql_where=sa.text("state = 'offered'"))
    op.drop_table("transfer")
    op.drop_index(
        "task_remind_at_idx", table_name="task", postgresql_where=sa.text("state = 'open' AND remind_at IS NOT NULL")
    )
    op.drop_index("task_open_due_at_idx", table_name="task", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("task_open_assignee_id_idx", table_name="task", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("task_key_key", table_name="task", postgresql_where=sa.text("key IS NOT NULL"))
    op.drop_index(
        op.f("task_conversation_id_idx"), table_name="task", postgresql_where=sa.text("conversation_id IS NOT NULL")
    )
    op.drop_index(op.f("task_contact_id_id_idx"), table_name="task")
    op.drop_table("task")
    op.drop_table("second_factor")
    op.drop_index(op.f("saved_view_agent_id_idx"), table_name="saved_view")
    op.drop_table("saved_view")
    op.drop_index("mention_unseen_idx", table_name="mention", postgresql_where=sa.text("seen_at IS NULL"))
    op.drop_table("mention")
    op.drop_index(
        "import_job_waiting_idx", table_name="import_job", postgresql_where=sa.text("state IN ('waiting', 'running')")
    )
    op.drop_table("import_job")
    op.drop_table("erasure")
    op.drop_table("draft")
    op.drop_table("disposition")
    op.drop_table("custom_field")
    op.drop_index("canned_answer_shortcut_key", table_name="canned_answer", postgresql_nulls_not_distinct=True)
    op.drop_table("canned_answer")
