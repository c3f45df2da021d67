"""Limits, retries and failover of provider calls, the same for speech, images and videos."""
