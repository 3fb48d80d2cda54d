"""`python -m bench.hub …` is `main.py …` with the benchmark's connector among the others."""

from __future__ import annotations

import sys

from bench import receipts
from commands import companions
from main import main

if __name__ == "__main__":
    receipts.register()
    companions.entry[:] = [sys.executable, "-m", "bench.hub"]
    sys.exit(main())
