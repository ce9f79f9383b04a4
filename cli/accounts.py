"""Accounts, their roles and access tokens, and who did or tried what: on the store itself.

Who can open the store may do all of it. A secret is printed once, on standard output; a password is read
from a prompt or a file, never from an option.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from api.access.accounts import Accounts, Kind
from api.access.audit import Audit, Filter, read_audit
from api.access.errors import AccountError, PasswordError
from api.access.principals import Permission, everything
from api.access.tokens import Tokens
from cli import output
from cli.options import (
    STORE_DEFAULT,
    Actor,
    Json,
    Organisation,
    Reason,
    Store,
    actor_or_me,
    moment,
    opened,
    organisation_id,
)
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.model import STATE_ATTRIBUTE

account_app = typer.Typer(no_args_is_help=True, help="Accounts: who may use the server.")
token_app = typer.Typer(no_args_is_help=True, help="Access tokens: what tools sign in with.")

Name = Annotated[str, typer.Argument(metavar="USER_NAME")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file", metavar="FILE", help="Its first line is the password; - reads it there."
    ),
]
LOCAL: Final = "local"


def _note(graph: GraphStore, actor: str, what: str, subject: str, detail: str = "") -> None:
    Audit(graph).note(actor, what, subject=subject, address=LOCAL, detail=detail)


# -- accounts ----------------------------------------------------------------------------------------


@account_app.command("list")
def list_accounts(store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """All accounts, with their roles."""
    with opened(store) as graph:
        accounts = Accounts(graph)
        found = [(record, accounts.roles(record)) for record in accounts.all()]
        ids = {at for _, roles in found for at in roles if at}
        names = output.names(graph, ids | {p for r, _ in found if (p := _of(r, "person"))})
    if json:
        output.print_json([_plain(record, roles) for record, roles in found])
        return
    rows = [
        [
            _of(record, "login_name"),
            _of(record, "account_kind"),
            _of(record, STATE_ATTRIBUTE),
            names.get(_of(record, "person"), "–"),
            _told(roles, names),
        ]
        for record, roles in found
    ]
    output.print_table(["user name", "kind", "state", "person", "roles"], rows)


def _of(record: Record, attribute: str) -> str:
    return str(record.attributes.get(attribute) or "")


def _plain(record: Record, roles: dict[str | None, list[str]]) -> dict[str, Any]:
    return {
        "id": record.id,
        "user_name": _of(record, "login_name"),
        "kind": _of(record, "account_kind"),
        "state": _of(record, STATE_ATTRIBUTE),
        "person": record.attributes.get("person"),
        "roles": [{"organisation": at, "roles": names} for at, names in roles.items()],
    }


def _told(roles: dict[str | None, list[str]], names: dict[str, str]) -> str:
    places = [f"{', '.join(r)} ({names.get(at or '', 'everywhere')})" for at, r in roles.items()]
    return "; ".join(places)


@account_app.command("create")
def create_account(
    name: Name,
    kind: Annotated[Kind, typer.Option("--kind", help="Of a person, or of a tool.")] = "person",
    person: Annotated[
        str, typer.Option("--person", metavar="RECORD", help="The person it belongs to.")
    ] = "",
    organisation: Organisation = "",
    password_file: PasswordFile = None,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Make an account. That of a person gets a password that is good once, unless a file gives one."""
    from lifecycle.people import Directory

    password = _read_password(password_file) if password_file else None
    with opened(store) as graph:
        accounts, who = Accounts(graph), actor_or_me(actor)
        owner = Directory(graph, datetime.now(UTC).date()).known(person).id if person else None
        at = organisation_id(graph, organisation)
        id = accounts.create(who, name, kind, person=owner, organisation=at)
        _note(graph, who, "account_create", name)
        secret = None
        if password is not None:
            accounts.set_password(who, id, password)
        elif kind == "person":
            secret = accounts.one_time_password(who, id)
    if json:
        output.print_json({"id": id, "one_time_password": secret})
    elif secret:
        typer.echo(f"{name} signs in once, to set a password, with: {secret}")
    else:
        output.print_line(f"{name} has an account.")


@account_app.command("password")
def password(
    name: Name,
    once: Annotated[
        bool, typer.Option("--once", help="Print a password that is good once instead.")
    ] = False,
    password_file: PasswordFile = None,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
) -> None:
    """Set the password of an account; its sessions end."""
    with opened(store) as graph:
        accounts, who = Accounts(graph), actor_or_me(actor)
        account = accounts.get(name).id
        if once:
            typer.echo(accounts.one_time_password(who, account))
        else:
            accounts.set_password(who, account, _read_password(password_file))
        _note(graph, who, "account_password", name)


def _read_password(file: Path | None) -> str:
    """A password from a prompt, from a file, or from standard input."""
    if file is None and sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    if file is None or str(file) == "-":
        text = sys.stdin.readline()
    else:
        try:
            text = file.read_text(encoding="utf-8").split("\n", 1)[0]
        except (OSError, UnicodeDecodeError):
            raise PasswordError(f"{file} cannot be read.", "Name a text file.") from None
    return text.rstrip("\r\n")


@account_app.command("lock")
def lock(name: Name, reason: Reason = "", actor: Actor = "", store: Store = STORE_DEFAULT) -> None:
    """Let nobody in by an account; its sessions end."""
    with opened(store) as graph:
        accounts, who = Accounts(graph), actor_or_me(actor)
        accounts.lock(who, accounts.get(name).id, reason)
        _note(graph, who, "account_lock", name)


@account_app.command("unlock")
def unlock(
    name: Name, reason: Reason = "", actor: Actor = "", store: Store = STORE_DEFAULT
) -> None:
    """Let its owner in again."""
    with opened(store) as graph:
        accounts, who = Accounts(graph), actor_or_me(actor)
        accounts.unlock(who, accounts.get(name).id, reason)
        _note(graph, who, "account_unlock", name)


@account_app.command("close")
def close(name: Name, reason: Reason = "", actor: Actor = "", store: Store = STORE_DEFAULT) -> None:
    """End an account for good, with its password, sessions and tokens."""
    with opened(store) as graph:
        accounts, who = Accounts(graph), actor_or_me(actor)
        accounts.close(who, accounts.get(name).id, reason)
        _note(graph, who, "account_close", name)


@account_app.command("roles")
def roles(
    name: Name,
    give: Annotated[
        list[str] | None, typer.Option("--give", metavar="ROLE", help="reader, engineer …")
    ] = None,
    take: Annotated[list[str] | None, typer.Option("--take", metavar="ROLE")] = None,
    where: Annotated[
        str,
        typer.Option("--in", metavar="ORGANISATION", help="There and below; else everywhere."),
    ] = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """The roles of an account, its person's included; give and take some."""
    with opened(store) as graph:
        accounts, who = Accounts(graph), actor_or_me(actor)
        account, at = accounts.get(name), organisation_id(graph, where)
        if give:
            accounts.give_role(who, account.id, give, at)
        if take:
            accounts.take_role(who, account.id, take, at)
        if give or take:
            said = f"given: {', '.join(give or ())}; taken: {', '.join(take or ())}"
            _note(graph, who, "account_roles", name, said)
        held = accounts.roles(accounts.get(name))
        names = output.names(graph, {at for at in held if at})
    if json:
        output.print_json([{"organisation": at, "roles": r} for at, r in held.items()])
    else:
        rows = [[names.get(at or "", "everywhere"), ", ".join(r)] for at, r in held.items()]
        output.print_table(["organisation", "roles"], rows)


# -- access tokens -----------------------------------------------------------------------------------


@token_app.command("list")
def list_tokens(
    name: Annotated[str, typer.Argument(metavar="[USER_NAME]", help="Only those of it.")] = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Access tokens, revoked and expired ones too; never their secrets."""
    with opened(store) as graph:
        tokens = Tokens(graph)
        found = tokens.all(Accounts(graph).get(name).id if name else None)
        used = tokens.last_used()
        plain = [_plain_token(tokens, record, used.get(record.id)) for record in found]
        ids = {t[n] for t in plain for n in ("account", "within_organisation") if t[n]}
        names = output.names(graph, ids)
    if json:
        output.print_json(plain)
        return
    rows = [
        [
            *(t["prefix"], t["name"], names.get(t["account"], t["account"]), t["state"]),
            *(", ".join(t["scopes"]), names.get(t["within_organisation"] or "", "–")),
            *(t["expires_at"] or "–", t["last_used"] or "–"),
        ]
        for t in plain
    ]
    columns = ["prefix", "name", "account", "state", "scopes", "within", "expires", "last used"]
    output.print_table(columns, rows)


def _plain_token(tokens: Tokens, record: Record, used: datetime | None) -> dict[str, Any]:
    said, until = record.attributes, record.attributes.get("expires_at")
    expired = said[STATE_ATTRIBUTE] == "active" and not tokens.good(record)
    return {
        "id": record.id,
        "prefix": said["token_prefix"],
        "name": record.name,
        "account": said["account"],
        "state": "expired" if expired else said[STATE_ATTRIBUTE],
        "scopes": list(said["scopes"]),
        "within_organisation": said.get("within_organisation"),
        "expires_at": until and until.isoformat(timespec="minutes"),
        "last_used": used and used.isoformat(timespec="minutes"),
    }


@token_app.command("create")
def create_token(
    user: Name,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scopes: Annotated[
        list[str], typer.Option("--scope", metavar="PERMISSION", help=", ".join(Permission))
    ],
    within: Annotated[
        str, typer.Option("--within", metavar="ORGANISATION", help="Only there, and below.")
    ] = "",
    days: Annotated[
        int, typer.Option("--days", min=0, max=3650, help="Expires after so many; 0: never.")
    ] = 90,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Make an access token, and print it: once."""
    with opened(store) as graph:
        who, account = actor_or_me(actor), Accounts(graph).get(user)
        made = Tokens(graph).create(
            who,
            account.id,
            name,
            _permissions(scopes),
            organisation=organisation_id(graph, within),
            expires_at=datetime.now(UTC) + timedelta(days=days) if days else None,
        )
        _note(graph, who, "token_create", made.prefix, f"{user}: {', '.join(scopes)}")
    if json:
        output.print_json({"id": made.id, "prefix": made.prefix, "secret": made.secret})
    else:
        typer.echo(made.secret)


def _permissions(words: Sequence[str]) -> list[Permission]:
    try:
        return [Permission(word) for word in words]
    except ValueError:
        raise AccountError(
            f"One of {', '.join(words)} is no scope.", f"Scopes: {', '.join(Permission)}."
        ) from None


@token_app.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its prefix, or its id.")],
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
) -> None:
    """End an access token, for good, within seconds."""
    with opened(store) as graph:
        tokens, who = Tokens(graph), actor_or_me(actor)
        found = tokens.named(token)
        tokens.revoke(who, found.id)
        _note(graph, who, "token_revoke", found.attributes["token_prefix"])


# -- the audit ---------------------------------------------------------------------------------------


def audit(
    who: Annotated[str, typer.Option("--who", metavar="USER_NAME")] = "",
    what: Annotated[str, typer.Option("--what", metavar="WORD", help="sign_in, mutation …")] = "",
    result: Annotated[
        str,
        typer.Option("--result", metavar="CODE", help="done, an error's code, or refused: any."),
    ] = "",
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS")] = "",
    since: Annotated[str, typer.Option("--since", metavar="WHEN")] = "",
    first: Annotated[int, typer.Option("--first", min=1, max=100_000, metavar="N")] = 50,
    before: Annotated[
        int | None, typer.Option("--before", metavar="NUMBER", help="Go on before this entry.")
    ] = None,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Who did or tried what, from where, with what result; newest first."""
    with opened(store) as graph:
        begins = moment(graph, since)
        if isinstance(begins, int):
            begins = graph.revisions([begins])[begins].at
        wanted = Filter(who, what, result, address, begins)
        found = read_audit(graph, everything(LOCAL), wanted, first, before)
    if json:
        output.print_json([{**e._asdict(), "at": e.at.isoformat()} for e in found])
        return
    columns = ["number", "at", "who", "what", "subject", "result", "from", "detail"]
    rows = [
        [e.number, f"{e.at:%Y-%m-%d %H:%M:%S}", e.who or "–", e.what, e.subject, e.result,
         e.address, e.detail]
        for e in found
    ]  # fmt: skip
    output.print_table(columns, rows)
