"""Things that are somebody's own or everybody's: canned answers, saved views. The shared ones are the supervisors'."""

from __future__ import annotations

from uuid import UUID

from config.errors import Forbidden
from inbox.api.scope import Actor

NO = "what everybody shares is changed by supervisors and administrators"


def owner_for(actor: Actor, *, shared: bool) -> UUID | None:
    """Whose a new one is. Raises Forbidden."""
    if not shared:
        return actor.person
    if actor.viewer is not None:
        raise Forbidden(NO, reason="supervisors_only")
    return None


def check_owner(actor: Actor, owner: UUID | None) -> None:
    """May he change one that he sees (his own, or a shared one)? Raises Forbidden."""
    if owner is None and actor.viewer is not None:
        raise Forbidden(NO, reason="supervisors_only")
