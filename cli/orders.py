"""The subcommands ``cmdb order …``: what every kind of process has, and carrying out, step by step."""

from __future__ import annotations

from cli import order_work
from cli.processes import Processes
from lifecycle.orders import Orders

orders = Processes(Orders, items="devices")
app = orders.app(
    "Orders: devices commissioned, handed over, reused, scrapped …, with approvals.", several=True
)
app.command()(order_work.check)
app.command()(order_work.execute)
app.command()(order_work.drop)
