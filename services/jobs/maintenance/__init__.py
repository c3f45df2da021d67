"""What is done from time to time, by whichever worker is free: no process leads."""
