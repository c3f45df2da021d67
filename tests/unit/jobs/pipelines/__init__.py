"""Tests of services.jobs.pipelines."""
