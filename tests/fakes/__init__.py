"""Fakes of servers, providers and stores, which tests control."""
