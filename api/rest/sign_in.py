"""Signing in and out, who one is, and one's password."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, SecretStr

from api.access.accounts import Accounts
from api.access.audit import DONE, Audit
from api.access.errors import UnauthenticatedError
from api.access.principals import Principal
from api.access.sessions import csrf_token
from api.access.sign_in import Credentials, wrong
from api.rest.authentication import RequestAuthenticator, address_of
from api.rest.problems import RESPONSES
from lifecycle.refusals import NotAllowedError
from schema.errors import CmdbError

router = APIRouter(tags=["sign-in"], responses=RESPONSES)

Secret = Annotated[SecretStr, Field(max_length=2_000)]


class SignInRequest(BaseModel):
    """What somebody signs in with."""

    name: str = Field(max_length=200, description="user name")
    password: Secret
    new_password: Secret | None = Field(
        None, description="replaces the one given; needed where that is good once"
    )


class PasswordRequest(BaseModel):
    """Another password for who is signed in."""

    password: Secret = Field(description="the present one")
    new_password: Secret


class Granted(BaseModel):
    """Some permissions in an organisation and all below it; without one, everywhere."""

    organisation: str | None
    permissions: Sequence[str]


class Me(BaseModel):
    """Who asks."""

    name: str
    account: str
    person: str = ""
    by: str = Field(description="session, token or local")
    roles: Sequence[str]
    permissions: Sequence[str] = Field(description="what they may do somewhere")
    grants: Sequence[Granted] = Field(description="what they may do, and where")
    csrf_token: str = Field("", description="of a session: to be sent as X-CSRF-Token")


class Door:
    """What the routes work with.

    The `authenticator` and the `audit` of the server's services.

    Raises
    ------
    UnauthenticatedError
        The server knows no accounts.
    """

    def __init__(self, request: Request) -> None:
        services: Any = request.app.state.services
        self.request = request
        if not isinstance(services.authenticator, RequestAuthenticator):
            raise UnauthenticatedError("Nobody can sign in here.", "Send a token.")
        self.authenticator = services.authenticator
        self.audit = cast("Audit", services.audit)
        self.sign_in = self.authenticator.sign_in
        self.address = address_of(request)

    @property
    def accounts(self) -> Accounts:
        return self.authenticator.known.accounts

    def principal(self) -> Principal:
        return self.authenticator.authenticate(self.request)

    def begin(self, response: Response, account: str) -> Me:
        """Begin a session."""
        known = self.authenticator.known
        if old := self.authenticator.session(self.request):
            known.sessions.end(old)
        value = known.sessions.begin(account)
        known.forget(account)
        self.audit.beside("sessions", known.sessions.remove_ended)
        self.authenticator.begin(response, value)
        return _me(known.by_session(value, self.address), value)


Doors = Annotated[Door, Depends(Door)]


@router.post("/sign-in")
def sign_in(asked: SignInRequest, door: Doors, response: Response) -> Me:
    """Sign in: the answer sets the cookie of a session, and tells its CSRF token."""
    door.authenticator.check_origin(door.request)
    new = asked.new_password.get_secret_value() if asked.new_password else None
    credentials = Credentials(asked.name, asked.password.get_secret_value(), new)
    account = door.sign_in.account(credentials, door.address)
    return door.begin(response, account)


@router.post("/sign-out", status_code=204)
def sign_out(door: Doors, response: Response) -> None:
    """Sign out: the session ends, whoever else may know its cookie."""
    principal = door.principal()
    if value := door.authenticator.session(door.request):
        door.authenticator.known.sessions.end(value)
        door.authenticator.known.forget(principal.account)
        door.audit.note(principal, "sign_out")
    door.authenticator.end(response)


@router.get("/me")
def me(door: Doors) -> Me:
    """Who one is, and may do."""
    return _me(door.principal(), door.authenticator.session(door.request))


@router.post("/password")
def password(asked: PasswordRequest, door: Doors, response: Response) -> Me:
    """Set another password: all sessions end, and a new one begins."""
    principal = door.principal()
    if principal.by != "session":
        raise NotAllowedError(
            "A token sets no password.", "Sign in with the present password to do so."
        )
    result = DONE
    try:
        new = asked.new_password.get_secret_value()
        shown = Credentials(principal.name, asked.password.get_secret_value(), new)
        if shown.password == new:
            raise wrong()
        account = door.sign_in.account(shown, door.address)
    except CmdbError as error:
        result = error.code
        raise
    finally:
        door.audit.note(principal, "password", result)
    return door.begin(response, account)


def _me(principal: Principal, session: str) -> Me:
    permissions = {p.value for grant in principal.grants for p in grant.permissions}
    grants = [
        Granted(organisation=at, permissions=sorted(p.value for p in allowed))
        for allowed, at in principal.grants
    ]
    return Me(
        name=principal.name,
        account=principal.account,
        person=principal.person,
        by=principal.by,
        roles=sorted(principal.roles),
        permissions=sorted(permissions),
        grants=grants,
        csrf_token=csrf_token(session) if session else "",
    )
