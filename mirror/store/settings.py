"""The settings of a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from mirror.store.errors import StoreError
from mirror.store.keys import check_key
from mirror.store.profiles import NAMES

STORE_WORKERS = 8
"""Jobs at a time that wait for a store, each with the bytes of a picture in memory.

A server on loopback that answers after 20 ms was given 60 new objects of 50 kB a second by 4 of
them, 76 by 8 and 138 by 16, each for 5 ms of a core. Twice as many would hold twice as many
pictures, and send so many more requests at once to a small server.
"""

_CHOICES = {"addressing": ("auto", "path", "virtual"), "provider": NAMES}


@dataclass(frozen=True, slots=True)
class S3Settings:
    """The place of a bucket, and how to reach it.

    For "auto", `provider` and `addressing` ("path", "virtual") follow from the endpoint.
    Credentials come from `profile`, else from the provider's own environment variables, else from
    boto's chain. A `profile` that does not exist is ignored if the environment has AWS's keys, as
    in CI. With `timeout_s`, each request is sent once and ends after that many seconds; without,
    boto's timeouts and retries apply. `workers` are the connections that are kept, and the objects
    that are read at a time: two stages of a run may each have `STORE_WORKERS` jobs in one bucket.
    """

    bucket: str = ""
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    addressing: str = "auto"
    provider: str = "auto"
    workers: int = 16
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        """Raise `StoreError` for settings that are wrong whatever the server says."""
        for name, allowed in _CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise StoreError(f"{name} is one of {', '.join(allowed)}; got {value!r}")
        if self.prefix:
            check_key(self.prefix.strip("/"))
        if self.endpoint_url is not None:
            parts = urlsplit(self.endpoint_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise StoreError("endpoint_url starts with http:// or https:// and names a host")
            if parts.username is not None or parts.query:
                raise StoreError("endpoint_url holds a secret; credentials go in a profile")
