"""A small organisation with accounts, a clock that tests move, and the doors to sign in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI

from api.access.accounts import Accounts
from api.access.audit import Audit
from api.access.authenticator import Authenticator, grants_by_roles
from api.access.organisations import Organisations
from api.access.passwords import Hashing, Passwords
from api.access.roles import load_roles
from api.access.sessions import Sessions
from api.access.sign_in import PasswordSignIn
from api.access.throttle import Throttle
from api.access.tokens import Tokens
from api.rest.authentication import RequestAuthenticator
from api.rest.problems import handle_errors
from api.rest.sign_in import router
from api.settings import Settings
from cmdb.change_sets import Relate
from cmdb.store import GraphStore
from tests.support.building import add, commit

CHEAP = Hashing(time_cost=1, memory_kib=8, parallelism=1)
PASSWORD = "correct horse battery staple"


@dataclass
class Clock:
    """Stands still until it is moved."""

    at: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def pass_(self, **time: float) -> None:
        self.at += timedelta(**time)


class Process:
    """One process of a server over a store; there may be several over one store."""

    def __init__(self, store: GraphStore, clock: Clock, **settings: Any) -> None:
        self.store, self.clock = store, clock
        self.settings = Settings(**settings)
        self.accounts = Accounts(store, Passwords(CHEAP), clock)
        self.tokens = Tokens(store, clock)
        self.audit = Audit(store, clock)
        self.throttle = Throttle(store, clock=clock)
        idle, lifetime = self.settings.session_idle, self.settings.session_lifetime
        self.sessions = Sessions(store, idle, lifetime, clock)
        self.organisations = Organisations(store, clock.seconds)
        grants = grants_by_roles(store, load_roles())
        self.authenticator = Authenticator(
            self.accounts,
            self.tokens,
            self.sessions,
            self.audit,
            grants,
            self.organisations.below,
            clock.seconds,
            self.throttle,
        )
        self.sign_in = PasswordSignIn(self.accounts, self.throttle, self.audit)
        self.requests = RequestAuthenticator(self.authenticator, self.sign_in, self.settings)
        self.app = FastAPI()
        self.app.state.services = SimpleNamespace(
            store=store, authenticator=self.requests, audit=self.audit, settings=self.settings
        )
        self.app.include_router(router)
        handle_errors(self.app)


@dataclass
class Browser:
    """Keeps cookies, and sends what a page of ours would."""

    process: Process
    base: str = "http://localhost:8000"
    address: str = "10.1.2.3"
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)
    csrf: str = ""

    def ask(
        self, method: str, path: str, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        said = {"x-csrf-token": self.csrf, **(headers or {})} if self.csrf else headers

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(self.process.app, client=(self.address, 1))
            async with httpx.AsyncClient(
                transport=transport, base_url=self.base, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, json=json, headers=said)
                self.cookies = client.cookies
                return answer

        answer = asyncio.run(request())
        if answer.status_code == 200 and "csrf_token" in answer.json():
            self.csrf = answer.json()["csrf_token"] or self.csrf
        return answer

    def sign_in(self, name: str, password: str, **more: Any) -> httpx.Response:
        return self.ask("POST", "/sign-in", {"name": name, "password": password, **more})


class Company:
    """A province with two cities, and an engineer of one of them, li, with an account."""

    def __init__(self, store: GraphStore) -> None:
        self.store, self.clock = store, Clock()
        self.process = Process(store, self.clock)
        self.province = add(store, "ProvinceCompany", "Province")
        self.city = add(store, "CityCompany", "City")
        self.other = add(store, "CityCompany", "Other")
        self.li = add(store, "Person", "Li", username="li", organisation=self.city)
        commit(
            store,
            Relate(self.city, "PART_OF", self.province),
            Relate(self.other, "PART_OF", self.province),
            Relate(self.li, "HAS_ROLE", self.city, {"roles": ["engineer"]}),
        )
        self.account = self.process.accounts.create("test", "li", person=self.li)

    def with_password(self) -> Company:
        self.process.accounts.set_password("test", self.account, PASSWORD)
        return self

    def browser(self, **more: Any) -> Browser:
        return Browser(self.process, **more)
