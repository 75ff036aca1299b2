"""Benchmarks; run with `python -m benchmarks`. They draw slides and start servers as tests do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
