"""Which errors mean that memory ended, with a limit and without."""

from __future__ import annotations

import errno
import io
import subprocess
import sys

import pytest

from mirror.memory import is_out_of_memory

_WITH_A_LIMIT = """
import resource
with open("/proc/self/status") as file:
    peak = int(file.read().partition("VmPeak:")[2].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_AS, (peak + {more}, -1))
from mirror.memory import has_room_for_thread, is_out_of_memory
print({expression})
"""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (ImportError("libz.so: failed to map segment from shared object"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ImportError("No module named 'x'"), False),
        (SystemError("error return without exception set"), False),
        (RuntimeError("can't allocate read lock"), False),
        (ValueError(), False),
    ],
    ids=repr,
)
def test_an_error_tells_by_itself(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("error", ["SystemError()", "RuntimeError()", "ImportError()"])
@pytest.mark.parametrize(("more", "expected"), [(32 << 20, "True"), (1 << 30, "False")])
def test_a_limit_that_is_near_explains_an_error_that_says_nothing(
    error: str, more: int, expected: str
) -> None:
    assert _with_a_limit(f"is_out_of_memory({error})", more) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("more", "expected"), [(16 << 20, "False"), (1 << 30, "True")])
def test_a_limit_that_is_near_leaves_no_room_for_a_thread(more: int, expected: str) -> None:
    assert _with_a_limit("has_room_for_thread()", more) == expected


def _with_a_limit(expression: str, more: int) -> str:
    script = _WITH_A_LIMIT.format(expression=expression, more=more)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_system_that_keeps_no_peak_tells_of_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: str, *_: object) -> io.BytesIO:
        return io.BytesIO(b"Max address space  1 1 bytes" if "limits" in path else b"Name: mirror")

    monkeypatch.setattr("mirror.memory.open", opened, raising=False)
    assert is_out_of_memory(RuntimeError()) is False
