"""The rules of this tree that no linter knows: `python -m tests.lint.rules` prints each breach as `file:line: rule: why`.

A place that must break one says so: `# lint-skip: rule - reason`. At the end of a line it speaks for that line (for
`size`: for the function that begins there), alone above a line for that line, before the first code of a file for all of
it. A skip without a reason, of an unknown rule, or that nothing needs, is a breach itself.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREES = (
    "commands",
    "config",
    "connectors",
    "router",
    "storage",
    "inbox",
    "campaigns",
    "webhooks",
    "simulator",
    "bench",
    "tests",
)
FREE = ("tests/", "bench/")
"""They drive the hub from outside: environment, SQL and tasks are theirs to use."""

Found = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Breach:
    path: str
    line: int
    rule: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.why}"


@dataclass(frozen=True)
class Source:
    """One file. `path`: from the root, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))


# ---------------------------------------------------------------- arrows

SHARED = frozenset({"storage", "config"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "config": frozenset(),
    "storage": frozenset({"config"}),
    "connectors": frozenset({"config.errors"}),
    "router": SHARED | {"connectors"},
    "webhooks.incoming": SHARED | {"router", "connectors"},
    "webhooks": SHARED | {"router"},
    "inbox": SHARED | {"router"},
    "campaigns": SHARED | {"router"},
    "simulator": frozenset(),
}
"""DESIGN: main -> inbox, webhooks, campaigns -> router -> storage -> config. Beside it each part may import itself;
main.py and commands/ import everything.
"""


def arrows(source: Source) -> Found:
    """Imports point one way."""
    module = source.path.removesuffix(".py").replace("/", ".")
    part = next((name for name in MAY_IMPORT if _within(module, name)), None)
    if part is None:
        return
    allowed = MAY_IMPORT[part] | {part.partition(".")[0]}
    for node in source.nodes:
        for name in _imported(node, module):
            ours = name.partition(".")[0] in {*TREES, "main"}
            if ours and not any(_within(name, prefix) for prefix in allowed):
                yield _line(node), f"{part} must not import {name}"


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _imported(node: ast.AST, module: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = module.split(".")[: -node.level] if node.level else []
    head = ".".join([*base, node.module or ""]).strip(".")
    # `from config import errors` imports config.errors
    return [f"{head}.{alias.name}" for alias in node.names] if "." not in head else [head]


# ---------------------------------------------------------------- tasks

SPAWNERS = frozenset({"create_task", "ensure_future", "gather", "run_coroutine_threadsafe"})


def tasks(source: Source) -> Found:
    """Every task has an owner: `create_task` of a TaskGroup, nothing else."""
    groups = _task_groups(source)
    for node in source.nodes:
        if not isinstance(node, ast.Call):
            continue
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        owned = name == "create_task" and isinstance(func, ast.Attribute) and ast.unparse(func.value) in groups
        if name in SPAWNERS and not owned:
            yield _line(node), f"{ast.unparse(func)} has no owner: use the create_task of an asyncio.TaskGroup"


def _task_groups(source: Source) -> set[str]:
    """Names that hold a TaskGroup somewhere in the file, also by way of another such name."""
    found: set[str] = set()
    copies: list[tuple[str, str]] = []
    for node in source.nodes:
        if isinstance(node, ast.withitem) and node.optional_vars is not None and _makes_group(node.context_expr):
            found.add(ast.unparse(node.optional_vars))
        elif isinstance(node, ast.arg) and node.annotation is not None and _is_group_type(node.annotation):
            found.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and _is_group_type(node.annotation):
            found.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            copies += [(ast.unparse(target), ast.unparse(node.value)) for target in node.targets]
            if _makes_group(node.value):
                found |= {ast.unparse(target) for target in node.targets}
    while more := {target for target, value in copies if value in found} - found:
        found |= more
    return found


def _makes_group(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and "enter_async_context" in ast.unparse(node.func):
        return any(_makes_group(arg) for arg in node.args)
    node = node.value if isinstance(node, ast.Await) else node
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "TaskGroup"


def _is_group_type(node: ast.expr) -> bool:
    return bool(re.fullmatch(r"'?(asyncio\.)?TaskGroup( \| None)?'?", ast.unparse(node)))


# ---------------------------------------------------------------- broad

CATCH_ALLS = {
    "webhooks/incoming/problems.py": "middleware of the hooks: an unforeseen error is logged once and answered with 500",
    "inbox/api/problems.py": "middleware of the API: the same",
    "router/owner.py": "the lane worker's entry: what the database refuses costs its entry alone",
    "router/understand.py": "the lane worker's entry: a connector's bug costs its entry alone",
    "router/fetchers.py": "supervisor of listeners: one channel's fault must not stop the others",
    "router/media.py": "job wrapper: one file's fault must not stop the others",
    "router/jobs.py": "job wrapper: one job's fault must not stop the others",
    "router/outbound/provider.py": "job wrapper around a connector's code: bytes may have left, so it is in doubt",
    "router/outbound/sender.py": "supervisor: one channel's fault must not stop the others",
}
"""Where everything may be caught, and why there. A handler that ends in a bare `raise` is free everywhere."""

BROAD = frozenset({"Exception", "BaseException"})


def broad(source: Source) -> Found:
    """Catch-alls stand in few places; a `noqa: BLE001` says why."""
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises(node):
            if source.path not in CATCH_ALLS:
                yield _line(node), "catches everything: name the errors, or see CATCH_ALLS in tests/lint/rules.py"
        elif _suppresses(node):
            yield _line(node), "suppresses everything: name the errors"
    for number, line in enumerate(source.text.splitlines(), 1):
        if re.search(r"# noqa: BLE001(?! - \S)", line) and "re.search" not in line:
            yield number, "noqa: BLE001 without a reason behind ` - `"


def _is_broad(node: ast.expr | None) -> bool:
    if node is None:
        return True
    if isinstance(node, ast.Tuple):
        return any(_is_broad(part) for part in node.elts)
    return ast.unparse(node).rpartition(".")[2] in BROAD


def _suppresses(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "suppress":
        return False
    return any(_is_broad(arg) for arg in node.args)


def _raises(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


# ---------------------------------------------------------------- environ, sql

ENVIRON = frozenset({"environ", "environb", "getenv", "putenv", "unsetenv"})


def environ(source: Source) -> Found:
    """Only config/ reads the environment."""
    if source.path.startswith("config/"):
        return
    for node in source.nodes:
        direct = isinstance(node, ast.Attribute) and node.attr in ENVIRON and ast.unparse(node.value) == "os"
        named = isinstance(node, ast.ImportFrom) and node.module == "os" and ENVIRON & {a.name for a in node.names}
        if direct or named:
            yield _line(node), "only config/ reads the environment"


SQL = re.compile(
    r"\s*(SELECT\s|INSERT INTO\s|UPDATE \S+ (AS \S+ )?SET\s|DELETE FROM\s|WITH \w+ AS\s|TRUNCATE\s|LOCK TABLE\s"
    r"|(CREATE|ALTER|DROP) (TABLE|INDEX|UNIQUE|DATABASE|EXTENSION|ROLE|SEQUENCE)\s)"
)


def sql(source: Source) -> Found:
    """SQL is written out, never glued: no f-strings, no %, no .format, no + with a variable."""
    for node in source.nodes:
        if SQL.match(_glued(node)):
            yield _line(node), "SQL put together from pieces: use parameters, or whole statements"


def _glued(node: ast.AST) -> str:
    """How a string begins that is put together at run time; empty for anything else."""
    match node:
        case ast.JoinedStr(values=values) if any(isinstance(value, ast.FormattedValue) for value in values):
            return "".join(str(value.value) if isinstance(value, ast.Constant) else "_" for value in values)
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add() | ast.Mod()):
            return text
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return text
    return ""


# ---------------------------------------------------------------- size, words, docstrings

FILE_LINES = 500
FUNCTION_LINES = 60


def size(source: Source) -> Found:
    """Files and functions that can be read at once."""
    lines = source.text.count("\n")
    if lines > FILE_LINES:
        yield 1, f"{lines} lines, at most {FILE_LINES}"
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {length} lines, at most {FUNCTION_LINES}"


FORBIDDEN = {
    "ticket": "conversation",
    "customer": "contact",
    "operator_id": "agent_id",
    "blacklist": "suppression",
}
_FORBIDDEN = re.compile("|".join(rf"(?:^|_)({word})(?:e?s|ed)?(?:_|$)" for word in FORBIDDEN))


def words(source: Source) -> Found:
    """The field's words, one for each thing. Connectors and simulator speak the providers' words as well."""
    for node in source.nodes:
        for name in _identifiers(node):
            snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
            found = _FORBIDDEN.search(snake)
            if found:
                word = next(filter(None, found.groups()))
                yield _line(node), f"{name}: the word is {FORBIDDEN[word]}, not {word}"


def _identifiers(node: ast.AST) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return [name]
        case ast.Attribute(attr=name, ctx=ast.Store()):
            return [name]
    return []


def docstrings(source: Source) -> Found:
    """A test's docstring is the promise that it holds."""
    for node in source.nodes:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("test_") and not ast.get_docstring(node):
            yield node.lineno, f"{node.name} does not say what it promises"


# ---------------------------------------------------------------- all of it


@dataclass(frozen=True)
class Rule:
    """`skipped`: beginnings of paths that the rule does not look at."""

    check: Callable[[Source], Found]
    only: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def concerns(self, path: str) -> bool:
        return path.startswith(self.only or ("",)) and not (self.skipped and path.startswith(self.skipped))


MIGRATIONS = "storage/migrations/versions/"
RULES = {
    "arrows": Rule(arrows),
    "tasks": Rule(tasks, skipped=FREE),
    "broad": Rule(broad, skipped=FREE),
    "environ": Rule(environ, skipped=FREE),
    "sql": Rule(sql, skipped=(*FREE, MIGRATIONS)),
    "size": Rule(size, skipped=(MIGRATIONS,)),
    "words": Rule(words, skipped=("connectors/", "simulator/", "tests/connectors/", "tests/simulator/")),
    "docstrings": Rule(docstrings, only=("tests/",)),
}
SKIP = re.compile(r"#\s*lint-skip:\s*(?P<rule>[\w-]*)\s*(?:[-–]\s*(?P<reason>.*))?")


@dataclass
class _Skip:
    line: int
    rule: str
    lines: range
    used: bool = False


def check(source: Source) -> list[Breach]:
    """Breaches of one file, in order of lines."""
    skips, breaches = _skips(source)
    for name, rule in RULES.items():
        if rule.concerns(source.path):
            for line, why in rule.check(source):
                skip = next((s for s in skips if s.rule == name and line in s.lines), None)
                if skip is None:
                    breaches.append(Breach(source.path, line, name, why))
                else:
                    skip.used = True
    breaches += [Breach(source.path, s.line, "skip", f"nothing here breaks {s.rule}") for s in skips if not s.used]
    return sorted(breaches, key=lambda b: (b.line, b.rule))


def _skips(source: Source) -> tuple[list[_Skip], list[Breach]]:
    body = [
        node for node in source.tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    first_code = body[0].lineno if body else sys.maxsize
    skips, breaches = [], []
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        found = SKIP.match(token.string) if token.type == tokenize.COMMENT else None
        if found is None:
            continue
        number, alone = token.start[0], not token.line[: token.start[1]].strip()
        if found["rule"] not in RULES or not (found["reason"] or "").strip():
            breaches.append(
                Breach(source.path, number, "skip", "expected `lint-skip: rule - reason` with a known rule")
            )
        elif alone and number < first_code:
            skips.append(_Skip(number, found["rule"], range(1, sys.maxsize)))
        else:
            skips.append(_Skip(number, found["rule"], range(number + alone, number + alone + 1)))
    return skips, breaches


def _line(node: ast.AST) -> int:
    if isinstance(node, ast.withitem):
        return node.context_expr.lineno
    return int(getattr(node, "lineno", 1))


def sources(root: Path = ROOT) -> Iterable[Source]:
    """Every Python file of ours."""
    files = [root / "main.py", *(path for tree in TREES for path in sorted((root / tree).rglob("*.py")))]
    for path in files:
        if path.exists() and "node_modules" not in path.parts:
            yield Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))


def main() -> int:
    """Prints breaches; 1 if there are any."""
    breaches = [breach for source in sources() for breach in check(source)]
    sys.stdout.write("".join(f"{breach}\n" for breach in breaches) or "our rules hold\n")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
