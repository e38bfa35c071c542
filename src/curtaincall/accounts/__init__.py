"""Who somebody is: users, passwords, sessions, and the tokens that prove it."""
