"""Floor 5: the SMTP doors: who may come in, and what is decided for them."""
