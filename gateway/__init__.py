"""The HTTP gateway in front of the services, for clients without gRPC; and the edge in front of both."""
