"""Engines that make stills move."""
