"""Tests of the contracts: the rules on the wire, the tooling, the package of stubs."""
