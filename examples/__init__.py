"""Programs that use the suite from outside, as a front end would."""
