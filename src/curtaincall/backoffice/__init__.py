"""What an operator does: look into money, give it back, adjust, freeze, decide disputes; all of it on record."""
