"""A desk as a process of its own: ``python -m tests.support.desking URL BATCH`` works until it is killed.

It prints ``taken N`` when it has taken in N alerts, all in all.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from cmdb.store import open_store
from itsm.alerts.intake import Intake
from itsm.desk import Desk


def main() -> NoReturn:
    url, batch = sys.argv[1:]
    with open_store(url) as store:
        desk = Desk(store)
        desk._intake = Intake(desk.engine, desk.rules, int(batch))
        while True:
            desk.turn()
            print("taken", desk.tally.received, flush=True)


if __name__ == "__main__":
    main()
