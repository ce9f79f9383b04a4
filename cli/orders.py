"""The subcommands ``cmdb order …``: what every kind of process has, and carrying out, step by step."""

from __future__ import annotations

from typing import Final

from cli import order_work
from cli.processes import Processes
from lifecycle.orders import Orders

HELPS: Final = {
    "submit": "Submit a draft for approval.",
    "withdraw": "Withdraw an order of yours that is not begun.",
    "reopen": "Make a draft of a rejected order again.",
    "complete": "Complete an order, all of whose devices are done.",
    "complete_partly": "Complete an order with what is done; the other devices leave it.",
}

orders = Processes(Orders, items="devices")
app = orders.app(
    "Orders: devices commissioned, handed over, reused, scrapped …, with approvals.",
    several=True,
    helps=HELPS,
)
app.command()(order_work.check)
app.command()(order_work.execute)
app.command()(order_work.drop)
