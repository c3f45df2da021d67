"""The pipeline of each kind of job, and the steps that pipelines share."""
