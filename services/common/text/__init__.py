"""Texts of callers: what is removed from them, and how positions in a changed text map to the original."""
