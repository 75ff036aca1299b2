"""The console entry: whatever happens inside, the exit code says it and nobody sees a traceback."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mirror.console import Interrupted

EXIT_BUG = 70


def main() -> NoReturn:
    """Run the command line of `sys.argv` and exit."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    try:
        from mirror.cli import run

        code: int = run()
        sys.stdout.flush()
    except (Interrupted, BrokenPipeError) as error:
        number = error.signal if isinstance(error, Interrupted) else int(signal.SIGPIPE)
        if number == signal.SIGPIPE:  # no more can be said; the interpreter must not try at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            sys.stderr.write("\ninterrupted; what was done is kept, run again to go on\n")
        code = 128 + number
    except Exception as error:  # noqa: BLE001  (the last resort, and it says so)
        code = EXIT_BUG
        sys.stderr.write(f"mirror: a bug: {type(error).__name__}; details are in {_log()}\n")
    sys.exit(code)


def _interrupt(number: int, _: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):  # a second one ends the process at once
        signal.signal(each, signal.SIG_DFL)
    raise Interrupted(number)


def _log() -> str:
    """Write the traceback to a file and return its name. Locals are left out: they hold URLs."""
    from mirror.model import hide_secrets

    text = hide_secrets(f"mirror {' '.join(sys.argv[1:])}\n\n{traceback.format_exc()}")
    folder = Path(".mirror") if Path(".mirror").is_dir() else Path(tempfile.gettempdir())
    try:
        file, name = tempfile.mkstemp(prefix="crash-", suffix=".log", dir=folder)
        os.write(file, text.encode("utf-8", "backslashreplace"))
        os.close(file)
    except OSError:
        return "no file (none could be written)"
    return name


if __name__ == "__main__":
    main()
