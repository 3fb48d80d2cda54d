"""The window some channels give us: free text only for so long after the client's last message.

It is looked at before anything is queued, so that whoever writes learns it at once. What leaves within the window and
arrives after it (retries, a slow provider) is refused by the provider and fails with the same code.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from config.errors import WindowClosed
from connectors.base import Capabilities
from router.outbound.destinations import Destination
from router.sentences import instant


class TooLate(WindowClosed):
    """Unlike a provider's refusal it leaves no message behind."""

    kept = "Nothing was queued: the text is still with whoever wrote it."


class TooLateForAll(TooLate):
    do = "Wait until the client writes again, or use another channel."


def check_window(to: Destination, able: Capabilities, leaves_at: datetime, now: datetime) -> None:
    """Raises WindowClosed for free text that would leave then."""
    if able.window_s is None:
        return
    window, last_in_at = timedelta(seconds=able.window_s), to.last_in_at
    if last_in_at is not None and leaves_at - last_in_at <= window:
        return
    within = f"{to.connector.title} takes free text within {_span(window)} of the client's last message"
    if last_in_at is None:
        why = "this client has not written yet"
    elif now - last_in_at <= window:
        why = f"this one would leave after {instant(last_in_at + window)}, when that ends"
    else:
        why = f"that ended at {instant(last_in_at + window)}"
    raise (TooLate if able.templates else TooLateForAll)(f"{within}: {why}")


def _span(window: timedelta) -> str:
    hours = window.total_seconds() / 3600
    return f"{hours:g} hours" if hours > 1 else f"{hours * 60:g} minutes"
