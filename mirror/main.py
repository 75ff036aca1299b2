"""The console entry: whatever happens inside, the exit code says it and nobody sees a traceback."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

from mirror.console import Interrupted, for_log

EXIT_BUG = 70


def main() -> NoReturn:
    """Run the command line of `sys.argv` and exit."""
    collect_rarely()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    sys.stdout = sys.stdout or _nowhere()  # started with `>&-`
    sys.stderr = sys.stderr or _nowhere()
    try:
        from mirror.cli import run

        code: int = run()
    except Interrupted as error:
        with suppress(OSError):
            if error.signal != signal.SIGPIPE:
                sys.stderr.write("\ninterrupted; what was done is kept, run again to go on\n")
            sys.stdout.flush()
        # At once: a thread that waits for a slow host holds nothing that could be lost.
        os._exit(128 + error.signal)
    except Exception as error:  # noqa: BLE001  (the last resort, and it says so)
        code = EXIT_BUG
        text = _traceback()
        if os.environ.get("CI") or os.environ.get("GITHUB_ACTIONS"):  # nobody gets at files there
            sys.stderr.write(for_log(text))
        sys.stderr.write(f"mirror: a bug: {type(error).__name__}; details are in {_log(text)}\n")
    sys.exit(code)


def collect_rarely() -> None:
    """Have Python look for dead cycles a hundredth as often as it would.

    Listings and manifests are made of a great many small objects and no cycles; looking at them
    again and again takes twice the time of reading them.
    """
    gc.set_threshold(50_000)


def _interrupt(number: int, _: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):  # a second one ends the process at once
        signal.signal(each, signal.SIG_DFL)
    raise Interrupted(number)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  (open to the end)


def _traceback() -> str:
    """What was asked for, and where that failed. Locals are left out: they hold URLs."""
    from mirror.urls.redact import hide_secrets

    return hide_secrets(f"mirror {' '.join(sys.argv[1:])}\n\n{traceback.format_exc()}")


def _log(text: str) -> str:
    """Write the traceback to a file and return its name."""
    try:
        folder = Path(".mirror") if Path(".mirror").is_dir() else Path(tempfile.gettempdir())
        file, name = tempfile.mkstemp(prefix="crash-", suffix=".log", dir=folder)
        os.write(file, text.encode("utf-8", "backslashreplace"))
        os.close(file)
    except OSError:
        return "no file (none could be written)"
    return name


if __name__ == "__main__":
    main()
