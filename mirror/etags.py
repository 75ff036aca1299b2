"""The MD5 in an ETag.

Of a plain PUT most servers send the MD5 as the ETag. It may also only look like one: `store/s3.py`
knows the encryption of a bucket for which it does, `fetch/checks.py` the headers of a host.
"""

from __future__ import annotations


def md5_of_etag(etag: str) -> str | None:
    """Return the ETag in lower case if it looks like an MD5, `None` otherwise.

    The ETag of an upload in parts does not. OSS writes upper-case ETags.
    """
    etag = etag.strip('"').lower()
    return etag if len(etag) == 32 and not etag.strip("0123456789abcdef") else None
