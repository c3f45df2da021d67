"""Jobs through every kind of mishap, with real processes and a provider that counts what it is paid for."""
