"""How the suite is put to work: locally, in containers, in a cluster."""
