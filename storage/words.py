"""Words that tables are held to and readers ask by."""

from __future__ import annotations

STATES = (
    "queued",
    "claimed",
    "sending",
    "sent",
    "delivered",
    "read",
    "failed",
    "in_doubt",
    "cancelled",
)
"""Of a message on its way out: queued to read, or failed, or in doubt, or cancelled."""
