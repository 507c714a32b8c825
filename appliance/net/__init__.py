"""Protocols meet trio streams. Deadlines, sockets and TLS live here."""
