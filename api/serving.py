"""Running the server: what it refuses to run as, its store, its socket, its end.

A server that others can reach has accounts, and its passwords and tokens go by TLS; else it does not start.
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, Final

import uvicorn

from api.access.accounts import FIRST, first_administrator
from api.app import Services, create_app, make_services
from api.connections import Connection
from api.graphql.current import settle
from api.logs import configure_logs
from api.requests import LOOPBACK_HOSTS
from api.settings import Settings
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store, open_store
from cmdb.store.opening import embedded_file
from schema.errors import CmdbError, UnknownNameError

logger = logging.getLogger(__name__)

ACCOUNT: Final = "Account"
WEBSOCKET_LIMIT: Final = 2**20
"""Most bytes of one message of a WebSocket."""
COLLECTED: Final = (20_000, 20, 50)
"""When garbage is collected (`gc.set_threshold`): a page of records makes ten thousand objects that all go
by themselves; looking through them time and again took a tenth of the time."""
Say = Callable[[str], None]


class ServingError(CmdbError):
    """The server does not start as it is set."""

    code = "serving_refused"


def serve(settings: Settings, say: Say = print) -> None:
    """Serve until a signal ends it: then no more is accepted, and what was begun is finished.

    Parameters
    ----------
    say
        Tells a person on the terminal.

    Raises
    ------
    ServingError, StoreError
    """
    refuse_open_door(settings)
    with opened(settings, say) as store:
        refuse_without_accounts(settings, store)
        listener = listening(settings)
        if local(settings) and not settings.hosts:
            settings = settings.model_copy(update={"hosts": list(LOOPBACK_HOSTS)})
        with listener:
            _run(make_services(store, settings), listener, say)


def local(settings: Settings) -> bool:
    """Whether only this machine can reach it, and no proxy brings others."""
    return loopback(settings.host) and not settings.behind_proxy


def loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_open_door(settings: Settings) -> None:
    """Refuse to be reached without TLS.

    Raises
    ------
    ServingError
    """
    if not loopback(settings.host) and not settings.tls:
        raise ServingError(
            f"Others can reach {settings.host}, and there is no TLS.",
            "Give --tls-cert and --tls-key; or --behind-proxy, where a proxy in front does TLS; or listen on 127.0.0.1.",
        )


def refuse_without_accounts(settings: Settings, store: GraphStore) -> None:
    """Refuse to be reached where nobody can sign in.

    Raises
    ------
    ServingError
    """
    if not local(settings) and not accounts(store):
        raise ServingError(
            "Others can reach it, and it has no accounts.",
            "Serve it on 127.0.0.1 once, without --behind-proxy: that makes the first administrator.",
        )


def accounts(store: GraphStore) -> int:
    """How many accounts there are."""
    try:
        return store.find(Query(ACCOUNT, first=1, total=True)).total or 0
    except UnknownNameError:  # of a model without accounts
        return 0


def opened(settings: Settings, say: Say) -> GraphStore:
    """The store; on the loopback a new embedded one is made, where there is none yet, and a store without
    accounts gets the first administrator.

    Raises
    ------
    StoreError
    """
    file = embedded_file(settings.store)
    if file is not None and not file.exists() and local(settings):
        store = create_store(settings.store)
        say(f"Made a new store: {file}")
    else:
        store = open_store(settings.store)
    try:
        if local(settings) and not accounts(store):
            _first_administrator(store, say)
    except BaseException:
        store.close()
        raise
    return store


def _first_administrator(store: GraphStore, say: Say) -> None:
    """Make who may make the others, and tell how they sign in: once."""
    if (password := first_administrator(store)) is not None:
        say(f"First sign-in, as {FIRST}, good once: {password}")


def listening(settings: Settings) -> socket.socket:
    """The socket, bound.

    Raises
    ------
    ServingError
    """
    host = settings.host.strip("[]")
    try:
        family = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ServingError(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}.",
            "Name another --host or --port; port 0 takes a free one.",
        ) from None
    listener.set_inheritable(True)
    # Connections inherit it: else the end of an answer waits for what came before to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(settings: Settings, listener: socket.socket) -> str:
    """Where it is reached."""
    scheme = "https" if settings.tls_certificate else "http"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


class Server(uvicorn.Server):
    """Uvicorn that says when it is ready, and, once told to stop, is no longer ready."""

    def __init__(self, config: uvicorn.Config, services: Services, ready: Callable[[], None]):
        super().__init__(config)
        self.services, self.ready = services, ready

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        await super().startup(list(sockets) if sockets else None)
        settle()
        gc.set_threshold(*COLLECTED)
        self.ready()

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self.services.stopping = True
        await super().shutdown(list(sockets) if sockets else None)


def _run(services: Services, listener: socket.socket, say: Say) -> None:
    settings = services.settings
    try:
        config = _config(services)
    except OSError as error:  # ssl.SSLError is one
        raise ServingError(
            f"The TLS certificate or key cannot be used: {error.strerror or error}.",
            "Both are PEM files and belong together.",
        ) from None
    configure_logs(settings.log_level, settings.log_format)
    server = Server(config, services, lambda: say(f"Serving on {url_of(settings, listener)}"))
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises it again after its end
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])
    logger.info("stopped")


def _config(services: Services) -> uvicorn.Config:
    settings = services.settings
    tls: dict[str, Any] = {}
    if settings.tls_certificate and settings.tls_key:
        tls = {"ssl_certfile": settings.tls_certificate, "ssl_keyfile": settings.tls_key}
    config = uvicorn.Config(
        create_app(services),
        http=Connection,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=settings.shutdown_seconds,
        ws_max_size=WEBSOCKET_LIMIT,
        lifespan="on",
        **tls,
    )
    config.load()
    return config


def tell(text: str) -> None:
    """Tell a person on the terminal, at once."""
    print(text, file=sys.stdout, flush=True)
