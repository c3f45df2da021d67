"""The service of jobs and its workers, over a real server of jobs; only the services that they call are fakes."""
