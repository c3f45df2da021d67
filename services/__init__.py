"""The processes that make media, one package each, and what they share."""
