"""The entry point: handles signals before anything that takes time is imported.

Before that, Ctrl-C prints a traceback of Python. `signal` imports `enum`, which takes longer than
all that comes before it.
"""

import os
from _signal import SIGINT, SIGTERM, signal  # type: ignore[import-not-found]

TYPE_CHECKING = False  # as `typing` has it, which takes time to import
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> "NoReturn":
    """Run the command line of `sys.argv` and exit."""
    from mirror.main import main

    main()


for _number in (SIGINT, SIGTERM):
    signal(_number, lambda number, _: os._exit(128 + number))
