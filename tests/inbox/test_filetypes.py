from __future__ import annotations

import pytest

from inbox.filetypes import OCTETS, true_type

PNG = b"\x89PNG\r\n\x1a\n\x00\x00"
MP4 = b"\x00\x00\x00\x18ftypisom"


@pytest.mark.parametrize(
    ("claimed", "head", "found"),
    [
        ("image/png", PNG, "image/png"),
        ("text/plain", PNG, "image/png"),
        ("image/jpeg", PNG, "image/png"),
        (OCTETS, b"%PDF-1.7", "application/pdf"),
        ("image/png", b"<html><script>", OCTETS),
        ("application/pdf", b"MZ", OCTETS),
        ("image/svg+xml", b'<?xml version="1.0"?><SVG xmlns="x">', "image/svg+xml"),
        ("image/svg+xml", b"<html>", OCTETS),
        ("text/csv", b"a;b", "text/csv"),
        ("audio/mp4", MP4, "audio/mp4"),
        (OCTETS, MP4, "video/mp4"),
        (OCTETS, b"", OCTETS),
    ],
)
def test_true_type(claimed: str, head: bytes, found: str) -> None:
    """What says it is a picture is one; what is one says so."""
    assert true_type(claimed, head) == found
