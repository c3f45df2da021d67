"""What follows from the timing of characters: words, sentences, captions and other forms; pure functions."""
