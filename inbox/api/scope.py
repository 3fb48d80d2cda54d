"""Who calls, what he may do, and whose conversations he sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from config.errors import Forbidden
from storage.tokens import Holder

Scope = Literal["read", "write", "journal", "admin"]
EVERY: frozenset[Scope] = frozenset({"read", "write", "journal", "admin"})
OF_ROLE: dict[str, frozenset[Scope]] = {
    "agent": frozenset({"read", "write"}),
    "supervisor": frozenset({"read", "write", "journal"}),
    "admin": EVERY,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """`credential`: id of the token or the session. A token without an agent stands for no person and sees all."""

    kind: Literal["session", "token"]
    credential: UUID
    agent_id: UUID | None
    role: str | None
    scopes: frozenset[Scope]

    @property
    def word(self) -> str:
        """As the audit log names him."""
        return f"agent:{self.agent_id}" if self.agent_id else f"token:{self.credential}"

    @property
    def viewer(self) -> UUID | None:
        """The first parameter of every list (storage/reading.py): whose conversations; None sees all of them."""
        return self.agent_id if self.role == "agent" else None

    def must(self, scope: Scope) -> None:
        """Raises Forbidden."""
        if scope not in self.scopes:
            raise Forbidden(f"this needs the scope {scope}", reason="scope_missing", scope=scope)

    def must_supervise(self) -> None:
        """Raises Forbidden for agents; supervisors, administrators and integrations that stand for nobody may."""
        if self.viewer is not None:
            raise Forbidden("this is for supervisors", reason="supervisors_only")

    @property
    def person(self) -> UUID:
        """The agent himself. Raises Forbidden for a token of nobody."""
        if self.agent_id is None:
            raise Forbidden("this is for agents, and the token belongs to none", reason="token_of_nobody")
        return self.agent_id


def to_actor(holder: Holder, kind: Literal["session", "token"]) -> Actor:
    """A session may what its role may; a token what its scopes say, bound to an agent no more than he may."""
    of_role = EVERY if holder.role is None else OF_ROLE[holder.role]
    if kind == "session" or "all" in holder.scopes:
        scopes = of_role
    else:
        scopes = frozenset(scope for scope in of_role if scope in holder.scopes)
    return Actor(kind, holder.id, holder.agent_id, holder.role, scopes)
