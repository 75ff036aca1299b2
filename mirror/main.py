"""The process: signals, standard streams, exit code and crash log.

Nothing is imported at the top that takes time, and no module of the program: until `main` has set
its signal handlers, Ctrl-C would print a traceback.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as `typing` has it, which takes time to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import NoReturn

EXIT_BUG = 70
EXIT_FAILED = 3  # as in `mirror.cli.common`


def main() -> NoReturn:
    """Run the command line of `sys.argv` and exit."""
    _on_signals(_exit_at_once)
    from mirror.streams import flush_results, open_standard_streams

    # Matrices are small here. OpenBLAS takes memory for each thread, and where a limit leaves none,
    # it sends itself SIGINT or ends the process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    open_standard_streams()
    collect_rarely()
    code = _run()
    flush_results()
    leave_quickly()
    sys.exit(code)


def collect_rarely() -> None:
    """Have Python look for dead cycles far less often than it would.

    Listings and manifests are made of a great many small objects and no cycles; looking at them
    again and again takes twice the time of reading them. So are imported modules: they take 50,000
    objects several times over, and 20 ms to look at.
    """
    import gc

    gc.set_threshold(200_000)


def leave_quickly() -> None:
    """Keep Python from looking for dead cycles among all modules as it ends: 20 ms."""
    import gc

    gc.freeze()


def _run() -> int:
    """Run the command line and return its exit code; a bug is logged and becomes `EXIT_BUG`."""
    from mirror.memory import OUT_OF_MEMORY, is_out_of_memory
    from mirror.streams import Interrupted, flush_results

    try:
        from mirror.cli import run

        _on_signals(_interrupt)
        code: int = run()
        _on_signals(_exit_at_once)  # the interpreter would print a traceback while it ends
    except Interrupted as error:
        if error.signal != signal.SIGPIPE:
            sys.stderr.write("\ninterrupted; what was done is kept, run again to go on\n")
        flush_results()
        # At once: a thread that waits for a slow host holds nothing that could be lost.
        os._exit(128 + error.signal)
    except Exception as error:  # noqa: BLE001  (the last resort, and it says so)
        _on_signals(_exit_at_once)
        if is_out_of_memory(error):
            sys.stderr.write(OUT_OF_MEMORY)
            return EXIT_FAILED
        text = _crash_text()
        from mirror.runner import is_ci

        if is_ci():  # nobody gets at files there
            from mirror.console import for_log

            sys.stderr.write(for_log(text))
        log = _write_crash_log(text) or "no file (none could be written)"
        sys.stderr.write(f"mirror: a bug: {type(error).__name__}; details are in {log}\n")
        code = EXIT_BUG
    return code


# --- Signals ----------------------------------------------------------------------------------


def _on_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _exit_at_once(number: int, _: FrameType | None) -> None:
    """Exit while no command runs: there is nothing to keep and nothing to say."""
    os._exit(128 + number)


def _interrupt(number: int, _: FrameType | None) -> None:
    """Raise `Interrupted` in the main thread; a second signal ends the process at once."""
    from mirror.streams import Interrupted

    _on_signals(signal.SIG_DFL)
    raise Interrupted(number)


# --- The crash log ----------------------------------------------------------------------------


def _crash_text() -> str:
    """Return the command and the traceback. Locals are left out, as they hold URLs."""
    import traceback

    from mirror.urls.redact import hide_stated_secrets

    return hide_stated_secrets(f"mirror {' '.join(sys.argv[1:])}\n\n{traceback.format_exc()}")


def _write_crash_log(text: str) -> str | None:
    """Write `text` to a new file in `.mirror/`, else in the temporary folder; return its name."""
    import tempfile

    try:
        is_ours = os.path.isdir(".mirror") and not os.path.islink(".mirror")  # noqa: PTH112, PTH114
        folder = ".mirror" if is_ours else tempfile.gettempdir()
        descriptor, name = tempfile.mkstemp(prefix="crash-", suffix=".log", dir=folder)
        with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor)
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError:
        return None
    return name


if __name__ == "__main__":
    main()
