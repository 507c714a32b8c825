"""Postroom: the control plane over the mail server you already own."""

__version__ = "0.1.0"
