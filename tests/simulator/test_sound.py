"""Recordings of the simulated calls can be listened to: real files, of the length that was asked for, not silent."""

from __future__ import annotations

import io
import wave

import pytest

from simulator.sound import RATE, conversation, voice_message


def opened(data: bytes) -> tuple[float, bytes]:
    """(seconds, samples), read by the standard library."""
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, RATE, 1)
        return file.getnframes() / RATE, file.readframes(file.getnframes())


@pytest.mark.parametrize("seconds", [4, 12, 47])
def test_a_call_lasts_as_long_as_it_was(seconds: int) -> None:
    """Within a second; and the same one again is the same file."""
    data = conversation(seconds, seed=seconds)
    assert abs(opened(data)[0] - seconds) <= 1
    assert conversation(seconds, seed=seconds) == data


def test_it_is_speech_like_and_not_silence() -> None:
    """Most of it is loud, with pauses in between; every voice differs from the other."""
    _, samples = opened(conversation(20, seed=3))
    frames = [samples[n : n + RATE // 10] for n in range(0, len(samples), RATE // 10)]
    loud = [max(frame) - min(frame) > 60 for frame in frames]
    assert 0.5 < sum(loud) / len(loud) < 0.98
    assert opened(voice_message(5, seed=1))[1] != opened(voice_message(5, seed=2))[1]
