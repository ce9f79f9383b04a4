"""Container images as their references name them: what Kubernetes and Compose both need.

A reference is ``[registry[:port]/]path[:tag][@digest]``. The short and the long way to name an
image of Docker Hub are the same image (``mongo`` is ``docker.io/library/mongo:latest``), by the rules
of https://github.com/distribution/reference.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cmdb.reconciliation.observations import Observation
from importers.values import said

_REFERENCE: Final = re.compile(
    r"(?P<name>(?:[A-Za-z0-9.\-]+(?::\d+)?/)?[a-z0-9]+(?:[._\-/]+[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.\-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9+._\-]*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_DOCKER_HUB: Final = re.compile(r"\A(?:(?:index\.)?docker\.io/)?(?:library/)?")
REFERENCE_LENGTH: Final = 500


def image(reference: Any) -> Observation | None:
    """A mention of the image a reference names; None for what is no reference.

    Without tag and digest it is the one tagged ``latest``: that is what the reference means.
    """
    if not isinstance(reference, str) or len(reference) > REFERENCE_LENGTH:
        return None
    match = _REFERENCE.fullmatch(reference.strip().removeprefix("docker-pullable://"))
    if match is None:
        return None
    name, tag, digest = _DOCKER_HUB.sub("", match["name"], count=1), match["tag"], match["digest"]
    if not tag and not digest:
        tag = "latest"
    key = f"image/{name}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    return Observation("ContainerImage", key, said(name=name, version=tag, digest=digest))
