"""Brings up processes of the hub quickly: everything is imported once, then each is a fork that runs `main.main`.

Importing costs seconds of processor time, which a suite that restarts processes dozens of times does not have.
One JSON line in, `{"argv", "env", "log"}`; one line out, the child's pid.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import commands.process
import main
import tests.kill.poison as _poison
from connectors import registry


def _live(order: dict[str, object]) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(PermissionError):
        os.setsid()
    log = os.open(str(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    env, argv = order["env"], order["argv"]
    assert isinstance(env, dict)
    assert isinstance(argv, list)
    os.environ.update(env)
    code = 1
    try:
        code = main.main(argv)
    except BaseException:  # noqa: BLE001 - whatever it is, this copy of the nursery must not go on as one
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve() -> None:
    """Until stdin ends."""
    registry.MODULES["poison"] = _poison.__name__
    for name in registry.MODULES:
        registry.get(name)
    assert callable(commands.process.serve)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            _live(order)
        print(pid, flush=True)


if __name__ == "__main__":
    serve()
