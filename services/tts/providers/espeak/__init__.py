"""The embedded speech engine: espeak-ng in a process of its own, spoken to over a socket."""
