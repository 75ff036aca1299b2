"""Download of a URL with httpx: limits, retries, and checks of the declared checksums.

Read in this order:

- `errors`, `body`: what comes of a fetch
- `fetcher`: `Fetcher.fetch` returns the whole body exactly as its host declared it, or raises
  `FetchError`; its loop tries again
- `exchange`: all attempts for one URL: redirects, the body, and the rest of an interrupted body
- `retries`: what follows a failed attempt, and the waits
- `limits`: sizes, times, and the requests to one host
- `addresses`: URLs as browsers read them, and the guard against private addresses
- `network`, `library`: httpx, with each connected address checked
- `checks`, `diagnosis`: what hosts declare, and their errors as ours

A body that is clearly a document, such as an HTML page, is an error here; only the decoder proves
that a body is a picture. This page loads no HTTP client; `fetcher` does.
"""

from mirror.fetch.addresses import names_private_host
from mirror.fetch.body import Body, Validators
from mirror.fetch.errors import FetchError, Kind

__all__ = ["Body", "FetchError", "Kind", "Validators", "names_private_host"]
