"""What the inbox may ask of the connectors' world: addresses as people type them, what identities there are, what a
journal entry must not show.
"""

from __future__ import annotations

from connectors import registry
from connectors.addresses import normalize_email, normalize_username
from connectors.base import IDENTITY_KINDS
from connectors.phones import phone_query

__all__ = ["IDENTITY_KINDS", "normalize_email", "normalize_username", "phone_query", "registry"]
