"""The worker process: runs jobs from the queue. Any number may run."""
