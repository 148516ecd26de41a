"""The REST API, one file for each resource. Validate, then permit, then act, in that order."""
