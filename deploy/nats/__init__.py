"""The NATS server that stores jobs on one machine."""
