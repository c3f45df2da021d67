"""Tests of the whole suite, through its one public port."""
