"""Signatures of what other tools send: an HMAC-SHA256 over when they sent it, and over all of it.

In one of two forms; what is not signed right counts as a bad token does, for the address it comes from:

- as Standard Webhooks has it: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature: v1,<base64>`` over
  ``id.timestamp.body``; there may be several, with spaces between them;
- ``x-timestamp`` and ``x-signature: sha256=<hexadecimal>`` over ``timestamp.body``.

A message that is sent again within `TOLERANCE` is taken again: whoever takes it must bear that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Final

from fastapi import Request
from pydantic import SecretStr

from api.access.errors import UnauthenticatedError
from api.app import Services
from api.rest.authentication import address_of

TOLERANCE: Final = 300
"""Seconds that a signature's time may be off."""
STANDARD: Final = "webhook-signature"
PLAIN: Final = "x-signature"


def is_signed(request: Request) -> bool:
    """Whether a request shows a signature."""
    return STANDARD in request.headers or PLAIN in request.headers


class Signed:
    """A signature over a body that is still coming.

    Parameters
    ----------
    secret
        Of who says to have sent it; None where they have none.

    Raises
    ------
    UnauthenticatedError, ThrottledError
    """

    def __init__(self, services: Services, request: Request, secret: SecretStr | None) -> None:
        headers = request.headers
        self._services, self._address = services, address_of(request)
        self._standard = STANDARD in headers
        self._given = headers.get(STANDARD if self._standard else PLAIN, "").split()
        at = headers.get("webhook-timestamp" if self._standard else "x-timestamp", "")
        key = secret.get_secret_value() if secret is not None else ""
        if not key:
            raise self._refused(
                "This source has no secret to sign with.", "Set it, or send a token."
            )
        if not (at.isascii() and at.isdecimal()) or abs(time.time() - int(at[:12])) > TOLERANCE:
            raise self._refused(
                "The time of the signature is missing, or too far from now.", "Check the clocks."
            )
        begin = f"{headers.get('webhook-id', '')}.{at}." if self._standard else f"{at}."
        self.mac = hmac.new(key.encode(), begin.encode(), hashlib.sha256)

    def check(self) -> None:
        """Refuse what was not signed with the secret.

        Raises
        ------
        UnauthenticatedError, ThrottledError
        """
        right = f"sha256={self.mac.hexdigest()}"
        if self._standard:
            right = f"v1,{base64.b64encode(self.mac.digest()).decode()}"
        # all of them, so that it takes as long whichever is right
        found = [hmac.compare_digest(right.encode(), given.encode()) for given in self._given]
        if not any(found):
            over = "id.timestamp.body" if self._standard else "timestamp.body"
            raise self._refused(
                "The signature is wrong.", f"Sign `{over}` with the secret of the source."
            )

    def _refused(self, message: str, remedy: str) -> UnauthenticatedError:
        if self._services.throttle is not None:
            self._services.throttle.bad_token(self._address)
        return UnauthenticatedError(message, remedy)
