"""The application: the doors, what happens around each request, and what they all share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Final, Protocol

from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection

from api import graphiql
from api.access.audit import Audit
from api.access.authenticator import grants_by_roles
from api.access.errors import UnauthenticatedError
from api.access.guarded import GuardedStore
from api.access.organisations import Organisations
from api.access.principals import Principal
from api.access.roles import Roles, load_roles
from api.access.throttle import Throttle
from api.follower import Follower
from api.graphql.current import CurrentSchema
from api.graphql.subscribing import Subscriptions
from api.requests import Requests
from api.rest.authentication import authentication
from api.rest.metrics import DeskCollector, Metrics, Position, StoreCollector
from api.rest.noting import note_request
from api.rest.problems import CODES, handle_errors
from api.settings import Settings
from api.snapshot import SharedSnapshot
from api.traces import OFF, Traces
from api.webhooks.dispatching import Dispatcher
from api.webhooks.owners import Owners
from cmdb.store import GraphStore
from itsm.alerts.rules import AlertRules, load_alert_rules
from itsm.desk import Desk

ROUTERS: Final = (
    "api.rest.health",
    "api.rest.metrics",
    "api.rest.attachments",
    "api.rest.exports",
    "api.rest.observations",
    "api.rest.alerts",
    "api.rest.sign_in",
    "api.graphql.http",
)
"""The doors. Each module has ``router``: an `APIRouter`, or a function of the services that gives one."""
DESCRIPTION: Final = """\
What is not GraphQL: health, measures, files, exports, observations of discovery tools, and alerts of
monitoring tools.
Records are read and written at `/graphql`."""


class Authenticator(Protocol):
    """Says who asks."""

    def authenticate(self, connection: HTTPConnection) -> Principal:
        """Who asks; raises a `CmdbError` of the code ``unauthenticated`` or ``throttled``."""


@dataclass(frozen=True)
class Context:
    """What one request works with.

    Attributes
    ----------
    store
        The store as the principal sees it.
    """

    principal: Principal
    store: GraphStore
    request_id: str


@dataclass
class Services:
    """What one process has, and all its requests share.

    Attributes
    ----------
    organisations, roles
        By which permissions are worked out.
    followers
        What follows the change feed: its name, and the revision it is at.
    guard
        The store as somebody sees it.
    alert_rules
        How alerts are read, folded and correlated.
    snapshot
        The topology that impact analysis reads.
    follower
        Tells of new revisions.
    webhooks
        Delivers them, if no other process does.
    desk
        Takes in alerts, and does all else that goes on by itself, if no other process does.
    throttle
        Slows down who shows bad signatures.
    schema
        Of GraphQL; set by its door.
    stopping
        No longer ready: requests that came are finished.
    """

    store: GraphStore
    settings: Settings
    authenticator: Authenticator | None = None
    audit: Audit | None = None
    organisations: Organisations | None = None
    roles: Roles | None = None
    guard: Callable[[GraphStore, Principal], GraphStore] = lambda store, _: store
    followers: dict[str, Position] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    alert_rules: AlertRules = field(init=False)
    follower: Follower = field(init=False)
    subscriptions: Subscriptions = field(init=False)
    webhooks: Dispatcher | None = None
    desk: Desk | None = None
    throttle: Throttle | None = None
    schema: CurrentSchema | None = None
    stopping: bool = False

    def __post_init__(self) -> None:
        self.alert_rules = load_alert_rules(self.settings.alert_rules)
        self.snapshot = SharedSnapshot(self.store)
        readers = () if self.organisations is None else (self.organisations.refresh,)
        self.follower = Follower(self.store, readers)
        self.subscriptions = Subscriptions(self.settings.subscription_limit)
        if self.audit is not None:
            self.audit.told = self.metrics.noted

    def start(self) -> None:
        """Begin what goes on beside the requests."""
        if self.audit is not None:
            self.audit.start()
        self.follower.start()
        self.snapshot.prepare()
        self.followers["feed"] = lambda: self.follower.revision
        if (organisations := self.organisations) is not None:
            self.followers["organisations"] = lambda: organisations.revision
        if (webhooks := self.webhooks) is not None:
            webhooks.start()
            self.followers["webhooks"] = webhooks.position
        if self.desk is not None:
            self.desk.start()

    def close(self) -> None:
        """End it: what is under way is finished."""
        self.stopping = True
        if self.webhooks is not None:
            self.webhooks.close()
        if self.desk is not None:
            self.desk.close()
        self.follower.close()
        self.snapshot.close()
        if self.schema is not None:
            self.schema.close()
        if self.audit is not None:
            self.audit.close()

    def principal(self, connection: HTTPConnection) -> Principal:
        """Who asks.

        Raises
        ------
        UnauthenticatedError, ThrottledError, NotAllowedError
        """
        if self.authenticator is None:
            raise UnauthenticatedError("Nobody can sign in here.", CODES[401][1])
        principal = self.authenticator.authenticate(connection)
        state = connection.scope.setdefault("state", {})
        state["principal"], state["asker"] = principal.name, principal
        return principal

    def context(self, connection: HTTPConnection, principal: Principal | None = None) -> Context:
        """What a request works with; who asks is looked up, unless that is known already.

        Raises
        ------
        UnauthenticatedError, ThrottledError, NotAllowedError
        """
        known = principal or self.principal(connection)
        id = connection.scope.get("state", {}).get("request_id", "")
        return Context(known, self.guard(self.store, known), id)


def make_services(store: GraphStore, settings: Settings) -> Services:
    """All that a server has: people sign in, and everybody sees what their roles let them see.

    Raises
    ------
    RolesError, AlertRulesError
    """
    organisations, roles = Organisations(store), load_roles(settings.roles)
    audit = Audit(store, keep=timedelta(days=settings.audit_days))
    grants = grants_by_roles(store, roles)
    authenticator = authentication(store, settings, audit, grants, organisations.below)

    def guard(store: GraphStore, principal: Principal) -> GraphStore:
        return GuardedStore(store, principal, organisations, roles)

    services = Services(
        store,
        settings,
        authenticator=authenticator,
        audit=audit,
        organisations=organisations,
        roles=roles,
        guard=guard,
        throttle=Throttle(store),
    )
    if settings.desk:
        services.desk = Desk(store, services.alert_rules, services.snapshot.at)
        services.metrics.registry.register(DeskCollector(services.desk))
    owners = Owners(store, organisations, roles)
    services.webhooks = Dispatcher(store, owners, services.follower, settings, services.metrics)
    return services


def create_app(services: Services) -> FastAPI:
    """The application over a store, without anything global: there may be several in a process."""
    settings = services.settings
    traces = Traces(settings.otlp_endpoint) if settings.otlp_endpoint else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = settings.threads
        await run_sync(services.start)
        yield
        services.stopping = True
        if traces is not None:
            await run_sync(traces.close)
        await run_sync(services.close)

    app = FastAPI(
        title="graph-cmdb",
        version=version("graph-cmdb"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        telemetry=traces.telemetry if traces else OFF,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    services.metrics.registry.register(StoreCollector(services.store, services.followers))
    handle_errors(app)
    for name in ROUTERS:
        app.include_router(_router(name, services))
    app.router.routes[:0] = graphiql.routes(settings)
    _surround(app, services, traces)
    return app


def _router(name: str, services: Services) -> APIRouter:
    """The router of a door."""
    router = import_module(name).router
    made = router if isinstance(router, APIRouter) else router(services)
    assert isinstance(made, APIRouter)
    return made


def _surround(app: FastAPI, services: Services, traces: Traces | None) -> None:
    settings = services.settings
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["authorization", "content-type", "x-csrf-token", "x-request-id"],
            expose_headers=["x-request-id", "content-disposition"],
        )
    app.add_middleware(
        Requests,
        limits={
            "": settings.request_limit,
            "/attachments": settings.upload_limit,
            "/observations": settings.observation_limit,
            "/alerts": settings.alert_limit,
        },
        hosts=tuple(settings.hosts),
        tls=settings.tls,
        watching=services.metrics,
        annotate=traces.annotate if traces else lambda _: None,
        note=partial(note_request, services),
    )
