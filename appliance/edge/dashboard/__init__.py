"""What an operator sees in a browser; read-only for now."""
