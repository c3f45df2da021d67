"""What each kind of job does, step by step."""
