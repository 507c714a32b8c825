"""What people and scripts look at: the own API, the dashboard, the docs.

A Quart app. It is made when the first request for any of it comes: importing Quart
takes 0.2 s of the start and 8 MB, and no mail needs it.
"""

from quart import Response, abort
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from appliance.docs import read_page
from appliance.edge.api import make_api
from appliance.edge.dashboard.doorman import Doorman
from appliance.edge.dashboard.pages import make_pages
from appliance.edge.events_api import make_events_api
from appliance.edge.explain_api import make_explain_api
from appliance.edge.http.lean import Lean
from appliance.edge.live import Authorise
from appliance.edge.queue_api import make_queue_api
from appliance.edge.ticket_api import make_ticket_api
from appliance.edge.tickets import Tickets
from appliance.flow.feed import Feed
from appliance.flow.queue import QueueDesk
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable

MAX_BODY_BYTES = 64 * 1024  # of a request; nothing larger is sent here


def make_web(
    store: Store,
    feed: Feed,
    queue: QueueDesk,
    authorise: Authorise,
    tickets: Tickets,
) -> QuartTrio:
    """The app; it needs no lifespan."""
    app = QuartTrio("postroom", static_folder=None, root_path="/")
    app.asgi_http_class = Lean
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.register_blueprint(make_api(store, authorise))
    app.register_blueprint(make_events_api(store, feed, authorise))
    app.register_blueprint(make_explain_api(store, authorise))
    app.register_blueprint(make_queue_api(queue, authorise))
    app.register_blueprint(make_ticket_api(tickets, authorise))
    app.register_blueprint(make_pages(store, feed, Doorman(store)))

    @app.get("/docs/<name>")
    async def docs(name: str) -> Response:
        page = read_page(name)
        if page is None:
            abort(404)
        return Response(page, content_type="text/markdown; charset=utf-8")

    @app.errorhandler(StoreUnavailable)
    async def unavailable(_: StoreUnavailable) -> Response:
        return _plain(503, "the database is not available right now")

    @app.errorhandler(HTTPException)
    async def refused(error: HTTPException) -> Response:
        return _plain(error.code or 500, error.name.lower())

    return app


def _plain(status: int, message: str) -> Response:
    return Response(
        f'{{"message":"{message}"}}', status, content_type="application/json"
    )
