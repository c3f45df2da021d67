"""Ways to run the suite: locally, in containers, in a cluster."""
