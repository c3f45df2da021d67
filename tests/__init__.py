"""Everything that is held against the suite."""
