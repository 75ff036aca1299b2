"""Providers as data."""

from __future__ import annotations

import pytest

from mirror.store.profiles import PROFILES, addressing_of, is_endpoint, region_of


def test_addresses_have_no_room_for_a_bucket() -> None:
    oss = next(profile for profile in PROFILES if profile.name == "aliyun-oss")
    for host in ("127.0.0.1:9000", "[::1]:9000", "localhost", "minio:9000"):
        assert addressing_of(oss, f"http://{host}", "auto") == "path"
    assert addressing_of(oss, "http://127.0.0.1", "virtual") == "virtual"
    assert region_of(oss, "http://127.0.0.1") == "us-east-1"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("s3.amazonaws.com", True),
        ("s3-us-west-2.amazonaws.com", True),
        ("s3.dualstack.eu-west-1.amazonaws.com", True),
        ("blog.s3.amazonaws.com", False),
        ("a.b.s3-us-west-2.amazonaws.com", False),
        ("d1.cloudfront.net", False),
        ("oss-cn-beijing-internal.aliyuncs.com", True),
        ("blog.oss-cn-beijing.aliyuncs.com", False),
        ("0a1b.eu.r2.cloudflarestorage.com", True),
        ("blog.0a1b.r2.cloudflarestorage.com", False),
        ("play.min.io", True),
        ("minio.example.com:9000", True),
        ("blog.minio.example.com", False),
        ("s3.example.com", False),
    ],
)
def test_an_endpoint_has_no_bucket_in_its_name(host: str, expected: bool) -> None:
    assert is_endpoint(host) is expected
