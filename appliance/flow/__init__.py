"""Floor 4: the life of a message, in order."""
