"""Timing of spoken text: alignments, and the words, sentences and captions derived from them."""
