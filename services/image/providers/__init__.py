"""Who draws: one package per provider behind one interface."""
