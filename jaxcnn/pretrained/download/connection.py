"""Ask an address for a file and read its answer: one try, its refusals and its interruptions.

No message holds a whole address, for its query or its user part may be a secret.
"""

import re
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

_CHUNK_BYTES = 1 << 18
_SERVER_MAY_RECOVER = (408, 425, 429)  # beside 5xx
_REFUSALS = {
    401: "it wants a login; fetch the file by hand or use another source",
    403: "access is refused; fetch the file by hand or use another source",
    404: "there is no such file; the address may have changed",
    410: "the file has been taken away; use another source",
}


class DownloadError(ValueError):
    """A file could not be brought into the cache; the message says why and what to do."""


class InterruptedTryError(Exception):
    """This try ended early; another may go on from what came."""

    def __init__(self, reason: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class Session(requests.Session):
    """Asks for files, and refuses to be led from https to http before a byte is asked for there."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Find where an answer redirects to; requests asks this before it follows."""
        target = super().get_redirect_target(resp)
        if target and urlsplit(resp.url).scheme == "https":
            following = urljoin(resp.url, target)
            if urlsplit(following).scheme != "https":
                resp.close()
                raise DownloadError(
                    f"{public_address(resp.url)} redirects from https to the unprotected "
                    f"{public_address(following)}, which is refused; use another source."
                )
        return target

    def ask(
        self, url: str, headers: dict[str, str], *, timeout_seconds: float
    ) -> requests.Response:
        """Ask for a file and wait for the head of the answer.

        Args:
          url: the whole address.
          headers: sent beside those that every request needs.
          timeout_seconds: how long to wait for a connection, and then for any next byte.

        Returns:
          The answer, its body unread; the caller closes it.

        Raises:
          InterruptedTryError: if nothing came, but may at another try.
          DownloadError: if no try could succeed.
        """
        # Causes are cut off ("from None") because their texts hold the whole address.
        address = public_address(url)
        headers = {"Accept-Encoding": "identity", "User-Agent": "jaxcnn"} | headers
        try:
            return self.get(url, headers=headers, stream=True, timeout=timeout_seconds)
        except requests.exceptions.SSLError as error:
            raise DownloadError(
                f"{address}: no trusted connection ({_root_cause(error)}); behind a proxy with its "
                "own certificate, name that certificate's file in REQUESTS_CA_BUNDLE."
            ) from None
        except requests.Timeout:
            raise InterruptedTryError(f"no answer for {timeout_seconds:g} s") from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise InterruptedTryError(f"not reached ({_root_cause(error)})") from None
        except requests.RequestException as error:
            raise DownloadError(
                f"{address} cannot be fetched ({type(error).__name__}); check the address."
            ) from None


def public_address(url: str) -> str:
    """Strip user, password, query and fragment, which may hold secrets, from an address.

    Example:
      >>> public_address("https://me:secret@example.org:8443/a/b.bin?token=x#y")
      'https://example.org:8443/a/b.bin'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_status(url: str, response: requests.Response) -> None:
    """Accept 200 and 206.

    Raises:
      InterruptedTryError: if the server may recover: 5xx, 429 and the like.
      DownloadError: if it refuses.
    """
    status = response.status_code
    if status in (200, 206):
        return
    if status >= 500 or status in _SERVER_MAY_RECOVER:
        after = response.headers.get("Retry-After", "")
        wait_seconds = float(after) if after.isdecimal() else 0.0
        raise InterruptedTryError(f"the server answered {status}", wait_seconds=wait_seconds)
    meaning = _REFUSALS.get(status, "the server does not give the file; check the address")
    raise DownloadError(f"{public_address(url)} answered {status}: {meaning}.")


def read_arrived(response: requests.Response) -> bytes:
    """Read the bytes that have arrived, waiting for one at least; b"" at the end of the body.

    Raises:
      InterruptedTryError: if none came in time, or the connection broke.
    """
    try:
        # read1 hands over at once what came, so that a stall or a break later loses none of it.
        return response.raw.read1(_CHUNK_BYTES)
    except urllib3.exceptions.TimeoutError:
        reason = "the bytes stopped coming"
    except urllib3.exceptions.HTTPError:
        reason = "the connection closed early"
    raise InterruptedTryError(reason)


def linked_digest(response: requests.Response) -> str | None:
    """Read the SHA-256 that a hub names for a large file, in 64 lower-case hex digits.

    The Hugging Face hub puts it into `X-Linked-ETag` of the answer that redirects to the bytes.
    """
    for answer in (response, *response.history):
        value = answer.headers.get("X-Linked-ETag", "").removeprefix("W/").strip('"').lower()
        if re.fullmatch(r"[0-9a-f]{64}", value):
            return value
    return None


def _root_cause(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    text = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
