"""Tests of services.video.ffmpeg."""
