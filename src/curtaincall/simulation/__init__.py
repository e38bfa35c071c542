"""A month of a small platform at virtual time: simulated people and media on the real services and a real database."""
