"""A telephone conversation to listen to: ring-back, two voices that babble in turns, the busy tone. A WAV, made of arithmetic.

    wav = conversation(32, seed=7)      # 32 seconds, 8 kHz, 8 bits, one channel: 256 KB

Nobody's words: syllables of a pulse train through three formants, as speech synthesis began. Made once by voice and pitch
and put together at random, so that a minute costs some milliseconds. The same length and seed give the same bytes.
"""

from __future__ import annotations

import math
import random
import struct
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

RATE = 8000
SILENCE = 128
RING_HZ = 425.0
"""Of Russian ring-back and busy tones."""


class Voice(NamedTuple):
    """`pitch_hz` of a calm sentence; `size`: how much higher its formants are than a man's; `pace`: syllables per second."""

    pitch_hz: float
    size: float
    pace: float


CLIENT = Voice(118.0, 1.0, 4.6)
AGENT = Voice(208.0, 1.16, 5.2)
VOWELS = {
    "а": (700, 1200, 2500),
    "о": (500, 850, 2450),
    "э": (520, 1750, 2500),
    "и": (290, 2150, 2900),
    "у": (320, 650, 2400),
    "ы": (340, 1500, 2450),
}
BANDWIDTHS = (90, 110, 170)
PITCHES = (1.12, 1.04, 0.97, 0.9, 0.82)
"""A sentence falls."""


def wav(samples: bytes) -> bytes:
    """A file of unsigned 8-bit samples."""
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(samples), b"WAVE")
    format_ = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8)
    return head + format_ + struct.pack("<4sI", b"data", len(samples)) + samples


def conversation(seconds: int, seed: int = 0) -> bytes:
    """A recorded call of about this length, at least four seconds."""
    rng = random.Random(seed)
    wanted = max(seconds, 4) * RATE
    out = bytearray(_tone(1.0) + bytes([SILENCE]) * (RATE // 3))
    turn = 0
    ending = _busy()
    while len(out) + len(ending) < wanted - RATE:
        out += _sentence(AGENT if turn % 2 == 0 else CLIENT, rng, (wanted - len(out) - len(ending)) / RATE)
        out += bytes([SILENCE]) * int(RATE * rng.uniform(0.25, 0.7))
        turn += 1
    pause = wanted - len(out) - len(ending)
    return wav(bytes(out + bytes([SILENCE]) * max(pause, 0) + ending))


def voice_message(seconds: int, seed: int = 0) -> bytes:
    """One voice alone, as people dictate."""
    rng = random.Random(seed)
    out = bytearray()
    while len(out) < seconds * RATE:
        out += _sentence(CLIENT if seed % 2 else AGENT, rng, seconds - len(out) / RATE) + bytes([SILENCE]) * (RATE // 4)
    return wav(bytes(out[: seconds * RATE]))


def _sentence(voice: Voice, rng: random.Random, most_s: float) -> bytes:
    """Some syllables, falling; a little noise before some of them, a gap between words."""
    out = bytearray()
    count = max(2, min(rng.randint(5, 16), int(most_s * voice.pace)))
    for n in range(count):
        step = min(len(PITCHES) - 1, n * len(PITCHES) // count)
        if rng.random() < 0.4:
            out += _hiss(rng.randrange(4))
        out += _syllable(voice, rng.choice(tuple(VOWELS)), step, 1.25 if rng.random() < 0.25 else 0.72)
        if rng.random() < 0.3:
            out += bytes([SILENCE]) * int(RATE * rng.uniform(0.03, 0.09))
    return bytes(out)


@lru_cache(maxsize=256)
def _syllable(voice: Voice, vowel: str, step: int, longer: float) -> bytes:
    length = int(RATE / voice.pace * longer)
    sound = _pulses(length, voice.pitch_hz * PITCHES[step])
    for formant_hz, width_hz in zip(VOWELS[vowel], BANDWIDTHS, strict=True):
        sound = _resonate(sound, formant_hz * voice.size, width_hz)
    loudest = max(map(abs, sound)) or 1.0
    fade = RATE // 40
    shaped = [
        value / loudest * min(1.0, n / fade, (length - n) / (2 * fade)) * (0.62 - 0.05 * step)
        for n, value in enumerate(sound)
    ]
    return _bytes(shaped)


def _pulses(length: int, pitch_hz: float) -> list[float]:
    """What the vocal folds give: a pulse in each period, its slope softened, the pitch trembling a little."""
    sound, phase, last = [], 0.0, 0.0
    for n in range(length):
        phase += pitch_hz * (1 + 0.012 * math.sin(n * 2 * math.pi * 5.5 / RATE)) / RATE
        pulse = 1.0 if phase >= 1 else 0.0
        phase -= pulse
        last = pulse + 0.82 * last
        sound.append(last)
    return [after - before for before, after in pairwise([0.0, *sound])]


def _resonate(sound: list[float], hz: float, width_hz: float) -> list[float]:
    """A filter of two poles."""
    radius = math.exp(-math.pi * width_hz / RATE)
    turn = 2 * radius * math.cos(2 * math.pi * min(hz, RATE / 2 - 200) / RATE)
    square = radius * radius
    one = two = 0.0
    out = []
    for value in sound:
        one, two = value + turn * one - square * two, one
        out.append(one)
    return out


@lru_cache(maxsize=8)
def _hiss(kind: int) -> bytes:
    """A consonant: a moment of noise."""
    rng = random.Random(kind)
    length = int(RATE * (0.035, 0.06, 0.08, 0.045)[kind])
    noise = _resonate([rng.uniform(-1, 1) for _ in range(length)], (2600, 3300, 1900, 3000)[kind], 600)
    loudest = max(map(abs, noise)) or 1.0
    return _bytes([value / loudest * 0.16 * math.sin(math.pi * n / length) for n, value in enumerate(noise)])


def _tone(seconds: float) -> bytes:
    return _bytes([0.25 * math.sin(2 * math.pi * RING_HZ * n / RATE) for n in range(int(seconds * RATE))])


def _busy() -> bytes:
    return (_tone(0.35) + bytes([SILENCE]) * int(RATE * 0.35)) * 2


def _bytes(sound: list[float]) -> bytes:
    return bytes(max(0, min(255, SILENCE + round(value * 120))) for value in sound)
