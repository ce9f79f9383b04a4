"""Webhooks: a real receiver that fails, is slow and dies; in order, none lost, signed, within what may be seen."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from api.access.accounts import Accounts
from api.access.principals import Permission, everything
from api.webhooks.delivering import Policy
from api.webhooks.registry import ACTIVE, PAUSED, Registry
from api.webhooks.targets import Sender, TargetError, check_url
from cmdb.change_sets import Update
from cmdb.leases import Lease
from cmdb.store import GraphStore, create_store
from tests.support.access import Company
from tests.support.api_door import Door, principal
from tests.support.building import add, commit
from tests.support.live import PATIENCE, until
from tests.support.observing import shipped_model
from tests.support.receiver import Receiver, receiver

LOOPBACK = ["127.0.0.0/8"]
QUICK = Policy(attempts=3, first=0.02, most=0.05)
ROOT = Path(__file__).parents[2]


class Estate:
    """A company whose engineer li has a webhook that tells of servers."""

    def __init__(self, store: GraphStore, url: str, **said: Any) -> None:
        self.store, self.company = store, Company(store)
        self.registry = Registry(store)
        given = {"name": "hook", "target_url": url, "watched_type": "Server", **said}
        self.hook, self.secret = self.registry.create("test", self.company.account, None, given)

    def server(self, name: str, **attributes: Any) -> str:
        said = {"organisation": self.company.city, **attributes}
        return add(self.store, "Server", name, **said)

    @property
    def state(self) -> str:
        return str(self.store.record(self.hook).attributes["lifecycle_state"])


@contextmanager
def process(store: GraphStore, policy: Policy = QUICK, seconds: float = 5) -> Iterator[Door]:
    """What goes on beside the requests of one process of a server."""
    door = Door(store, webhook_private_targets=LOOPBACK)
    webhooks = door.services.webhooks
    assert webhooks is not None
    webhooks.courier.policy = policy
    webhooks.courier.sender = Sender([ip_network(n) for n in LOOPBACK], seconds)
    door.services.start()
    try:
        yield door
    finally:
        door.services.close()


@pytest.fixture
def target() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def test_events_come_signed_in_order_and_within_what_their_owner_sees(
    shipped_store: GraphStore, target: Receiver
) -> None:
    estate = Estate(shipped_store, target.url)
    with process(shipped_store):
        server = estate.server("one")
        estate.server("hidden", organisation=estate.company.other)
        revision = commit(shipped_store, Update(server, {"name": "two"}))
        until(lambda: len(target.received) == 2)
    assert target.names == ["one", "two"]
    sent = target.received[1]
    event = sent.event
    assert event["id"] == sent.headers["webhook-id"] == f"{revision}-{server}"
    assert (event["specversion"], event["type"]) == ("1.0", "cmdb.record.changed")
    assert event["data"]["changes"] == [{"attribute": "name", "before": "one", "after": "two"}]
    assert verified(estate.secret, sent.headers, sent.body)
    assert not verified(estate.secret, sent.headers, sent.body + b" ")
    assert estate.secret not in str(target.received)


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """The example of docs/operations.md."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(def verify.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"base64": base64, "hashlib": hashlib, "hmac": hmac}
    exec(code, names)
    return bool(names["verify"](secret, headers, body))


def test_what_fails_is_tried_again_in_order_then_given_up_and_sent_again_when_asked(
    shipped_store: GraphStore, target: Receiver
) -> None:
    estate = Estate(shipped_store, target.url)
    target.answers.extend([500, 302, 200] + [503] * 3)
    with process(shipped_store) as door:
        for name in ("a", "b", "c"):
            estate.server(name)
        until(lambda: target.names[-1:] == ["c"])
        assert target.names == ["a"] * 3 + ["b"] * 3 + ["c"]
        (letter,) = estate.registry.letters(estate.hook)
        assert letter.error == "Answered 503."
        target.answers.append(500)
        assert estate.registry.replay(estate.hook, [letter.number]) == 1
        (again,) = until(lambda: estate.registry.letters(estate.hook))
        assert again.error == "Answered 500."
        assert estate.registry.replay(estate.hook, None) == 1
        until(lambda: target.names[7:] == ["b", "b"])
        until(lambda: not estate.registry.again())
        assert estate.registry.letters(estate.hook) == []
        assert 'cmdb_webhook_deliveries_total{outcome="given_up"} 1.0' in door.get("/metrics").text


def test_nothing_is_lost_or_repeated_by_a_restart(
    shipped_store: GraphStore, target: Receiver
) -> None:
    """A delivery under way is finished; what was acknowledged is not sent again."""
    estate = Estate(shipped_store, target.url)
    target.open.clear()
    with process(shipped_store) as door:
        for name in ("a", "b"):
            estate.server(name)
        until(lambda: len(target.received) == 1)
        webhooks = door.services.webhooks
        assert webhooks is not None
        webhooks._stopping = True
        target.open.set()
    assert target.names == ["a"]
    with process(shipped_store):
        until(lambda: len(target.received) == 2)
    assert target.names == ["a", "b"]


def test_a_target_that_is_slow_or_dead_is_left_alone_and_comes_back(
    shipped_store: GraphStore, target: Receiver
) -> None:
    estate = Estate(shipped_store, target.url)
    target.open.clear()
    with process(shipped_store, Policy(attempts=1000, first=0.05, most=0.1), seconds=0.2):
        estate.server("a")

        def error() -> str:
            return estate.registry.position(shipped_store.record(estate.hook))[0].error

        until(lambda: error() == "No answer within 0.2 seconds.")
        port = target.port
        target.close()
        until(lambda: error() == "Not delivered: ConnectError.")
        with receiver(port) as back:
            until(lambda: back.names == ["a"])
            until(lambda: error() == "")


def test_what_fails_for_long_is_suspended_until_somebody_goes_on(
    shipped_store: GraphStore, target: Receiver
) -> None:
    estate = Estate(shipped_store, target.url)
    target.answers.extend([500, 410])
    with process(shipped_store):
        estate.server("a")
        until(lambda: estate.state == "suspended")
        assert len(target.received) == 2
        assert estate.registry.letters(estate.hook) == []
        estate.registry.update("test", estate.hook, {"lifecycle_state": ACTIVE})
        until(lambda: len(target.received) == 3)
        assert target.names == ["a"] * 3
        estate.registry.update("test", estate.hook, {"lifecycle_state": PAUSED})
        estate.server("b")
        estate.registry.update("test", estate.hook, {"lifecycle_state": ACTIVE})
        until(lambda: target.names[3:] == ["b"])
        Accounts(shipped_store).lock("test", estate.company.account)
        estate.server("c")
        until(lambda: estate.state == "suspended")
    assert target.names[4:] == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "169.254.169.254",
        "localhost",
        "0.0.0.0",
        "[64:ff9b::7f00:1]",
        "10.1.2.3",
    ],
)
def test_private_networks_are_not_sent_to(host: str) -> None:
    assert (
        Sender([]).send(f"http://{host}/", {}, b"").error == "The target is in a private network."
    )


@pytest.mark.parametrize(
    "url", ["ftp://x/", "https://a:b@x/", "https://", "//x", "http://x:99999/", "https://x/#f"]
)
def test_what_is_no_target_is_refused(url: str) -> None:
    with pytest.raises(TargetError):
        check_url(url)


RESULT = """{ __typename ... on Failure { code message }
    ... on WebhookSaved { secret webhook { id name lifecycleState } } }"""


def test_webhooks_are_looked_after_by_administrators_of_their_organisation(
    shipped_store: GraphStore, target: Receiver
) -> None:
    company = Company(shipped_store)
    admin = everything("li").__class__("li", company.account, everything("li").grants)
    city = principal("city", Permission.READ, Permission.ADMINISTER, organisation=company.city)
    reader = principal("reader", Permission.READ)
    people = [admin, city, reader]
    door = Door(shipped_store, people, guarded=True, webhook_private_targets=LOOPBACK)
    create = f"""mutation($url: String!, $organisation: ID) {{ createWebhook(name: "hook", url: $url,
        type: "Server", organisation: $organisation) {RESULT} }}"""
    made = door.graphql(create, "li", url=target.url, organisation=company.city)["createWebhook"]
    assert made["secret"].startswith("whsec_")
    hook = made["webhook"]["id"]
    assert door.graphql(create, "reader", url=target.url)["createWebhook"]["code"] in (
        "not_allowed",
        "invalid_change",
    )
    wrong = door.graphql(create, "li", url="ftp://x/")["createWebhook"]
    assert wrong["code"] == "webhook_target"
    test = (
        "mutation($id: ID!) { testWebhook(id: $id) { ... on WebhookTested { delivered error } } }"
    )
    assert door.graphql(test, "city", id=hook)["testWebhook"] == {"delivered": True, "error": None}
    assert target.received[0].event["type"] == "cmdb.webhook.test"
    pause = f"mutation($id: ID!) {{ updateWebhook(id: $id, active: false) {RESULT} }}"
    assert door.graphql(pause, "reader", id=hook)["updateWebhook"]["__typename"] != "WebhookSaved"
    paused = door.graphql(pause, "city", id=hook)["updateWebhook"]
    assert paused["webhook"]["lifecycleState"] == "paused"
    status = """query($ids: [ID!]!) { webhookStatus(ids: $ids) {
        state lag lastError deadLetters { number } webhook { name } } }"""
    (told,) = door.graphql(status, "city", ids=[hook])["webhookStatus"]
    assert told["state"] == "paused"
    assert told["lag"] >= 1
    assert door.graphql_errors(status, "reader", ids=[hook])
    delete = f"mutation($id: ID!) {{ deleteWebhook(id: $id) {RESULT} }}"
    assert door.graphql(delete, "city", id=hook)["deleteWebhook"]["webhook"]["lifecycleState"] == (
        "removed"
    )


PROGRAM = """
import sys, threading
from api.app import make_services
from api.settings import Settings
from cmdb.store import open_store
store = open_store(sys.argv[1])
services = make_services(store, Settings(webhook_private_targets=["127.0.0.0/8"]))
services.start()
print("started", flush=True)
sys.stdin.read()
services.close()
store.close()
"""


@pytest.mark.neo4j
def test_of_two_processes_one_delivers_and_the_other_goes_on(
    neo4j_store_url: str, target: Receiver
) -> None:
    with create_store(neo4j_store_url, shipped_model()) as store:
        estate = Estate(store, target.url)
        lease = Lease(store, "webhooks", "looking", 1)
        words = [sys.executable, "-c", PROGRAM, neo4j_store_url]

        def begun() -> subprocess.Popen[str]:
            made = subprocess.Popen(
                words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert made.stdout is not None
            assert made.stdout.readline() == "started\n"
            return made

        processes = [begun(), begun()]
        try:
            estate.server("a")
            until(lambda: target.names == ["a"])
            holder = str(lease.holder()).split()[-1]
            (first,) = [p for p in processes if str(p.pid) == holder]
            (second,) = [p for p in processes if p is not first]
            target.open.clear()
            estate.server("b")
            until(lambda: target.names == ["a", "b"])
            first.send_signal(signal.SIGKILL)
            first.wait(PATIENCE)
            target.open.set()
            estate.server("c")
            until(lambda: target.names[-1:] == ["c"])
            assert target.names == ["a", "b", "b", "c"]  # what was not acknowledged is sent again
            assert len({r.headers["webhook-id"] for r in target.received}) == 3
            assert str(lease.holder()).split()[-1] == str(second.pid)
            assert second.stdin is not None
            second.stdin.close()
            assert second.wait(PATIENCE) == 0
            assert lease.holder() is None
        finally:
            for one in processes:
                with one:  # closes its pipes
                    one.kill()
