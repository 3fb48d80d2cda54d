"""Each rule on a snippet that breaks it and on one that does not; then all of them on the tree."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.lint.rules import CATCH_ALLS, FILE_LINES, FUNCTION_LINES, ROOT, RULES, Source, broad, check, sources

LONG_FUNCTION = "def f():\n" + "    a = 1\n" * FUNCTION_LINES
LONG_FILE = "A = 1\n" * (FILE_LINES + 1)
GROUP = "async def f():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(g())\n"

BAD = [
    ("arrows", "storage/x.py", "from router.batch import apply"),
    ("arrows", "storage/x.py", "import inbox"),
    ("arrows", "router/x.py", "from inbox import api"),
    ("arrows", "inbox/x.py", "from campaigns import segments"),
    ("arrows", "inbox/api/x.py", "from connectors.base import Connector"),
    ("arrows", "webhooks/outgoing/x.py", "from connectors.base import Connector"),
    ("arrows", "connectors/sms/x.py", "from config.settings import Settings"),
    ("arrows", "connectors/sms/x.py", "from config import settings"),
    ("arrows", "connectors/sms/x.py", "from storage.db import connect"),
    ("arrows", "router/outbound/x.py", "from ...main import main"),
    ("arrows", "simulator/x.py", "from connectors.items import Item"),
    ("arrows", "config/x.py", "def f():\n    import storage.db"),
    ("tasks", "router/x.py", "async def f():\n    asyncio.create_task(g())"),
    ("tasks", "router/x.py", "from asyncio import create_task\nasync def f():\n    create_task(g())"),
    ("tasks", "router/x.py", "async def f():\n    await asyncio.gather(g(), h())"),
    ("tasks", "router/x.py", "def f(loop):\n    loop.create_task(g())"),
    ("tasks", "router/x.py", "async def f():\n    asyncio.ensure_future(g())"),
    ("broad", "router/x.py", "try:\n    f()\nexcept Exception:\n    pass"),
    ("broad", "router/x.py", "try:\n    f()\nexcept (OSError, BaseException) as e:\n    print(e)"),
    ("broad", "router/x.py", "try:\n    f()\nexcept:\n    pass"),
    ("broad", "router/x.py", "try:\n    f()\nexcept* Exception:\n    pass"),
    ("broad", "router/x.py", "with contextlib.suppress(Exception):\n    f()"),
    ("broad", "router/owner.py", "try:\n    f()\nexcept Exception:  # noqa: BLE001\n    pass"),
    ("environ", "router/x.py", "import os\nA = os.environ['HOME']"),
    ("environ", "main.py", "from os import getenv"),
    ("sql", "storage/x.py", 'def f(name):\n    return f"SELECT * FROM {name}"'),
    ("sql", "storage/x.py", 'def f(name):\n    return f"""\n    UPDATE {name} SET a = 1"""'),
    ("sql", "storage/x.py", 'def f(name):\n    return "DELETE FROM %s" % name'),
    ("sql", "storage/x.py", 'def f(name):\n    return "INSERT INTO {}".format(name)'),
    ("sql", "storage/x.py", 'def f(name):\n    return "SELECT 1 FROM " + name'),
    ("size", "storage/x.py", LONG_FUNCTION),
    ("size", "tests/x.py", LONG_FILE),
    ("words", "inbox/x.py", "class SupportTicket: ..."),
    ("words", "inbox/x.py", "def customers_of(x): ..."),
    ("words", "inbox/x.py", "def f(operator_id): ..."),
    ("words", "inbox/x.py", "self.blacklisted = 1"),
    ("docstrings", "tests/x.py", "async def test_it(): ..."),
    ("docstrings", "tests/x.py", "class TestIt:\n    def test_it(self): ..."),
    ("skip", "router/x.py", "import os\nA = os.environ  # lint-skip: environ\n"),
    ("skip", "router/x.py", "A = 1  # lint-skip: environ - not needed\n"),
    ("skip", "router/x.py", "A = 1  # lint-skip: nonsense - no such rule\n"),
]

GOOD = [
    ("main.py", "from simulator import telegram\nfrom inbox import api"),
    ("commands/x.py", "from webhooks.incoming.hook import Hooks"),
    ("inbox/x.py", "from router.channels import Channels\nfrom storage.db import connect\nimport asyncpg"),
    ("webhooks/incoming/x.py", "from connectors.base import Payload\nfrom router.entries import to_entry"),
    ("connectors/sms/x.py", "from config.errors import BadPayload\nfrom connectors.base import parse\nimport msgspec"),
    ("tests/x.py", "import main\nfrom storage.db import connect"),
    ("router/x.py", GROUP),
    ("router/x.py", "def f(tasks: asyncio.TaskGroup):\n    tasks.create_task(g())"),
    (
        "router/x.py",
        "class A:\n    def f(self):\n        self._tg = asyncio.TaskGroup()\n        self._tg.create_task(g())",
    ),
    ("tests/x.py", "async def f():\n    await asyncio.gather(g(), h())"),
    ("router/x.py", "try:\n    f()\nexcept BaseException:\n    clean()\n    raise"),
    ("router/x.py", "try:\n    f()\nexcept OSError:\n    pass"),
    ("router/owner.py", "try:\n    f()\nexcept Exception:  # noqa: BLE001 - the lane goes on\n    pass"),
    ("config/settings.py", "import os\nA = os.environ"),
    ("storage/x.py", 'A = "SELECT 1"\nB = f"{A} rows; select them"\nC = f"Update of {A} set"'),
    ("storage/x.py", 'A = ("SELECT a"\n     " FROM b")'),
    ("storage/migrations/versions/x.py", LONG_FILE + 'A = f"DROP TABLE {B}"'),
    ("connectors/crm/x.py", "class Ticket: ..."),
    ("inbox/x.py", "def custom_field(ticketing, accustomed): ..."),
    ("tests/x.py", 'def test_it():\n    """It holds."""'),
    ("router/x.py", "import os\nA = os.environ  # lint-skip: environ - a reason\n"),
    ("router/x.py", "import os\n# lint-skip: environ - a reason\nA = os.environ\n"),
    ("router/x.py", '"""Doc."""\n# lint-skip: environ - a reason\nimport os\nA = os.environ\nB = os.environ\n'),
    ("router/x.py", "# lint-skip: size - a table\n" + LONG_FILE),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_a_breach_is_found(rule: str, path: str, text: str) -> None:
    """Each rule finds what it is there for, and no other rule has a word about it."""
    assert {breach.rule for breach in check(Source(path, dedent(text)))} - {rule, "environ"} == set()
    assert rule in {breach.rule for breach in check(Source(path, dedent(text)))}


@pytest.mark.parametrize(("path", "text"), GOOD)
def test_what_is_allowed_passes(path: str, text: str) -> None:
    """The ways that the rules leave open are open."""
    assert [str(breach) for breach in check(Source(path, dedent(text)))] == []


def test_every_rule_has_a_snippet_that_breaks_it() -> None:
    """No rule is there that could be switched off unnoticed."""
    assert {rule for rule, _, _ in BAD} == {*RULES, "skip"}


def test_a_skip_speaks_for_its_line_alone() -> None:
    """An excuse for one line does not cover the next one."""
    text = "import os\nA = os.environ  # lint-skip: environ - a reason\nB = os.environ\n"
    assert [breach.line for breach in check(Source("router/x.py", text))] == [3]


def test_no_place_is_listed_for_nothing() -> None:
    """CATCH_ALLS names files that there are and that do catch everything."""
    unlisted = {
        source.path
        for source in sources()
        if source.path in CATCH_ALLS and any(broad(Source("elsewhere.py", source.text)))
    }
    assert unlisted == CATCH_ALLS.keys()


def test_the_tree_keeps_its_rules() -> None:
    """No file of ours breaks a rule of ours."""
    assert [str(breach) for source in sources(ROOT) for breach in check(source)] == []
