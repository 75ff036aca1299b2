"""Settings of a bucket."""

from __future__ import annotations

import pytest

from mirror.store import (
    S3Settings,
    StoreError,
)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"addressing": "dns"}, "addressing is one of auto, path, virtual; got 'dns'"),
        ({"provider": "aws-s3"}, "provider is one of auto, aws,"),
        ({"endpoint_url": "r2.example.com"}, "endpoint_url starts with"),
        ({"endpoint_url": "https://key:pass@example.com"}, "endpoint_url holds a secret"),
        ({"prefix": "a//b"}, "empty part"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings: dict[str, str], words: str) -> None:
    with pytest.raises(StoreError) as caught:
        S3Settings("bucket", **settings)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "pass@" not in str(caught.value)
