"""What the operator sees: structured logs and metrics."""
