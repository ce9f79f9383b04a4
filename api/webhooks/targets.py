"""Sending to a target: to public addresses, and to private ones only where the operator allows it.

The name is resolved once for each delivery, and the address that was looked at is the one connected to, so
that no name server can lead elsewhere in between. Redirects are not followed, proxies of the environment not
used; the whole delivery has one time limit, and of the answer only its status and a little are read.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpcore

from schema.errors import CmdbError

SECONDS: Final = 15.0
"""For one delivery, all in all."""
READ: Final = 4_096
"""Most bytes of an answer that are read."""
ALLOWED: Final = "An operator allows private networks by the setting `webhook_private_targets`."
NAT64: Final = IPv6Network("64:ff9b::/96")

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class TargetError(CmdbError):
    """A webhook cannot be sent there."""

    code = "webhook_target"


class Answer(NamedTuple):
    """What came of a delivery. ``error`` is empty where it was acknowledged; ``gone`` that the target wants
    no more."""

    error: str
    gone: bool = False


def check_url(url: str) -> None:
    """Refuse a URL that nothing can be sent to.

    Raises
    ------
    TargetError
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        fits = fits and not (parts.username or parts.password or parts.fragment)
    except ValueError:
        fits = False
    if not fits or not url.isascii():
        raise TargetError(
            "That is no target for a webhook.", "Write https://host/path, without user or fragment."
        )


class Sender:
    """Sends messages.

    Parameters
    ----------
    private
        Networks that are sent to though they are not public.
    seconds
        Time limit of one delivery.
    """

    def __init__(self, private: Collection[Network] = (), seconds: float = SECONDS) -> None:
        self._private, self._seconds = tuple(private), seconds

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send once."""
        deadline = time.monotonic() + self._seconds
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        try:
            check_url(url)
            with (
                httpcore.ConnectionPool(network_backend=_Backend(self, deadline)) as pool,
                pool.stream(
                    "POST",
                    url,
                    headers=list(headers.items()),
                    content=body,
                    extensions={"timeout": limits},
                ) as response,
            ):
                size = 0
                for chunk in response.iter_stream():
                    if (size := size + len(chunk)) >= READ:
                        break
                status = response.status
        except TargetError as error:
            return Answer(error.message)
        except httpcore.TimeoutException:
            return Answer(f"No answer within {self._seconds:g} seconds.")
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Answer(f"Not delivered: {type(error).__name__}.")
        if 200 <= status < 300:
            return Answer("")
        return Answer(f"Answered {status}.", status == 410)

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses to connect to.

        Raises
        ------
        TargetError
            There is none, or one of them is not allowed.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise TargetError("The target's name is unknown.", "Check the URL.") from None
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        if not addresses or not all(self._allowed(address) for address in addresses):
            raise TargetError("The target is in a private network.", ALLOWED)
        return [str(address) for address in addresses]

    def _allowed(self, address: Address) -> bool:
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is not None:
                return self._allowed(address.ipv4_mapped)
            if address.sixtofour or address.teredo or address in NAT64:
                return False
        if any(address.version == n.version and address in n for n in self._private):
            return True
        return address.is_global and not address.is_multicast


class _Backend(httpcore.SyncBackend):
    """Connects to the address that was looked at, and no longer than until a deadline."""

    def __init__(self, sender: Sender, deadline: float) -> None:
        self._sender, self._deadline = sender, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError()
        for address in self._sender.addresses(host, port):
            left = _left(self._deadline)
            try:
                stream = super().connect_tcp(address, port, left, local_address, socket_options)
            except httpcore.ConnectError as error:
                failed = error
            else:
                return _Stream(stream, self._deadline)
        raise failed


class _Stream(httpcore.NetworkStream):
    """A connection that is used no longer than until a deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left
