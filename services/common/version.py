"""The version of the suite, told by every process that is asked."""

VERSION = "0.1.0"
