"""How providers are treated, whatever they make: turns, retries, and what their failures tell."""
