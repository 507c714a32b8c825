"""Floor 1: the values and rules of the trade; standard library only, nothing awaits."""
