"""The edge: renders the configuration of Envoy, the same for a laptop, compose and Kubernetes, and runs it."""
