"""A bucket is opened by its URL, without contacting a server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mirror.store import S3Settings, StoreError, open_bucket


def test_boto_is_loaded_when_a_bucket_is_used() -> None:
    code = (
        "import sys, mirror.store as s;"
        "s.open_bucket('r', 's3://b/p', s.S3Settings());"
        "sys.exit('botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("url", ["s3:bucket", "s3://", "file:images", "https://e.com", "images"])
def test_a_url_that_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        open_bucket("r2", url, S3Settings())
