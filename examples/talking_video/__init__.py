"""Makes one talking video through the edge: an image, a job, its events, and the files that the job returns."""
