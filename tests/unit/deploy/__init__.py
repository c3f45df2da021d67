"""Tests of what surrounds the code: the local suite, the image and the containers."""
