"""What the hub says in English stands in the page's words too: refusals, decisions, what connectors report and ask for."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import inbox.app as _inbox  # noqa: F401 - brings every class of errors that the API can meet
from config.errors import HubError
from connectors import registry
from router.sentences import _STEPS, _WHY

ROOT = Path(__file__).parents[2]
LOCALES = ROOT / "inbox" / "web" / "src" / "locales"
LANGUAGES = ("ru", "en")
SENDING = {"RetryLater", "RateLimited", "Rejected", "Blocked", "WindowClosed", "BadChannel", "InDoubt", "BadSignature"}


def words(language: str, file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((LOCALES / language / f"{file}.json").read_text(encoding="utf-8"))
    return found


def sources(*folders: str) -> Iterator[ast.Module]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_text(encoding="utf-8"), str(path))


def classes(base: type[HubError] = HubError) -> Iterator[type[HubError]]:
    yield base
    for one in base.__subclasses__():
        yield from classes(one)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_words(language: str) -> None:
    """Each error's code says what happened, what was kept and what to do."""
    codes = {one.code for one in classes() if not one.__module__.startswith("tests")}
    known = words(language, "problems")
    for part in ("said", "kept", "do"):
        assert codes <= set(known[part]), (part, codes - set(known[part]))
        assert all(known[part].values()), part


def reasons() -> Iterator[tuple[str, set[str]]]:
    """(reason, names of its facts) of each error that is made with one."""
    names = {one.__name__ for one in classes()}
    for tree in sources("config", "connectors", "router", "storage", "inbox", "webhooks"):
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names):
                continue
            given = {one.arg: one.value for one in node.keywords if one.arg}
            reason = given.pop("reason", None)
            if isinstance(reason, ast.Constant):
                yield str(reason.value), set(given)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_words(language: str) -> None:
    """Each reason is a sentence that asks for no fact which the place that raises it does not give."""
    known, raised = words(language, "problems")["reason"], list(reasons())
    assert len(raised) > 100
    for reason, facts in raised:
        assert reason in known, reason
        assert set(re.findall(r"\{(\w+)\}", known[reason])) <= facts, reason
    assert set(known) == {reason for reason, _ in raised}, "words that nothing says any more"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_of_a_decision_has_words(language: str) -> None:
    """Each step of routing, and each reason to pass somebody over."""
    known = words(language, "reasons")
    steps = {step for step in _STEPS if step != "rule"} | {"rule_queue", "rule_agent", "call_answered", "call_missed"}
    assert steps | {f"why_{why}" for why in (*_WHY, "absent")} <= set(known)


def _template(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def _said(tree: ast.Module) -> Iterator[str]:
    """What errors of sending are made with, and the tables of sentences beside them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SENDING and node.args:
            first = node.args[0]
            for one in first.values if isinstance(first, ast.BoolOp) else (first,):
                said = _template(one)
                if said is not None:
                    yield said
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and _is_sentence(part.value):
                    yield part.value


def _is_sentence(text: str) -> bool:
    return re.fullmatch(r"[A-Z][^\n]* [^\n]*[a-z]\.", text) is not None


def test_every_sentence_of_a_connector_has_russian() -> None:
    """A failed message, a channel's trouble and the result of a test are told in Russian, whichever connector says it."""
    known = json.loads((ROOT / "inbox/web/src/words/sentences.ru.json").read_text(encoding="utf-8"))
    said = {one for tree in sources("connectors") for one in _said(tree)}
    assert len(said) > 100
    assert said <= set(known), sorted(said - set(known))
    assert all(english.count("{}") == russian.count("{}") for english, russian in known.items())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", registry.MODULES)
def test_every_connector_is_set_up_in_words(name: str, language: str) -> None:
    """What it is for, what is needed, the steps, where the address goes, how to send the first message; and in Russian a
    label for each of its settings (English is the schema's own).
    """
    known = words(language, "providers")
    assert {"about", "needs", "steps", "paste", "first"} <= set(known[name])
    if language == "ru":
        settings = registry.get(name).settings.model_fields
        assert set(settings) <= set(words("ru", "connectors")), set(settings) - set(words("ru", "connectors"))
