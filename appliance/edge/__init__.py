"""Floor 5: the doors. Each turns its protocol into calls of `flow` and back."""
