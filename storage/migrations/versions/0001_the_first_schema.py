"""The first schema

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "absence",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deputy_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("from_at < until_at", name=op.f("absence_order_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("absence_pkey")),
    )
    op.create_index(op.f("absence_agent_id_until_at_idx"), "absence", ["agent_id", "until_at"], unique=False)
    op.create_table(
        "agent",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("password_hash", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("role", sa.Text(), server_default=sa.text("'agent'"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("language", sa.Text(), server_default=sa.text("'ru'"), nullable=False),
        sa.Column(
            "capacity",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text('\'{"message": 5, "email": 10, "form": 10, "call": 1}\''),
            nullable=False,
        ),
        sa.Column("skills", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role IN ('agent', 'supervisor', 'admin')", name=op.f("agent_role_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("agent_pkey")),
        sa.UniqueConstraint("login", name=op.f("agent_login_key")),
    )
    op.create_table(
        "agent_extension",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("extension", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "extension", name=op.f("agent_extension_pkey")),
    )
    op.create_index(op.f("agent_extension_agent_id_idx"), "agent_extension", ["agent_id"], unique=False)
    op.create_table(
        "api_token",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("api_token_pkey")),
        sa.UniqueConstraint("hash", name=op.f("api_token_hash_key")),
    )
    op.create_table(
        "assignment",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("assignment_pkey")),
    )
    op.create_index(op.f("assignment_agent_id_since_idx"), "assignment", ["agent_id", "since"], unique=False)
    op.create_index(
        op.f("assignment_conversation_id_since_idx"), "assignment", ["conversation_id", "since"], unique=False
    )
    op.create_table(
        "attachment",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("interaction_id", sa.Uuid(), nullable=True),
        sa.Column("channel_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("type", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("blob", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'kept', 'too_large', 'failed')", name=op.f("attachment_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("attachment_pkey")),
    )
    op.create_index(op.f("attachment_interaction_id_idx"), "attachment", ["interaction_id"], unique=False)
    op.create_index(
        "attachment_pending_idx", "attachment", ["next_at"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_log_pkey")),
    )
    op.create_index(
        op.f("audit_log_object_kind_object_id_idx"), "audit_log", ["object_kind", "object_id"], unique=False
    )
    op.create_table(
        "blob",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("refs", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("blob_pkey")),
    )
    op.create_table(
        "call",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("interaction_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("client", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("our_number", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("employee", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("talk_s", sa.Integer(), nullable=True),
        sa.Column("wait_s", sa.Integer(), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("events", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("call_pkey")),
        sa.UniqueConstraint("channel_id", "external_id", name=op.f("call_channel_id_external_id_key")),
    )
    op.create_index(op.f("call_conversation_id_idx"), "call", ["conversation_id"], unique=False)
    op.create_index(
        "call_unfinished_idx", "call", ["started_at"], unique=False, postgresql_where=sa.text("state <> 'finished'")
    )
    op.create_table(
        "call_reservation",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "call_id", name=op.f("call_reservation_pkey")),
    )
    op.create_index(
        op.f("call_reservation_agent_id_until_at_idx"), "call_reservation", ["agent_id", "until_at"], unique=False
    )
    op.create_table(
        "channel",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused', 'broken')", name=op.f("channel_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("channel_pkey")),
        sa.UniqueConstraint("token", name=op.f("channel_token_key")),
    )
    op.create_table(
        "channel_health",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("problem_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("silent_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("channel_health_pkey")),
    )
    op.create_table(
        "channel_mark",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("mark", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("channel_mark_pkey")),
    )
    op.create_table(
        "channel_refusal",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("channel_refusal_pkey")),
    )
    op.create_index(op.f("channel_refusal_channel_id_at_idx"), "channel_refusal", ["channel_id", "at"], unique=False)
    op.create_table(
        "consent",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("channel_kind", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("consent_pkey")),
    )
    op.create_index(
        op.f("consent_contact_id_purpose_channel_kind_at_idx"),
        "consent",
        ["contact_id", "purpose", "channel_kind", "at"],
        unique=False,
    )
    op.create_table(
        "contact",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("'person'"), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("sort_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("vip", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("timezone", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("language", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("birthday", sa.Date(), nullable=True),
        sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('person', 'company')", name=op.f("contact_kind_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("contact_pkey")),
    )
    op.create_index(op.f("contact_card_id_idx"), "contact", ["card_id"], unique=False)
    op.create_index(
        op.f("contact_company_id_idx"),
        "contact",
        ["company_id"],
        unique=False,
        postgresql_where=sa.text("company_id IS NOT NULL"),
    )
    op.create_index(
        "contact_name_trgm_idx",
        "contact",
        [sa.literal_column("translate(lower(name), 'ё', 'е')").label("folded")],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"folded": "gin_trgm_ops"},
    )
    op.create_index(
        op.f("contact_owner_id_idx"),
        "contact",
        ["owner_id"],
        unique=False,
        postgresql_where=sa.text("owner_id IS NOT NULL"),
    )
    op.create_index(op.f("contact_sort_name_id_idx"), "contact", ["sort_name", "id"], unique=False)
    op.create_table(
        "contact_merge",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("survivor_id", sa.Uuid(), nullable=False),
        sa.Column("merged_id", sa.Uuid(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("survivor_id <> merged_id", name=op.f("contact_merge_distinct_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("contact_merge_pkey")),
    )
    op.create_index(
        "contact_merge_merged_id_live_key",
        "contact_merge",
        ["merged_id"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_index(op.f("contact_merge_survivor_id_idx"), "contact_merge", ["survivor_id"], unique=False)
    op.create_table(
        "conversation",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("thread_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("'message'"), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("identity_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assignment_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("subject", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("previous_id", sa.Uuid(), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_text", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("unread", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("frt_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_response_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disposition", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "status IN ('open', 'pending', 'snoozed', 'resolved')", name=op.f("conversation_status_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("conversation_pkey")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(op.f("conversation_assignee_id_id_idx"), "conversation", ["assignee_id", "id"], unique=False)
    op.create_index(
        op.f("conversation_channel_id_thread_key_id_idx"),
        "conversation",
        ["channel_id", "thread_key", "id"],
        unique=False,
    )
    op.create_index(
        "conversation_channel_id_thread_key_open_key",
        "conversation",
        ["channel_id", "thread_key"],
        unique=True,
        postgresql_where=sa.text("status <> 'resolved'"),
    )
    op.create_index(op.f("conversation_contact_id_idx"), "conversation", ["contact_id"], unique=False)
    op.create_index(op.f("conversation_queue_id_id_idx"), "conversation", ["queue_id", "id"], unique=False)
    op.create_index(
        "conversation_waiting_idx",
        "conversation",
        ["queue_id", "queued_at"],
        unique=False,
        postgresql_where=sa.text("queued_at IS NOT NULL"),
    )
    op.create_table(
        "conversation_participant",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("why", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "agent_id", name=op.f("conversation_participant_pkey")),
    )
    op.create_index(
        op.f("conversation_participant_agent_id_last_at_idx"),
        "conversation_participant",
        ["agent_id", "last_at"],
        unique=False,
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("audience", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("event_pkey")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_table(
        "external_ref",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("interaction_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "kind", "external_id", "version", name=op.f("external_ref_pkey")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("idempotency_key_pkey")),
    )
    op.create_index(op.f("idempotency_key_at_idx"), "idempotency_key", ["at"], unique=False)
    op.create_table(
        "identity",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("ext", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("'message'"), nullable=False),
        sa.Column("confidence", sa.Double(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("blocked_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_pkey")),
        sa.UniqueConstraint("kind", "scope", "value", name=op.f("identity_kind_scope_value_key")),
    )
    op.create_index(op.f("identity_contact_id_idx"), "identity", ["contact_id"], unique=False)
    op.create_index(
        "identity_value_trgm_idx",
        "identity",
        ["value"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"value": "gin_trgm_ops"},
    )
    op.create_table(
        "interaction",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("order_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("identity_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reply_to", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("text", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replayed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('russian'::regconfig, coalesce(body ->> 'subject', '') || ' ' || text) || to_tsvector('simple'::regconfig, coalesce(body ->> 'subject', '') || ' ' || text)",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("interaction_pkey")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        op.f("interaction_channel_id_order_at_seq_id_idx"),
        "interaction",
        ["channel_id", "order_at", "seq", "id"],
        unique=False,
    )
    op.create_index(
        op.f("interaction_contact_id_order_at_seq_id_idx"),
        "interaction",
        ["contact_id", "order_at", "seq", "id"],
        unique=False,
    )
    op.create_index(
        op.f("interaction_conversation_id_order_at_seq_id_idx"),
        "interaction",
        ["conversation_id", "order_at", "seq", "id"],
        unique=False,
    )
    op.create_index("interaction_search_idx", "interaction", ["search"], unique=False, postgresql_using="gin")
    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("class", sa.SmallInteger(), nullable=False),
        sa.Column("silent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("blob", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("journal_pkey")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(op.f("journal_channel_id_id_idx"), "journal", ["channel_id", "id"], unique=False)
    op.create_table(
        "journal_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("worker", sa.Integer(), nullable=False),
        sa.Column("entry_ids", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("journal_attempt_pkey")),
    )
    op.create_table(
        "journal_dedup",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("journal_dedup_pkey")),
    )
    op.create_table(
        "journal_dedup_old",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("journal_dedup_old_pkey")),
    )
    op.create_table(
        "journal_kept",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("class", sa.SmallInteger(), nullable=False),
        sa.Column("silent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("blob", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("journal_kept_pkey")),
    )
    op.create_table(
        "journal_result",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("interactions", sa.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("journal_result_pkey")),
        postgresql_partition_by="RANGE (entry_id)",
    )
    op.create_index(
        "journal_result_state_entry_id_idx",
        "journal_result",
        ["state", "entry_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'quarantined', 'ignored')"),
    )
    op.create_table(
        "journal_todo",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("class", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("replay", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("journal_todo_pkey")),
    )
    op.create_index(
        op.f("journal_todo_class_entry_id_idx"),
        "journal_todo",
        ["class", "entry_id"],
        unique=False,
        postgresql_include=["lane"],
    )
    op.create_table(
        "merge_suggestion",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("first_id", sa.Uuid(), nullable=False),
        sa.Column("second_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'merged', 'dismissed')", name=op.f("merge_suggestion_state_check")),
        sa.CheckConstraint("first_id < second_id", name=op.f("merge_suggestion_ordered_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("merge_suggestion_pkey")),
        sa.UniqueConstraint("first_id", "second_id", name=op.f("merge_suggestion_first_id_second_id_key")),
    )
    op.create_index(op.f("merge_suggestion_second_id_idx"), "merge_suggestion", ["second_id"], unique=False)
    op.create_table(
        "outbound",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("interaction_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("thread_key", sa.Text(), nullable=False),
        sa.Column("identity_id", sa.Uuid(), nullable=False),
        sa.Column("class", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("message", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("external_ids", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error_class", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("error_code", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'claimed', 'sending', 'sent', 'delivered', 'read', 'failed', 'in_doubt', 'cancelled')",
            name=op.f("outbound_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("outbound_pkey")),
    )
    op.create_index(op.f("outbound_conversation_id_id_idx"), "outbound", ["conversation_id", "id"], unique=False)
    op.create_index(
        "outbound_due_idx",
        "outbound",
        ["channel_id", "class", "next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "outbound_in_hand_idx",
        "outbound",
        ["state", "lease_until"],
        unique=False,
        postgresql_where=sa.text("state IN ('claimed', 'sending')"),
    )
    op.create_index(op.f("outbound_interaction_id_idx"), "outbound", ["interaction_id"], unique=False)
    op.create_index(
        "outbound_thread_idx",
        "outbound",
        ["channel_id", "thread_key", "class", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'claimed', 'sending')"),
    )
    op.create_index(
        "outbound_trouble_idx",
        "outbound",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'in_doubt', 'queued')"),
    )
    op.create_table(
        "outbound_attempt",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("outbound_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("provider_code", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("provider_text", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("outbound_attempt_pkey")),
    )
    op.create_index(
        op.f("outbound_attempt_outbound_id_id_idx"), "outbound_attempt", ["outbound_id", "id"], unique=False
    )
    op.create_table(
        "part_buffer",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("of", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("item", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("given_up", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "ref", "n", name=op.f("part_buffer_pkey")),
    )
    op.create_index(op.f("part_buffer_at_idx"), "part_buffer", ["at"], unique=False)
    op.create_table(
        "pending_status",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "external_id", "status", name=op.f("pending_status_pkey")),
    )
    op.create_index(op.f("pending_status_at_idx"), "pending_status", ["at"], unique=False)
    op.create_table(
        "presence",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('online', 'away', 'wrap_up', 'offline')", name=op.f("presence_state_check")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("presence_pkey")),
    )
    op.create_table(
        "queue",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("skills", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("hours", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("holidays", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("timezone", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("frt_s", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("overflow_after_s", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("overflow_queue_id", sa.Uuid(), nullable=True),
        sa.Column("reopen_days", sa.Integer(), server_default=sa.text("14"), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("queue_pkey")),
        sa.UniqueConstraint("name", name=op.f("queue_name_key")),
    )
    op.create_table(
        "queue_member",
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "agent_id", name=op.f("queue_member_pkey")),
    )
    op.create_index(op.f("queue_member_agent_id_idx"), "queue_member", ["agent_id"], unique=False)
    op.create_table(
        "routing_rule",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "conditions", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("routing_rule_pkey")),
    )
    op.create_index(op.f("routing_rule_position_idx"), "routing_rule", ["position"], unique=False)
    op.create_table(
        "web_session",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_agent", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("web_session_pkey")),
        sa.UniqueConstraint("hash", name=op.f("web_session_hash_key")),
    )
    op.create_index(op.f("web_session_agent_id_idx"), "web_session", ["agent_id"], unique=False)
    op.create_table(
        "workspace_setting",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("workspace_setting_pkey")),
    )
    # The work list is emptied all day: vacuum it early, and leave the planner no stale idea of its size.
    op.execute(
        "ALTER TABLE journal_todo SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0,"
        " autovacuum_analyze_threshold = 1000000000, autovacuum_vacuum_cost_delay = 0)"
    )


def downgrade() -> None:
    op.drop_table("workspace_setting")
    op.drop_index(op.f("web_session_agent_id_idx"), table_name="web_session")
    op.drop_table("web_session")
    op.drop_index(op.f("routing_rule_position_idx"), table_name="routing_rule")
    op.drop_table("routing_rule")
    op.drop_index(op.f("queue_member_agent_id_idx"), table_name="queue_member")
    op.drop_table("queue_member")
    op.drop_table("queue")
    op.drop_table("presence")
    op.drop_index(op.f("pending_status_at_idx"), table_name="pending_status")
    op.drop_table("pending_status")
    op.drop_index(op.f("part_buffer_at_idx"), table_name="part_buffer")
    op.drop_table("part_buffer")
    op.drop_index(op.f("outbound_attempt_outbound_id_id_idx"), table_name="outbound_attempt")
    op.drop_table("outbound_attempt")
    op.drop_index(
        "outbound_trouble_idx",
        table_name="outbound",
        postgresql_where=sa.text("state IN ('failed', 'in_doubt', 'queued')"),
    )
    op.drop_index(
        "outbound_thread_idx",
        table_name="outbound",
        postgresql_where=sa.text("state IN ('queued', 'claimed', 'sending')"),
    )
    op.drop_index(op.f("outbound_interaction_id_idx"), table_name="outbound")
    op.drop_index(
        "outbound_in_hand_idx", table_name="outbound", postgresql_where=sa.text("state IN ('claimed', 'sending')")
    )
    op.drop_index("outbound_due_idx", table_name="outbound", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index(op.f("outbound_conversation_id_id_idx"), table_name="outbound")
    op.drop_table("outbound")
    op.drop_index(op.f("merge_suggestion_second_id_idx"), table_name="merge_suggestion")
    op.drop_table("merge_suggestion")
    op.drop_index(op.f("journal_todo_class_entry_id_idx"), table_name="journal_todo", postgresql_include=["lane"])
    op.drop_table("journal_todo")
    op.drop_index(
        "journal_result_state_entry_id_idx",
        table_name="journal_result",
        postgresql_where=sa.text("state IN ('failed', 'quarantined', 'ignored')"),
    )
    op.drop_table("journal_result")
    op.drop_table("journal_kept")
    op.drop_table("journal_dedup_old")
    op.drop_table("journal_dedup")
    op.drop_table("journal_attempt")
    op.drop_index(op.f("journal_channel_id_id_idx"), table_name="journal")
    op.drop_table("journal")
    op.drop_index("interaction_search_idx", table_name="interaction", postgresql_using="gin")
    op.drop_index(op.f("interaction_conversation_id_order_at_seq_id_idx"), table_name="interaction")
    op.drop_index(op.f("interaction_contact_id_order_at_seq_id_idx"), table_name="interaction")
    op.drop_index(op.f("interaction_channel_id_order_at_seq_id_idx"), table_name="interaction")
    op.drop_table("interaction")
    op.drop_index(
        "identity_value_trgm_idx",
        table_name="identity",
        postgresql_using="gin",
        postgresql_ops={"value": "gin_trgm_ops"},
    )
    op.drop_index(op.f("identity_contact_id_idx"), table_name="identity")
    op.drop_table("identity")
    op.drop_index(op.f("idempotency_key_at_idx"), table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_table("external_ref")
    op.drop_table("event")
    op.drop_index(op.f("conversation_participant_agent_id_last_at_idx"), table_name="conversation_participant")
    op.drop_table("conversation_participant")
    op.drop_index(
        "conversation_waiting_idx", table_name="conversation", postgresql_where=sa.text("queued_at IS NOT NULL")
    )
    op.drop_index(op.f("conversation_queue_id_id_idx"), table_name="conversation")
    op.drop_index(op.f("conversation_contact_id_idx"), table_name="conversation")
    op.drop_index(
        "conversation_channel_id_thread_key_open_key",
        table_name="conversation",
        postgresql_where=sa.text("status <> 'resolved'"),
    )
    op.drop_index(op.f("conversation_channel_id_thread_key_id_idx"), table_name="conversation")
    op.drop_index(op.f("conversation_assignee_id_id_idx"), table_name="conversation")
    op.drop_table("conversation")
    op.drop_index(op.f("contact_merge_survivor_id_idx"), table_name="contact_merge")
    op.drop_index(
        "contact_merge_merged_id_live_key", table_name="contact_merge", postgresql_where=sa.text("undone_at IS NULL")
    )
    op.drop_table("contact_merge")
    op.drop_index(op.f("contact_sort_name_id_idx"), table_name="contact")
    op.drop_index(op.f("contact_owner_id_idx"), table_name="contact", postgresql_where=sa.text("owner_id IS NOT NULL"))
    op.drop_index(
        "contact_name_trgm_idx", table_name="contact", postgresql_using="gin", postgresql_ops={"folded": "gin_trgm_ops"}
    )
    op.drop_index(
        op.f("contact_company_id_idx"), table_name="contact", postgresql_where=sa.text("company_id IS NOT NULL")
    )
    op.drop_index(op.f("contact_card_id_idx"), table_name="contact")
    op.drop_table("contact")
    op.drop_index(op.f("consent_contact_id_purpose_channel_kind_at_idx"), table_name="consent")
    op.drop_table("consent")
    op.drop_index(op.f("channel_refusal_channel_id_at_idx"), table_name="channel_refusal")
    op.drop_table("channel_refusal")
    op.drop_table("channel_mark")
    op.drop_table("channel_health")
    op.drop_table("channel")
    op.drop_index(op.f("call_reservation_agent_id_until_at_idx"), table_name="call_reservation")
    op.drop_table("call_reservation")
    op.drop_index("call_unfinished_idx", table_name="call", postgresql_where=sa.text("state <> 'finished'"))
    op.drop_index(op.f("call_conversation_id_idx"), table_name="call")
    op.drop_table("call")
    op.drop_table("blob")
    op.drop_index(op.f("audit_log_object_kind_object_id_idx"), table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_index("attachment_pending_idx", table_name="attachment", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index(op.f("attachment_interaction_id_idx"), table_name="attachment")
    op.drop_table("attachment")
    op.drop_index(op.f("assignment_conversation_id_since_idx"), table_name="assignment")
    op.drop_index(op.f("assignment_agent_id_since_idx"), table_name="assignment")
    op.drop_table("assignment")
    op.drop_table("api_token")
    op.drop_index(op.f("agent_extension_agent_id_idx"), table_name="agent_extension")
    op.drop_table("agent_extension")
    op.drop_table("agent")
    op.drop_index(op.f("absence_agent_id_until_at_idx"), table_name="absence")
    op.drop_table("absence")
