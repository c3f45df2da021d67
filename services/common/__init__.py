"""Code that all services share; it imports no service."""

import os

VERSION = "0.1.0"
"""Version of the suite."""

# Set before the first import of gRPC. Its fork support is for forks that continue in Python; ours execute other
# programs at once, and gRPC would only log a warning for each.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
