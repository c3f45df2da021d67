"""What every service shares; imports no service."""

import os

# Before anybody imports gRPC, which prepares for forks that go on in Python. Ours run other programs at once, and all
# it does is to complain of each.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
