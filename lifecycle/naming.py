"""What people call things: a type of process by a short name, devices by the numbers that stand on them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cmdb.errors import NotFoundError, QueryError
from cmdb.queries import PAGE_LIMIT, Query
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.errors import UnknownNameError
from schema.kinds import is_id
from schema.model import PROVENANCE, Model, RecordType
from schema.processes import SAID

CI: Final = "ConfigurationItem"
PROCESS: Final = "ProcessRecord"
ORDER: Final = "LifecycleOrder"
"""The type that all orders are of."""
NUMBERS: Final = ("name", "asset_number", "serial_number")
"""Attributes a device may be meant by, beside its id."""
NUMBER: Final = re.compile(r"\b[A-Z]{1,6}-\d{4}-\d{6}\b")
"""The number of a process, wherever it stands in a text (`lifecycle.drafting`)."""
AT_ONCE: Final = 500
NAMED: Final = 5


def process_types(model: Model, base: str = ORDER) -> dict[str, RecordType]:
    """The types of processes below one that have a procedure, by short name: ``stock-in`` for StockInOrder."""
    kind = _kind(base)
    below = (t for t in model.record_types.values() if base in t.ancestors and not t.abstract)
    return {_short(t.name.removesuffix(kind)): t for t in below if t.procedure is not None}


def _kind(base: str) -> str:
    """The last word of a type's name, which its subtypes end in."""
    return re.split("(?=[A-Z])", base)[-1]


def _short(name: str) -> str:
    return "-".join(part.lower() for part in re.split("(?=[A-Z])", name) if part)


def process_type(model: Model, text: str, base: str = ORDER) -> RecordType:
    """The type of process a person means: by its name, short name, or Chinese label.

    Raises
    ------
    UnknownNameError
    """
    known = process_types(model, base)
    for short, found in known.items():
        if text in (found.name, found.label.zh) or text.lower().replace("_", "-") == short:
            return found
    kind = _kind(base).lower()
    raise UnknownNameError(f"{text} is no type of {kind}.", f"There are: {', '.join(known)}.")


def find_devices(
    store: GraphStore, texts: Iterable[str], concerned: Sequence[str] = (CI,)
) -> dict[str, Record]:
    """Devices by id, name, asset number or serial number; a few statements for a thousand.

    Parameters
    ----------
    concerned
        The types that are meant where a number fits others, too.

    Raises
    ------
    NotFoundError
        Of some there is none, or several.
    """
    wanted = list(dict.fromkeys(texts))
    found: dict[str, Record] = {}
    unknown, several = [], []
    for begin in range(0, len(wanted), AT_ONCE):
        part = wanted[begin : begin + AT_ONCE]
        fitting = _fitting(store, part)
        for text in part:
            meant = _meant(store.model, fitting.get(text, []), concerned)
            if len(meant) == 1:
                found[text] = meant[0]
            elif meant:
                several.append(f"{text}: {', '.join(f'{r.type} {r.name} {r.id}' for r in meant)}")
            else:
                unknown.append(text)
    if several:
        raise NotFoundError(
            f"Several devices go by {_some(several, '; ')}.", "Name the one you mean by its id."
        )
    if unknown:
        raise NotFoundError(
            f"There is no device {_some(unknown, ', ')}.",
            "Name devices by id, name, asset or serial number; `cmdb search` finds them by parts.",
        )
    return found


def _fitting(store: GraphStore, texts: Sequence[str]) -> Mapping[str, list[Record]]:
    ids = {text.lower(): text for text in texts if is_id(text.lower())}
    by_text: defaultdict[str, list[Record]] = defaultdict(list)
    for record in store.get(ids).values():
        by_text[ids[record.id]].append(record)
    where = {"or": [{name: {"in": list(texts)}} for name in NUMBERS]}
    for record in store.find(Query(CI, where, first=PAGE_LIMIT)).records:
        for text in {str(record.attributes[n]) for n in NUMBERS if n in record.attributes}:
            if record not in by_text[text]:
                by_text[text].append(record)
    return by_text


def _meant(model: Model, found: list[Record], concerned: Sequence[str]) -> list[Record]:
    """Those of the types concerned, if one is; else all."""
    fit = [r for r in found if not {*concerned}.isdisjoint(model.record_types[r.type].ancestors)]
    return fit or found


def _some(texts: Sequence[str], between: str) -> str:
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return f"{between.join(texts[:NAMED])}{more}"


# -- inputs -----------------------------------------------------------------------------------------------

TODAY: Final = "today"
"""The input that nobody gives: the day on which it is done."""


def read_inputs(model: Model, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said at a step, or of one device, as values; references are ids already.

    Raises
    ------
    QueryError
        Nothing takes an input of that name, or the value does not fit.
    """
    effects = model.effects.values()
    named = {n: a for e in effects for a, n in e.sets.items() if n != TODAY}
    linked = {name for e in effects for name in e.relates.values()}
    values = {}
    for name, value in given.items():
        attribute = model.attributes.get(name) or model.attributes.get(named.get(name, ""))
        known = name in SAID or name in linked or name in named
        if not known and (attribute is None or attribute.managed or name == PROVENANCE):
            raise QueryError(
                f"No step takes the input {name!r}.",
                f"There are attributes, {', '.join(sorted({*SAID, *linked, *named}))}.",
            )
        try:
            values[name] = attribute.parse(value) if attribute else value
        except ValueError as error:
            raise QueryError(f"{name} {error}.", "Correct the value.") from None
    return values
