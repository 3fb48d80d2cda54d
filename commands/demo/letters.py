"""Letters as companies write them: a greeting, a table of what is ordered, a signature with the firm's logo. HTML."""

from __future__ import annotations

from html import escape

from commands.demo.cast import Client

LOGO = "logo@letter.example"
"""The Content-ID of the picture in the signature."""

ROWS = (("Пирожок с мясом", 60, 57), ("Пирожок с капустой", 60, 48), ("Хлеб ржаной на закваске", 20, 106))


def letter_html(client: Client, text: str) -> str:
    """What the client says, his usual order, and who he is; a picture from elsewhere too, as newsletters have it."""
    cells = "".join(
        f'<tr><td style="padding:4px 12px;border:1px solid #d5cfc4">{name}</td>'
        f'<td style="padding:4px 12px;border:1px solid #d5cfc4" align="right">{count}</td>'
        f'<td style="padding:4px 12px;border:1px solid #d5cfc4" align="right">{price} ₽</td></tr>'
        for name, count, price in ROWS
    )
    said = escape(text).replace("\n", "<br>")
    return (
        f'<div style="font-family:Arial,sans-serif;font-size:14px;color:#222"><p>{said}</p>'
        "<p>Наша обычная заявка на день, <b>без изменений</b>:</p>"
        '<table style="border-collapse:collapse;margin:8px 0"><tr style="background:#f3ead9">'
        "<th>Наименование</th><th>Шт.</th><th>Цена</th></tr>" + cells + "</table>"
        '<hr style="border:none;border-top:1px solid #ccc">'
        f'<table><tr><td><img src="cid:{LOGO}" width="72" height="54" alt="Логотип"></td>'
        f'<td style="padding-left:12px"><b>{escape(client.name)}</b><br>'
        f'<a href="tel:{client.phone}">{client.phone}</a><br>'
        f'<a href="mailto:{escape(client.email)}">{escape(client.email)}</a></td></tr></table>'
        '<img src="https://pixel.mailer.example/open.gif?m=4711" width="1" height="1" alt=""></div>'
    )
