"""Who pays, when, and what cuts the stream: rates, paid sessions, quota grants, settlement."""
