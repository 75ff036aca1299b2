"""Errors about files in words, with the remedy that helps."""

from __future__ import annotations

import errno
import os

import pytest

from mirror.files import FileTooLargeError, NotAFileError, OutsideError, explain


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "No space left on device; make room, then run again",
            id="full disk",
        ),
        pytest.param(
            PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
            "Permission denied; make the folder accessible to this user, or name another",
            id="no access",
        ),
        pytest.param(
            OSError(errno.EFBIG, os.strerror(errno.EFBIG)),
            "File too large; this process may write no file so large (`ulimit -f`): "
            "raise the limit",
            id="a limit on what is written",
        ),
        pytest.param(
            FileTooLargeError("a.jsonl", 1_000_000),
            "has more than 1,000,000 bytes; move away what is there",
            id="a limit on what is read",
        ),
        pytest.param(
            OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
            "Too many open files; this process may open no more files (`ulimit -n`): "
            "raise the limit",
            id="too many open files",
        ),
        pytest.param(
            NotAFileError(errno.EINVAL, "is no plain file", "pipe"),
            "'pipe' is no plain file; move away what is there",
            id="a pipe",
        ),
        pytest.param(
            OutsideError(errno.ELOOP, "is a symbolic link", "a"),
            "'a' is a symbolic link; remove the link",
            id="a link",
        ),
        pytest.param(
            OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error", id="no known remedy"
        ),
    ],
)
def test_an_error_is_told_with_the_remedy_that_helps(error: OSError, text: str) -> None:
    assert explain(error) == text
