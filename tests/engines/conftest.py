from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.engines import processes


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that the engines' user can reach also when the tests run as root; what runs in it is ended after."""
    base = Path(tempfile.mkdtemp(prefix="sb-"))
    base.chmod(0o711)
    yield base / "data"
    for pid in processes.with_command_line(str(base)):
        processes.send(pid, signal.SIGKILL)
    shutil.rmtree(base, ignore_errors=True)
