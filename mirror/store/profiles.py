"""S3 providers as data. The endpoint's host name says which one it is, or the settings name it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit


class CreateOnly(Enum):
    """Effect of `If-None-Match: *` on a PUT, which asks the server to create only."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Profile:
    """The differences of one provider from the others.

    `hosts` is a regular expression for its endpoints; its group `region` captures the region, and
    its group `bucket` what stands in front of an endpoint, where the provider's hosts may have it.
    `key_env` are the provider's environment variables for key, secret and session token.
    """

    name: str
    hosts: str = ""
    addressing: str = "path"
    create_only: CreateOnly = CreateOnly.UNKNOWN
    region: str | None = "us-east-1"
    key_env: tuple[str, ...] = ()

    @property
    def is_aws(self) -> bool:
        return self.name == "aws"


_REGION = r"(?P<region>[a-z0-9-]+)"

PROFILES = (
    Profile(
        "aws",
        rf"(?:(?P<bucket>.+)\.)??s3[.-](?:(?:fips|dualstack)[.-])*(?:{_REGION}\.)?amazonaws\.com(?:\.cn)?",
        addressing="auto",
        create_only=CreateOnly.HONOURED,
        region=None,
    ),
    Profile(
        "aliyun-oss",
        r"(?:s3\.)?oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com",
        addressing="virtual",
        key_env=("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
    ),
    Profile(
        "tencent-cos",
        rf"cos\.{_REGION}\.(?:myqcloud\.com|tencentcos\.cn)",
        addressing="virtual",
        key_env=("COS_SECRET_ID", "COS_SECRET_KEY", "COS_TOKEN"),
    ),
    Profile(
        "qiniu",
        rf"s3[.-]{_REGION}\.qiniucs\.com",
        addressing="virtual",
        key_env=("QINIU_ACCESS_KEY", "QINIU_SECRET_KEY"),
    ),
    Profile("huawei-obs", rf"obs\.{_REGION}\.myhuaweicloud\.com", addressing="virtual"),
    Profile("volcengine-tos", rf"tos-s3-{_REGION}\.(?:i?volces\.com)", addressing="virtual"),
    Profile(
        "cloudflare-r2",
        r"[0-9a-f]+\.(?:(?:eu|fedramp)\.)?r2\.cloudflarestorage\.com",
        create_only=CreateOnly.HONOURED,
        region="auto",
    ),
    Profile(
        "backblaze-b2",
        rf"s3\.{_REGION}\.backblazeb2\.com",
        key_env=("B2_APPLICATION_KEY_ID", "B2_APPLICATION_KEY"),
    ),
    Profile("minio", r"(?:(?P<bucket>.+)\.)??(?:(?:play\.)?min\.io|minio(?:\..+)?)"),
    Profile("ceph", create_only=CreateOnly.HONOURED),
    Profile("rclone", create_only=CreateOnly.IGNORED),
    Profile("generic"),
)
"""A profile without `hosts` applies only where the settings name it; `generic` is the rest."""

GENERIC = PROFILES[-1]
NAMES = ("auto", *(profile.name for profile in PROFILES))


def profile_of(endpoint_url: str | None, provider: str) -> Profile:
    """Return the profile named `provider`; for "auto" the endpoint's, or AWS without an endpoint.

    Raise `ValueError` for a name that is none of `NAMES`.
    """
    if provider != "auto":
        for profile in PROFILES:
            if profile.name == provider:
                return profile
        raise ValueError(f"provider is one of {', '.join(NAMES)}; got {provider!r}")
    if endpoint_url is None:
        return PROFILES[0]
    host = urlsplit(endpoint_url).hostname or ""
    return next((p for p in PROFILES if p.hosts and re.fullmatch(p.hosts, host)), GENERIC)


@lru_cache(maxsize=256)  # hosts
def is_endpoint(host: str) -> bool:
    """Return True if a host, with or without a port, is an endpoint with no bucket in its name.

    The paths there begin with the name of a bucket.
    """
    name = host.partition(":")[0]
    matches = (re.fullmatch(profile.hosts, name) for profile in PROFILES if profile.hosts)
    return any(match and not match.groupdict().get("bucket") for match in matches)


def region_of(profile: Profile, endpoint_url: str | None) -> str | None:
    """Return the region in the endpoint's host name, or the profile's default."""
    if endpoint_url and profile.hosts:
        match = re.fullmatch(profile.hosts, urlsplit(endpoint_url).hostname or "")
        if match and (region := match.groupdict().get("region")):
            return region
    return profile.region


def addressing_of(profile: Profile, endpoint_url: str | None, setting: str) -> str:
    """Return where the bucket's name goes: "virtual" (in the host), "path", or boto's "auto"."""
    if setting != "auto":
        return setting
    return "path" if endpoint_url and _is_local(endpoint_url) else profile.addressing


def _is_local(endpoint_url: str) -> bool:
    """Return True for an IP address or a bare name, which take no `bucket.` in front."""
    host = urlsplit(endpoint_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host
    return True
