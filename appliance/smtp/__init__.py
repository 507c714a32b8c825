"""SMTP without a socket: bytes in, events out. Imports nothing above itself."""
