"""Record ids: UUIDv7 (RFC 9562), so that ids sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time

_lock = threading.Lock()
_last = [0]


def new_id() -> str:
    """A new UUIDv7 as text: unique across processes, ascending within one.

    The 12 bits after the time count within a millisecond (RFC 9562, section 6.2, method 1); 62 bits
    are random each time.
    """
    random = int.from_bytes(os.urandom(8)) >> 2
    with _lock:
        moment = _last[0] = max(_last[0] + 1, time.time_ns() // 1_000_000 << 12)
    number = (moment >> 12) << 80 | 0x7 << 76 | (moment & 0xFFF) << 64 | 0b10 << 62 | random
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
