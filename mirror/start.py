"""The entry point: handles signals and a lack of memory before anything else is imported.

Before that, Ctrl-C prints a traceback of Python. `signal` imports `enum`, which takes longer than
all that comes before it.
"""

import os
import sys
from _signal import SIGINT, SIGTERM, signal  # type: ignore[import-not-found]

from mirror.memory import OUT_OF_MEMORY, is_out_of_memory

TYPE_CHECKING = False  # as `typing` has it, which takes time to import
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> "NoReturn":
    """Run the command line of `sys.argv` and exit."""
    try:
        from mirror.main import main

        main()
    except Exception as error:  # noqa: BLE001  (of an import, or while another was looked at)
        try:
            if not is_out_of_memory(error):
                raise
            sys.stderr.write(OUT_OF_MEMORY)
        except MemoryError:
            pass
        os._exit(3)  # as `mirror.cli.common.EXIT_FAILED`; to tidy up takes memory


for _number in (SIGINT, SIGTERM):
    signal(_number, lambda number, _: os._exit(128 + number))
