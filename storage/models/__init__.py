"""All tables, so that `Base.metadata` is complete wherever it is used."""

from storage.models import channels, outbound, people, staff, stream, work
from storage.models.base import Base

__all__ = ["Base", "channels", "outbound", "people", "staff", "stream", "work"]
