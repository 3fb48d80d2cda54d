"""The columns that the history is copied into, by table."""

from __future__ import annotations

COLUMNS: dict[str, tuple[str, ...]] = {
    "conversation": (
        *("id", "channel_id", "thread_key", "kind", "contact_id", "identity_id", "status", "assignee_id", "queue_id"),
        *("queued_at", "assignment_reason", "subject", "previous_id", "last_at", "last_in_at", "last_text", "unread"),
        *("first_response_at", "resolved_at", "disposition", "tags", "created_at"),
    ),
    "interaction": (
        *("id", "order_at", "seq", "kind", "direction", "channel_id", "conversation_id", "contact_id", "identity_id"),
        *("agent_id", "external_id", "sent_at", "received_at", "text", "body", "state"),
    ),
    "external_ref": ("channel_id", "kind", "external_id", "interaction_id"),
    "assignment": ("conversation_id", "agent_id", "queue_id", "since", "until", "reason", "facts"),
    "conversation_participant": ("conversation_id", "agent_id", "last_at", "why"),
    "outbound": (
        *(
            "interaction_id",
            "conversation_id",
            "channel_id",
            "thread_key",
            "identity_id",
            "state",
            "message",
            "agent_id",
        ),
        *("attempts", "next_at", "external_ids", "created_at", "sent_at", "delivered_at"),
    ),
    "call": (
        *("channel_id", "external_id", "conversation_id", "interaction_id", "state", "outcome", "direction", "client"),
        *("our_number", "employee", "started_at", "answered_at", "finished_at", "talk_s", "wait_s", "events"),
        *("recording_id", "disposition"),
    ),
    "attachment": ("id", "interaction_id", "channel_id", "name", "type", "size", "blob", "state", "created_at"),
}
