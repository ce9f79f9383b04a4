"""Strategies that several property tests draw from."""

from __future__ import annotations

from datetime import datetime

from hypothesis import strategies as st

INSTANTS = st.datetimes(
    datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis adds the time zone
    datetime(9998, 12, 31),  # noqa: DTZ001
    timezones=st.timezones(),
)
"""Any instant that is in the calendar in every time zone."""
