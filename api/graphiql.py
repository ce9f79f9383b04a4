"""GET /graphql in a browser: GraphiQL, from files of our own, so that it works without the internet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.settings import Settings

ENDPOINT: Final = "/graphql"
STATIC: Final = Path(__file__).parent / "static"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Styles in line: GraphiQL sets the sizes of its panes so. Fonts and pictures stand in its style sheet."""
PAGE: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>GraphiQL — graph-cmdb</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/graphiql/graphiql.min.css">
<link rel="stylesheet" href="/static/graphiql/page.css">
</head>
<body>
<div id="graphiql">Loading …</div>
<script src="/static/graphiql/react.production.min.js"></script>
<script src="/static/graphiql/react-dom.production.min.js"></script>
<script src="/static/graphiql/graphiql.min.js"></script>
<script src="/static/graphiql/boot.js" data-endpoint="{ENDPOINT}"></script>
</body>
</html>
"""


class PageRoute(Route):
    """A page for browsers; who asks for anything else than HTML is for the next route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is not Match.FULL or "text/html" not in Headers(scope=scope).get("accept", ""):
            return Match.NONE, {}
        return match, {**child, "route": self}


async def page(_: Request) -> HTMLResponse:
    """GraphiQL."""
    return HTMLResponse(PAGE, headers={"content-security-policy": POLICY})


def routes(settings: Settings) -> list[BaseRoute]:
    """The page and its files; neither, where the settings say so."""
    if not settings.graphiql:
        return []
    files = StaticFiles(directory=STATIC)
    return [PageRoute(ENDPOINT, page), Mount("/static", files, name="static")]
