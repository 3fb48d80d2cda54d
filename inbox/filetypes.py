"""What a file is, by its first bytes: a name and a type are whatever the sender says."""

from __future__ import annotations

HEAD = 512
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftyp", "video/mp4"),
)
_TELLING = ("image/", "application/pdf")
"""Types that a file has only with the first bytes for it."""
OCTETS = "application/octet-stream"


def true_type(claimed: str, head: bytes) -> str:
    """The type to keep. What says it is a picture and is none is just bytes; audio and video containers are told apart by
    their sender better than by us.
    """
    found = next((type_ for at, magic, type_ in _MAGIC if head[at : at + len(magic)] == magic), "")
    if found.startswith(_TELLING) or (found and claimed == OCTETS):
        return found
    if claimed == "image/svg+xml":
        return claimed if b"<svg" in head[:HEAD].lower() else OCTETS
    return OCTETS if claimed.startswith(_TELLING) else claimed
