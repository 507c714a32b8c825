"""Floor 2: bytes in, bytes out; how a mail is built, changed and signed."""
