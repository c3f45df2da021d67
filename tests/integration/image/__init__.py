"""The image service, whole, behind gRPC; only providers and strangers' servers are fakes."""
