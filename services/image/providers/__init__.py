"""Image providers: one package per provider behind one interface."""
