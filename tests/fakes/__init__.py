"""Stand-ins for what the suite talks to."""
