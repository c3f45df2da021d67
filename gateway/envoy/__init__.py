"""The edge: the one place where the configuration of Envoy is made, for a laptop, compose and Kubernetes alike."""
