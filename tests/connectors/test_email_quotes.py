"""What a person wrote against what a mail program added: the ways of the programs in use here."""

from __future__ import annotations

import pytest

from connectors.email.charsets import decode
from connectors.email.mime import unflow
from connectors.email.quotes import fold, forwarded_from, is_forward

HEADINGS = [
    "On Thu, Jan 15, 2026 at 12:30 PM Support <box@client.example> wrote:",
    "On 15 Jan 2026, at 12:30, Support <box@client.example> wrote:",
    "15 янв. 2026 г., в 12:30, Поддержка <box@client.example> написал(а):",
    "чт, 15 янв. 2026 г. в 12:30, Поддержка <box@client.example>:",
    "15 января 2026 г., 12:30 пользователь Поддержка <box@client.example> написал:",
    "15.01.2026 12:30, Поддержка пишет:",
    '15.01.2026, 12:30, "Поддержка" <box@client.example>:',
    "Четверг, 15 января 2026, 12:30 +03:00 от Поддержка <box@client.example>:",
    "15.01.2026 12:30, box@client.example пишет:",
    "Am 15.01.2026 um 12:30 schrieb Support <box@client.example>:",
    "Le jeu. 15 janv. 2026 à 12:30, Support <box@client.example> a écrit :",
    "El jue, 15 ene 2026 a las 12:30, Support (<box@client.example>) escribió:",
    "чт, 15 січ. 2026 р. о 12:30 Підтримка <box@client.example> пише:",
    "Вы писали 15 января 2026 г., 12:30:",
    "2026-01-15 12:30, Support <box@client.example> wrote:",
]


@pytest.mark.parametrize("heading", HEADINGS)
def test_quote_below(heading: str) -> None:
    """The answer stands above; the line that names the quote goes with it, wrapped or not."""
    quote = f"{heading}\n\n> Добрый день!\n> Заказ готов.\n"
    assert fold(f"Спасибо!\nПриеду в пять.\n\n{quote}") == ("Спасибо!\nПриеду в пять.", quote.strip())
    first, _, rest = heading.rpartition(" ")
    wrapped = f"{first}\n{rest}\n> Добрый день!"
    assert fold(f"Спасибо!\n\n{wrapped}") == ("Спасибо!", wrapped)


@pytest.mark.parametrize("heading", HEADINGS)
def test_quote_above(heading: str) -> None:
    """Whoever answers below has written what is below."""
    assert fold(f"{heading}\n> Когда приедете?\n\nВ пять.") == ("В пять.", f"{heading}\n> Когда приедете?")


def test_answers_in_between_stay() -> None:
    """An answer between quoted lines means nothing without them."""
    text = "Здравствуйте!\n\n> Когда?\nЗавтра.\n> Где?\nУ метро.\n> Хорошо"
    assert fold(text) == (text, "")


def test_nothing_written_shows_all() -> None:
    """A mail that is all quote is shown whole."""
    text = "15.01.2026 12:30, Анна пишет:\n> Добрый день!"
    assert fold(text) == (text, "")


@pytest.mark.parametrize(
    "text",
    [
        "Мне 15.01.2026 в 12:30 ваш менеджер написал:\nприезжайте, а дверь закрыта",
        "Нужно:\n- торт\n- хлеб\nКогда: завтра",
        "Тема: свадьба\nнужен торт",
        "Цена > 1000 не подходит",
        "От: кого мне ждать звонка?",
        "В 12:30 от метро иду:",
        "--- Вариант 1 ---\nторт",
    ],
)
def test_not_a_quote(text: str) -> None:
    """People's own words that only look like a program's are left alone."""
    assert fold(text) == (text, "")


@pytest.mark.parametrize(
    "block",
    [
        "От: Пекарня [mailto:box@client.example]\nОтправлено: 14 января 2026 г. 10:00\nКому: Анна\nТема: Заказ\n\nЖдём",
        "________________________________\nFrom: Bakery <box@client.example>\nSent: Wednesday\nTo: Anna\nSubject: x\n\nhi",
        "-----Original Message-----\nFrom: Bakery\nSent: x\nTo: Anna\nSubject: y\n\nhi",
        "-------- Исходное сообщение --------\nОт: Пекарня\n\nЖдём",
        "От кого: Пекарня\nКому: Анна\nДата: 14.01.2026\nТема: Заказ\n\nЖдём",
        "-- Please reply above this line --\nold",
        "Begin forwarded message:\n\nFrom: a@b.ru\nSubject: x\n\nhi",
        "---------- Forwarded message ---------\nОт: Анна <anna@example.org>\nDate: чт\n\nhi",
    ],
)
def test_block_of_headers(block: str) -> None:
    """Outlook and others quote without marks: all below their block is the old mail."""
    assert fold(f"Подходит.\n\n{block}") == ("Подходит.", block)


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nАнна Петрова\n+7 900 000-00-01",
        "С уважением,\nАнна Петрова\nООО «Ромашка»\n+7 900 000-00-01",
        "Отправлено из мобильной Почты Mail.ru",
        "Отправлено с iPhone",
        "Отправлено из мобильного приложения Яндекс Почты",
        "Sent from my iPhone",
        "Get Outlook for Android",
        "Best regards,\nAnna",
    ],
)
def test_signature(signature: str) -> None:
    """Signatures fold away, alone and above a quote."""
    assert fold(f"Жду звонка.\n\n{signature}")[0] == "Жду звонка."
    written, quoted = fold(f"Жду звонка.\n\n{signature}\n\n15.01.2026 12:30, Иван пишет:\n> Здравствуйте")
    assert written == "Жду звонка."
    assert "> Здравствуйте" in quoted
    assert signature.split("\n", maxsplit=1)[0].strip() in quoted


def test_signature_alone_is_a_mail() -> None:
    """Where only a signature would be left, it is the text."""
    assert fold("С уважением,\nАнна") == ("С уважением,\nАнна", "")


def test_forwarded() -> None:
    """Who wrote a forwarded mail is told if there is one such mail."""
    one = "См.\n\n-------- Пересылаемое сообщение --------\nОт: Анна <anna@example.org>\nКому: x\n\nhi"
    assert is_forward(one)
    assert forwarded_from(one) == "Анна <anna@example.org>"
    assert forwarded_from(one + "\n" + one) == ""
    assert not is_forward("Перешлите мне")


def test_flowed() -> None:
    """RFC 3676: soft breaks within one depth are undone, signatures and spaces in front are not touched."""
    assert unflow("a \nb\n>> c \n>> d\n> e\n  f\n-- \ng", delsp=False) == "a b\n>> c d\n> e\n f\n-- \ng"
    assert unflow("сло \nво", delsp=True) == "слово"


WORDS = [
    "да",
    "Привет",
    "Спасибо большое",
    "Здравствуйте, когда будет готов торт?",
    "ОТВЕТ СРОЧНО",
    "Цена 100 руб.",
]


@pytest.mark.parametrize("charset", ["cp1251", "koi8-r", "cp866", "iso-8859-5", "utf-8"])
@pytest.mark.parametrize("word", WORDS)
def test_russian_without_a_charset(word: str, charset: str) -> None:
    """Short Russian texts are read right in each charset that is in use, also where the label is wrong."""
    data = word.encode(charset)
    assert decode(data) == word
    assert decode(data, "x-nonsense") == word
    assert decode(data, charset.upper()) == word
    if len(word) > 5:
        assert decode(data, "utf-8") == word
    if len(word) > 5 and charset in {"cp1251", "koi8-r", "utf-8"}:
        assert decode(data, "iso-8859-1") == word


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        ("Voilà, café crème".encode("latin-1"), "iso-8859-1", "Voilà, café crème"),
        ("Grüße aus Köln".encode("latin-1"), "", "Grüße aus Köln"),
        ("Łódź".encode("iso-8859-2"), "iso-8859-2", "Łódź"),
        ("日本語".encode("iso-2022-jp"), "iso-2022-jp", "日本語"),
        ("中文".encode("gbk"), "gb2312", "中文"),
        ("Привет мир".encode()[:-1], "utf-8", "Привет ми\ufffd"),
        ("привет".encode("utf-16"), "", "привет"),
        (b"\xef\xbb\xbfabc", "utf-8", "abc"),
        (b"plain", "utf-99", "plain"),
    ],
)
def test_other_charsets(data: bytes, label: str, text: str) -> None:
    """What is declared and fits is believed; a letter cut off does not spoil the rest."""
    assert decode(data, label) == text
