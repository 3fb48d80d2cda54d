"""The files of the demo: photos, voice, papers and recorded calls, kept once in the blob store however often they are sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from commands.demo import pictures
from simulator.sound import conversation, voice_message
from storage.blobs import Blobs, Kept
from storage.db import Connection

PNG, WAV = "image/png", "audio/wav"
RECORDED_S = (14, 19, 23, 28, 34, 41, 52)
"""How long the recorded calls of the history are: as many recordings, shared by all of one length."""

PRICE = (
    "Наименование;Вес, г;Цена, ₽;От 50 шт., ₽\r\n"
    "Пирожок с мясом;90;65;57\r\nПирожок с капустой;90;55;48\r\nСлойка с творогом;100;75;66\r\n"
    "Эклер;70;85;75\r\nХлеб ржаной на закваске;600;120;106\r\nКалитка с картошкой;80;60;53\r\n"
)


class File(NamedTuple):
    name: str
    type: str
    make: Callable[[], bytes]


def invoice() -> bytes:
    """A page of PDF, in the letters that every reader has."""
    lines = (
        "Invoice OPT-112 / Matvey's bakery, Novgorod",
        "120 pies x 57 RUB = 6840 RUB",
        "40 rye loaves x 106 = 4240 RUB",
    )
    text = " ".join(f"BT /F1 14 Tf 60 {760 - 40 * n} Td ({line}) Tj ET" for n, line in enumerate(lines)).encode()
    parts = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + end


FILES: Mapping[str, File] = {
    "cake": File("начинка-и-декор.png", PNG, pictures.cake),
    "crushed": File("помятый-торт.png", PNG, partial(pictures.cake, crushed=True)),
    "pie": File("пирог-внутри.png", PNG, pictures.pie),
    "receipt": File("чек.png", PNG, pictures.receipt),
    "logo": File("logo.png", PNG, pictures.logo),
    "price": File("Прайс опт.csv", "text/csv", lambda: PRICE.encode("utf-8-sig")),
    "invoice": File("Счёт ОПТ-112.pdf", "application/pdf", invoice),
    "voice1": File("голосовое.wav", WAV, partial(voice_message, 7, 1)),
    "voice2": File("голосовое.wav", WAV, partial(voice_message, 11, 2)),
    **{f"call{s}": File("Запись звонка.wav", WAV, partial(conversation, s, s)) for s in RECORDED_S},
}


async def keep_files(blobs: Blobs) -> dict[str, Kept]:
    """All of them, by name."""
    made = await asyncio.to_thread(lambda: {name: file.make() for name, file in FILES.items()})
    return {name: await blobs.keep(data) for name, data in made.items()}


async def hold_files(connection: Connection, kept: Mapping[str, Kept], used: Iterable[str]) -> None:
    """Blob rows for files with as many holders as `used` names them."""
    counts = Counter(used)
    rows = [(kept[name].sha256, kept[name].size, count) for name, count in sorted(counts.items())]
    await connection.executemany(
        "INSERT INTO blob AS b (sha256, size, refs) VALUES ($1, $2, $3)"
        " ON CONFLICT (sha256) DO UPDATE SET refs = b.refs + excluded.refs",
        rows,
    )
