"""The HTTP door: hypercorn's protocols between our own connection and the routes.

``server`` accepts and drains, ``connection`` guards one peer, ``http1`` and
``rules`` say what a request must be, ``runs`` runs the application, ``hot`` and
``respond`` are what routes are written with, ``lean`` joins the Quart app.
``account`` finds the calls of an account's key, which are those of ``providers`` and
``pools``.
"""
