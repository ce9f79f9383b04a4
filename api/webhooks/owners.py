"""The store as the owner of a webhook sees it: it tells them nothing that they could not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from api.access.accounts import Accounts
from api.access.authenticator import grants_by_roles, narrowed
from api.access.guarded import GuardedStore
from api.access.organisations import Organisations
from api.access.principals import Permission, Principal
from api.access.roles import Roles
from api.access.sign_in import usable
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.model import ORGANISATION_ATTRIBUTE

TOLD: Final = frozenset({Permission.READ})
"""Sensitive values are not sent, whoever may read them."""


class Owners:
    """Who webhooks tell."""

    def __init__(self, store: GraphStore, organisations: Organisations, roles: Roles) -> None:
        self._store, self._organisations, self._roles = store, organisations, roles
        self._accounts = Accounts(store)
        self._grants = grants_by_roles(store, roles)

    def views(self, webhook: Record) -> Callable[[], GraphStore] | None:
        """Gives the store as a webhook's owner sees it, within the webhook's organisation; new for each
        revision. None where the account is locked or closed, or may not subscribe."""
        id = str(webhook.attributes["account"])
        account = self._store.get([id]).get(id)
        if account is None or not usable(self._accounts, account):
            return None
        grants, roles = self._grants(account)
        if not any(Permission.SUBSCRIBE in grant.permissions for grant in grants):
            return None
        within = webhook.attributes.get(ORGANISATION_ATTRIBUTE)
        told = tuple(narrowed(grants, TOLD, within, self._organisations.below))
        principal = Principal(account.attributes["login_name"], id, told, roles)
        return lambda: GuardedStore(self._store, principal, self._organisations, self._roles)
