"""Switchboard's one command line. `main.py --help` lists the commands; each works beside a running hub."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

from config.errors import BadSettings, HubError
from config.settings import Settings, load


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 refused or failed (a sentence on stderr), 2 unreadable input."""
    args = _parser().parse_args(argv)
    try:
        return int(args.command(args) or 0)
    except HubError as error:
        print(f"{error}. {error.do}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="main.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for name, what in (
        ("run", "everything: web and worker"),
        ("web", "hooks, API and page; any number behind a load balancer"),
        ("worker", "lanes, sending, fetching and jobs; any number"),
    ):
        command = commands.add_parser(name, help=what)
        command.set_defaults(command=_serve, role=name)
        if name == "worker":
            command.add_argument("--attached", action="store_true", help="end when standard input does")

    _add_setup(commands)

    token = commands.add_parser("token", help="API tokens").add_subparsers(required=True)
    create = token.add_parser("create", help="prints a new token alone on the last line")
    create.add_argument("--name", required=True)
    create.add_argument("--scope", nargs="+", action="extend", required=True)
    create.set_defaults(command=_token_create)

    replay = commands.add_parser("replay", help="process journal entries again")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("--entry", type=int, nargs="+")
    which.add_argument("--failed", action="store_true")
    replay.add_argument("--since")
    replay.add_argument("--channel")
    replay.set_defaults(command=_replay)

    for name, what_for in (
        ("normalize", "payload -> items, a JSON line each"),
        ("verify", "what the hook would answer"),
    ):
        offline = commands.add_parser(name, help=what_for)
        offline.add_argument("connector")
        offline.add_argument("--headers", metavar="FILE")
        offline.add_argument("--query", default="")
        offline.add_argument("--set", nargs="+", action="extend", default=[], metavar="key=value", dest="values")
        offline.add_argument("--jsonl", action="store_true")
        offline.set_defaults(command=_offline, name=name)

    doctor = commands.add_parser("doctor", help="what is wrong, a line each")
    doctor.set_defaults(command=_doctor)
    watch = commands.add_parser("watch", help="the stream, live in the terminal")
    watch.set_defaults(command=_watch)
    return parser


def _add_setup(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    channel = commands.add_parser("channel", help="configured connections").add_subparsers(required=True)
    add = channel.add_parser("add", help="connect a provider; prints the hook address alone on the last line")
    add.add_argument("connector")
    add.add_argument("--name", required=True)
    add.add_argument("--set", nargs="+", action="extend", default=[], metavar="key=value", dest="values")
    add.set_defaults(command=_channel_add)

    listing = channel.add_parser("list", help="id, connector, state and name of each")
    listing.set_defaults(command=_channel, name="list")
    change = channel.add_parser("set", help="change settings of a channel")
    change.add_argument("id")
    change.add_argument("values", nargs="+", metavar="key=value")
    change.set_defaults(command=_channel, name="set")
    for name, what in (("test", "what is wrong with it, in a line"), ("attach", "tell the provider where to call")):
        one = channel.add_parser(name, help=what)
        one.add_argument("id")
        one.set_defaults(command=_channel, name=name)

    agent = commands.add_parser("agent", help="people who sign in").add_subparsers(required=True)
    person = agent.add_parser("add", help="asks for the password, or prints one it made alone on the last line")
    person.add_argument("login")
    person.add_argument("--name", required=True)
    person.add_argument("--role", choices=("agent", "supervisor", "admin"), default="agent")
    person.set_defaults(command=_agent_add)

    number = agent.add_parser("extension", help="the short number of a PBX channel somebody answers at")
    number.add_argument("login")
    number.add_argument("channel")
    number.add_argument("extension", nargs="?", default="")
    number.set_defaults(command=_agent_extension)

    keys = commands.add_parser("secrets", help="keys of secrets at rest").add_subparsers(required=True)
    rotate = keys.add_parser("rotate", help="write every secret anew under the newest key")
    rotate.set_defaults(command=_secrets_rotate)


def pairs(words: Sequence[str]) -> dict[str, object]:
    """`key=value` words as settings. Raises BadSettings."""
    found: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise BadSettings(f"--set {key[:40]!r}: expected key=value")
        found[key] = value
    return found


def _run(work: Coroutine[Any, Any, int | None], settings: Settings) -> int:
    from commands.runtime import event_loop, start_logging

    start_logging(settings)
    with asyncio.Runner(loop_factory=event_loop) as runner:
        return runner.run(work) or 0


def _serve(args: argparse.Namespace) -> int:
    from commands.process import serve

    settings = load()
    return _run(serve(settings, args.role, attached=getattr(args, "attached", False)), settings)


def _channel_add(args: argparse.Namespace) -> int:
    from commands import admin

    settings = load()
    return _run(admin.channel_add(settings, args.connector, args.name, pairs(args.values)), settings)


def _channel(args: argparse.Namespace) -> int:
    from commands import setup

    settings = load()
    if args.name == "list":
        return _run(setup.channel_list(settings), settings)
    if args.name == "set":
        return _run(setup.channel_set(settings, args.id, pairs(args.values)), settings)
    work = setup.channel_test if args.name == "test" else setup.channel_attach
    return _run(work(settings, args.id), settings)


def _agent_add(args: argparse.Namespace) -> int:
    from commands import setup

    settings = load()
    return _run(setup.agent_add(settings, args.login, args.name, args.role), settings)


def _agent_extension(args: argparse.Namespace) -> int:
    from commands import setup

    settings = load()
    return _run(setup.agent_extension(settings, args.login, args.channel, args.extension), settings)


def _secrets_rotate(_args: argparse.Namespace) -> int:
    from commands import setup

    settings = load()
    return _run(setup.secrets_rotate(settings), settings)


def _token_create(args: argparse.Namespace) -> int:
    from commands import admin

    settings = load()
    return _run(admin.token_create(settings, args.name, args.scope), settings)


def _replay(args: argparse.Namespace) -> int:
    from commands import admin

    settings = load()
    return _run(admin.replay(settings, entries=args.entry, since=args.since, channel=args.channel), settings)


def _offline(args: argparse.Namespace) -> int:
    from commands import offline

    return offline.run(
        args.name,
        args.connector,
        headers_file=args.headers,
        query=args.query,
        settings=pairs(args.values),
        jsonl=args.jsonl,
    )


def _doctor(_args: argparse.Namespace) -> int:
    from commands import admin

    settings = load()
    return _run(admin.doctor(settings), settings)


def _watch(_args: argparse.Namespace) -> int:
    from commands import watch

    settings = load()
    return _run(watch.watch(settings), settings)


if __name__ == "__main__":
    sys.exit(main())
