"""Providers as data."""

from __future__ import annotations

from mirror.store.profiles import PROFILES, addressing_of, region_of


def test_addresses_have_no_room_for_a_bucket() -> None:
    oss = next(profile for profile in PROFILES if profile.name == "aliyun-oss")
    for host in ("127.0.0.1:9000", "[::1]:9000", "localhost", "minio:9000"):
        assert addressing_of(oss, f"http://{host}") == "path"
    assert addressing_of(oss, "http://127.0.0.1", "virtual") == "virtual"
    assert region_of(oss, "http://127.0.0.1") == "us-east-1"
