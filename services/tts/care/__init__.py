"""What stands between a wish and a provider: turns, retries, and who speaks if the first can not."""
