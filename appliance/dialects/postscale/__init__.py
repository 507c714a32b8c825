"""Postscale's dialect: its SMTP submission and metadata headers."""
