"""The HTTP application: all operations, registered in the order in which paths are matched."""

from __future__ import annotations

from fastapi import FastAPI

from utskick import __version__
from utskick.http.configuration.operations import operations as configuration
from utskick.http.context import ApiContext
from utskick.http.directory.operations import operations as directory
from utskick.http.docs import pages
from utskick.http.events.operations import feed_operations, inbound_operations, webhook_operations
from utskick.http.history.operations import operations as history
from utskick.http.messages.operations import operations as messages
from utskick.http.oauth.operations import operations as oauth
from utskick.http.pipeline.health import operations as health
from utskick.http.pipeline.routing import Routes
from utskick.http.privacy.operations import operations as privacy
from utskick.http.retention.operations import operations as retention
from utskick.http.wire import problems
from utskick.http.wire.middleware import RequestMiddleware


def build(service: ApiContext) -> FastAPI:
    """Build the application. Raises ``ValueError`` for an operation that cannot be registered."""
    app = FastAPI(
        title="Utskick",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    app.add_middleware(RequestMiddleware, proxies=service.proxies, memory=service.memory)
    routes = Routes(app, service)
    for operations in (
        messages,
        history,
        directory,
        privacy,
        webhook_operations,
        inbound_operations,
        retention,  # before configuration, whose paths have a free segment
        configuration,
        feed_operations,
        health,
        oauth,
    ):
        routes.add(operations(service))
    pages.install(app, service, routes)
    app.state.operations = tuple(routes.operations)
    return app
