"""Anypost's dialect: its SMTP submission, headers and ids."""
